// SPDX-License-Identifier: Apache-2.0
// Runs a Spawner the way a Droid's loop does, with real programs, and looks at what becomes of them in /proc.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/types.h>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "support/scratch_folder.hpp"
#include "sys/process/process_tree.hpp"
#include "sys/process/spawner.hpp"

namespace yoda::test {

inline bool is_alive(pid_t pid)
{
    auto const process = read_process(pid);
    return process && !process->is_dead();
}

class SpawnerTest : public ::testing::Test {
  protected:
    static constexpr int limit_ms = 60'000;  ///< only a broken Spawner takes that long

    void SetUp() override
    {
        auto started = Spawner::start();
        ASSERT_TRUE(started) << started.error().text();
        spawner_.emplace(std::move(started).value());
    }

    SpawnRequest program(std::vector<std::string> arguments)
    {
        SpawnRequest request;
        request.arguments = std::move(arguments);
        request.environment = {"PATH=/usr/local/bin:/usr/bin:/bin", "SCRATCH=" + folder_.path()};
        request.folder = folder_.path();
        request.stdout_path = folder_ / "out";
        request.stderr_path = folder_ / "err";
        return request;
    }
    SpawnRequest shell(std::string script) { return program({"/bin/sh", "-c", std::move(script)}); }

    SpawnId spawn(SpawnRequest request)
    {
        auto id = spawner_->spawn(std::move(request));
        EXPECT_TRUE(id) << id.error().text();
        return id ? *id : 0;
    }

    /// One turn of the loop; false if nothing came within the limit or the server is gone.
    bool turn()
    {
        pollfd fd{spawner_->fd(), POLLIN, 0};
        if (spawner_->wants_write()) fd.events |= POLLOUT;
        if (::poll(&fd, 1, limit_ms) <= 0) return false;
        if (!spawner_->poll()) return false;
        while (auto event = spawner_->take_event()) {
            if (auto* started = std::get_if<PayloadStarted>(&*event)) started_[started->id] = started->pid;
            if (auto* failed = std::get_if<PayloadStartFailed>(&*event)) failed_.emplace(failed->id, *failed);
            if (auto* exited = std::get_if<PayloadExited>(&*event)) {
                EXPECT_EQ(exited_.count(exited->id), 0u) << "reported twice";
                exited_.emplace(exited->id, *exited);
            }
        }
        return true;
    }
    pid_t wait_started(SpawnId id)
    {
        while (started_.count(id) == 0 && failed_.count(id) == 0 && turn()) {
        }
        EXPECT_EQ(started_.count(id), 1u) << (failed_.count(id) ? failed_.at(id).error.text() : "no answer");
        return started_.count(id) ? started_.at(id) : 0;
    }
    Error wait_failed(SpawnId id)
    {
        while (started_.count(id) == 0 && failed_.count(id) == 0 && turn()) {
        }
        EXPECT_EQ(failed_.count(id), 1u);
        return failed_.count(id) ? failed_.at(id).error : Error{};
    }
    PayloadExited wait_exited(SpawnId id)
    {
        while (exited_.count(id) == 0 && failed_.count(id) == 0 && turn()) {
        }
        EXPECT_EQ(exited_.count(id), 1u) << (failed_.count(id) ? failed_.at(id).error.text() : "no answer");
        return exited_.count(id) ? exited_.at(id) : PayloadExited{};
    }
    PayloadExited run(SpawnRequest request) { return wait_exited(spawn(std::move(request))); }

    std::string output() const { return file_text(folder_ / "out"); }

    /// The pids that payloads have written into a file, once there are `count` of them.
    std::vector<pid_t> wait_pids(std::string const& name, std::size_t count)
    {
        EXPECT_TRUE(eventually([&] { return file_lines(folder_ / name).size() >= count; })) << name;
        std::vector<pid_t> pids;
        for (auto const& line : file_lines(folder_ / name)) pids.push_back(std::stoi(line));
        return pids;
    }

    ScratchFolder folder_;
    std::optional<Spawner> spawner_;
    std::map<SpawnId, pid_t> started_;
    std::map<SpawnId, PayloadStartFailed> failed_;
    std::map<SpawnId, PayloadExited> exited_;
};

}  // namespace yoda::test
