// SPDX-License-Identifier: Apache-2.0
// `harvest push` as a process that tests kill: a run folder, bundles whose checksums are known, and rounds of
// SIGKILL at random instants.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "core/base/exit_code.hpp"
#include "harvest/stage_out/stage_folder.hpp"
#include "harvest/stores/base/digest.hpp"
#include "support/builders/run_builder.hpp"

extern char** environ;

namespace yoda::test {

inline bool long_tests()
{
    return std::getenv("YODA_LONG_TESTS") != nullptr;
}

class KillWorld {
  public:
    /// A harvest on the run by `config` (tests/servers/push_driver.cpp).
    pid_t start()
    {
        write_text(folder / "config.json", config.dump());
        std::string const path = folder / "config.json";
        std::vector<char*> arguments{const_cast<char*>(YODA_PUSH_DRIVER), const_cast<char*>(path.c_str()),
                                     nullptr};
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        std::string const out = folder / ("out." + std::to_string(++process_count));
        posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
        posix_spawn_file_actions_addopen(&actions, 2, (out + ".err").c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                         0644);
        pid_t pid = -1;
        int const code = ::posix_spawn(&pid, YODA_PUSH_DRIVER, &actions, nullptr, arguments.data(), environ);
        posix_spawn_file_actions_destroy(&actions);
        EXPECT_EQ(code, 0);
        return pid;
    }
    static int wait_for(pid_t pid)
    {
        int status = 0;
        ::waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }

    void make_bundles(std::uint32_t first, std::uint32_t count, std::uint32_t large_count)
    {
        for (std::uint32_t i = first; i < first + count; ++i) {
            std::string const bytes =
                some_bytes(i < first + large_count ? (11u << 20) + i : 20'000 + i, i + 1);
            sums[add_bundle(run, i, bytes).bundle] = print_hex(digest_of(DigestKind::md5, bytes));
        }
    }

    StageFolder::Names names() const { return StageFolder(run, clock).look().value(); }

    /// Until `kills` of them hit a harvest that had work; new bundles come when all are done. `look`: now and
    /// then, what must be true at any instant.
    void kill_rounds(int kills, int longest_pause_us, std::function<void()> const& look)
    {
        std::mt19937_64 random(20240607);
        std::uniform_int_distribution<int> pause_us(500, longest_pause_us);
        std::uint32_t made = 0;
        auto const work_left = [&] { return names().done.size() < sums.size(); };
        for (int killed = 0, starts = 0; killed < kills; ++starts) {
            ASSERT_LT(starts, 20 * kills) << "too few kills hit it at work";
            if (sums.empty() || !work_left()) {
                make_bundles(made, 60, 3);
                made += 60;
            }
            pid_t const pid = start();
            ::usleep(static_cast<useconds_t>(pause_us(random)));
            ::kill(pid, SIGKILL);
            if (wait_for(pid) == 128 + SIGKILL && work_left()) ++killed;
            if (starts % 15 == 7) look();
        }
        EXPECT_EQ(wait_for(start()), 0) << file_text(folder / ("out." + std::to_string(process_count)));
        look();
        EXPECT_EQ(names().done.size(), sums.size());
        EXPECT_EQ(names().open.size() + names().held.size() + names().later.size(), 0u);
    }

    /// Every record that says verified or more is true, by `is_there`; nothing is
    /// lost, no data gone too soon.
    void expect_no_false_claims(std::function<bool(std::string const& name)> const& is_there) const
    {
        StageFolder const stage(run, clock);
        auto const all = names();
        std::error_code none_yet;
        std::unordered_set<std::string> done;
        for (auto const& entry : std::filesystem::directory_iterator(run + "/stage/done", none_yet))
            done.insert(entry.path().stem().string());
        for (auto const* const set :
             std::initializer_list<std::unordered_set<std::string> const*>{&all.open, &all.held, &done}) {
            for (auto const& name : *set) {
                auto const record = stage.read(name);
                ASSERT_TRUE(record) << record.error().text();
                EXPECT_NE(record->stage, Stage::lost) << record->reason;
                if (record->stage >= Stage::verified) {
                    EXPECT_TRUE(is_there(name)) << name;
                }
                if (record->stage != Stage::cleaned && record->stage != Stage::reported) {
                    EXPECT_TRUE(std::filesystem::exists(run + "/bundles/" + name))
                        << "data gone before it was reported";
                }
            }
        }
    }

    /// All files of a folder that another program fetched from the store: each bundle once, and nothing else.
    void expect_copies_in(std::string const& copies) const
    {
        std::size_t count = 0;
        for (auto const& entry : std::filesystem::directory_iterator(copies)) {
            auto const name = entry.path().filename().string();
            ++count;
            ASSERT_TRUE(sums.contains(name)) << name << " should not be there";
            EXPECT_EQ(print_hex(digest_of(DigestKind::md5, file_text(entry.path()))), sums.at(name)) << name;
        }
        EXPECT_EQ(count, sums.size());
    }

    ScratchFolder folder;
    SystemClock clock;
    std::string run = folder / "run";
    nlohmann::json config;
    std::map<std::string, std::string> sums;  ///< MD5 by bundle
    int process_count = 0;
};

}  // namespace yoda::test
