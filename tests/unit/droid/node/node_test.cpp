// SPDX-License-Identifier: Apache-2.0
#include "droid/node/node.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "support/scratch_folder.hpp"

namespace yoda {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

/// Of a process that has been and is no more.
pid_t dead_pid()
{
    pid_t const child = ::fork();
    if (child == 0) ::_exit(0);
    ::waitpid(child, nullptr, 0);
    return child;
}

TEST(WorkFolders, OfDeadDroidsOfThisHostAreRemovedAndNoOthers)
{
    test::ScratchFolder const parent;
    auto const dead = dead_pid();
    auto const stale = work_folder_path(parent.path(), "n1", 3, dead);
    std::vector<std::string> const kept{
        work_folder_path(parent.path(), "n1", 3, ::getpid()),  // it lives
        work_folder_path(parent.path(), "n2", 3, dead),        // its host must know
        work_folder_path(parent.path(), "n1_b", 3, dead),      // another host, whose name begins alike
        parent / "yoda_droid_n1_3_x",
    };
    fs::create_directories(stale + "/job_0");
    for (auto const& path : kept) fs::create_directory(path);
    auto const link = work_folder_path(parent.path(), "n1", 4, dead);
    fs::create_directory_symlink(kept[0], link);
    EXPECT_THAT(remove_stale_work_folders(parent.path(), "n1"), ElementsAre(stale));
    EXPECT_FALSE(fs::exists(stale));
    for (auto const& path : kept) EXPECT_TRUE(fs::exists(path)) << path;
    EXPECT_TRUE(fs::is_symlink(link));
}

}  // namespace
}  // namespace yoda
