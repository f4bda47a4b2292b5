// SPDX-License-Identifier: Apache-2.0
// A run folder with 20 ranges, and ways to open it.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "support/builders/opened_runs.hpp"
#include "support/scratch_folder.hpp"

namespace yoda::test {

/// These tests kill programs, not machines: a disk in memory shows the same, and syncs cost nothing there.
struct DiskInMemory {
    DiskInMemory()
    {
        if (::access(memory, W_OK) == 0) ::setenv("TMPDIR", memory, 1);
    }
    ~DiskInMemory()
    {
        if (had)
            ::setenv("TMPDIR", old.c_str(), 1);
        else
            ::unsetenv("TMPDIR");
    }
    static constexpr char const* memory = "/dev/shm";
    bool had = std::getenv("TMPDIR") != nullptr;
    std::string old = had ? std::getenv("TMPDIR") : "";
};

struct RunOpening : ::testing::Test {
    RunOpening() { make_run(path, 20); }
    OpenedRun open(OpenMode mode)
    {
        auto options = take_over_options();
        options.mode = mode;
        auto opened = open_run(run, options);
        EXPECT_TRUE(opened) << opened.error().text();
        return opened ? std::move(*opened) : OpenedRun{};
    }
    OpenedRun take_over() { return open(OpenMode::take_over); }
    std::string open_error(OpenMode mode = OpenMode::look)
    {
        OpenOptions options = take_over_options();
        options.mode = mode;
        auto const opened = open_run(run, options);
        return opened ? "it opened" : opened.error().text();
    }
    std::vector<std::string> names(std::string const& folder) const
    {
        std::vector<std::string> found;
        for (auto const& entry : std::filesystem::directory_iterator(folder))
            found.push_back(entry.path().filename());
        std::sort(found.begin(), found.end());
        return found;
    }
    DiskInMemory disk;
    ScratchFolder root;
    std::string path = root / "RUN";
    RunFolder run{path};
};

}  // namespace yoda::test
