// SPDX-License-Identifier: Apache-2.0
#include "sys/process/process_tree.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <set>
#include <thread>

#include "support/scratch_folder.hpp"
#include "sys/base/files.hpp"

namespace yoda::test {
namespace {

TEST(ProcessTree, AStatLineIsReadWhateverTheCommandIsCalled)
{
    auto const info = parse_process_stat(
        "77 (a) S 1 (b c) R 5 6 7 34816 77 4194304 100 0 0 0 150 50 20 30 20 0 1 0 9876 22020096 512 "
        "18446744073709551615 "
        "1 1 0 0 0 0 0 4096 0 0 0 0 17 0 0 0 0 0 0\n");
    ASSERT_TRUE(info);
    EXPECT_EQ(info->pid, 77);
    EXPECT_EQ(info->parent, 5);
    EXPECT_EQ(info->group, 6);
    EXPECT_EQ(info->session, 7);
    EXPECT_EQ(info->state, 'R');
    EXPECT_EQ(info->start_ticks, 9876u);
    EXPECT_EQ(info->cpu_ms, 250u * 1000u / static_cast<unsigned>(::sysconf(_SC_CLK_TCK)));
    EXPECT_EQ(info->memory_bytes, 512u * static_cast<unsigned>(::sysconf(_SC_PAGESIZE)));
}

TEST(ProcessTree, WhatIsNoStatLineIsNone)
{
    for (char const* line :
         {"", "x", "1 (a", "1 (a)", "1 (a) ", "1 (a) S", "1 (a) S 2 3", "(a) S 1 2 3 4 5 6"})
        EXPECT_FALSE(parse_process_stat(line)) << line;
}

TEST(ProcessTree, FindsItself)
{
    auto const self = read_process(::getpid());
    ASSERT_TRUE(self);
    EXPECT_EQ(self->parent, ::getppid());
    EXPECT_EQ(self->session, ::getsid(0));
    EXPECT_GT(self->memory_bytes, 0u);
    EXPECT_FALSE(read_process(0));
}

TEST(ProcessTree, AListGivesParentsFirstAndNobodyElse)
{
    auto const process = [](pid_t pid, pid_t parent) {
        ProcessInfo info;
        info.pid = pid;
        info.parent = parent;
        return info;
    };
    std::vector<ProcessInfo> const all = {process(9, 7), process(7, 5), process(5, 1), process(8, 5),
                                          process(6, 1), process(1, 0), process(20, 6)};
    std::vector<pid_t> pids;
    for (auto const& info : process_tree(all, 5)) pids.push_back(info.pid);
    EXPECT_EQ(pids, (std::vector<pid_t>{5, 7, 8, 9}));
    EXPECT_TRUE(process_tree(all, 99).empty());
    // Never of one moment: a ring must not catch us.
    std::vector<ProcessInfo> const ring = {process(5, 6), process(6, 5)};
    EXPECT_LE(process_tree(ring, 5).size(), 3u);
}

/// A child with `memory_bytes` touched memory and a grandchild, both spinning until killed.
class Family {
  public:
    explicit Family(std::size_t memory_bytes)
    {
        int ready[2];
        if (::pipe(ready) != 0) ::abort();
        child = ::fork();
        if (child == 0) {
            ::setpgid(0, 0);
            // volatile: an optimiser must neither drop the memory nor the loop.
            auto* const memory = static_cast<char volatile*>(::malloc(memory_bytes));
            for (std::size_t i = 0; i < memory_bytes; ++i) memory[i] = 1;
            pid_t const second = ::fork();
            if (second != 0 && ::write(ready[1], &second, sizeof second) < 0) ::_exit(1);
            for (std::size_t i = 0;; ++i)
                if (memory[i % memory_bytes] != 1) ::_exit(1);
        }
        ::setpgid(child, child);
        if (::read(ready[0], &grandchild, sizeof grandchild) != sizeof grandchild) ::abort();
        ::close(ready[0]);
        ::close(ready[1]);
    }
    ~Family()
    {
        ::kill(-child, SIGKILL);
        ::waitpid(child, nullptr, 0);
    }
    pid_t child = 0;
    pid_t grandchild = 0;
};

TEST(ProcessTree, FollowsRealDescendantsOfEveryThread)
{
    Family const family(1 << 20);
    std::set<pid_t> found;
    for (auto const& info : process_tree(family.child)) found.insert(info.pid);
    EXPECT_EQ(found, (std::set<pid_t>{family.child, family.grandchild}));

    pid_t of_thread = 0;
    std::thread([&] {
        of_thread = ::fork();
        if (of_thread == 0) {
            for (;;) ::pause();
        }
        found.clear();
        for (auto const& info : process_tree(::getpid())) found.insert(info.pid);
    }).join();
    EXPECT_TRUE(found.contains(of_thread));
    EXPECT_TRUE(found.contains(family.grandchild));
    ::kill(of_thread, SIGKILL);
    ::waitpid(of_thread, nullptr, 0);
}

TEST(ProcessTree, MeasuresCpuAndCountsSharedMemoryOnce)
{
    constexpr std::size_t memory_bytes = 64u << 20;
    Family const family(memory_bytes);
    EXPECT_TRUE(eventually([&] { return measure_tree(family.child).cpu_ms >= 50; }));
    TreeUsage const usage = measure_tree(family.child);
    EXPECT_EQ(usage.process_count, 2u);
    EXPECT_GE(usage.memory_bytes, memory_bytes);
    std::uint64_t resident_bytes = 0;
    for (auto const& process : process_tree(family.child)) resident_bytes += process.memory_bytes;
    EXPECT_GE(resident_bytes, 2 * memory_bytes);
    EXPECT_LT(usage.memory_bytes, resident_bytes / 4 * 3) << "both processes see the same pages";
    EXPECT_EQ(measure_tree(0).process_count, 0u);
}

TEST(ProcessTree, ReadsAVariableOfAnotherProcess)
{
    pid_t const child = ::fork();
    if (child == 0) {
        char const* const arguments[] = {"sleep", "1000", nullptr};
        char const* const environment[] = {"YODA_SPAWN_IDX=1", "YODA_SPAWN_ID=a:b=c", "LAST=", nullptr};
        ::execve("/bin/sleep", const_cast<char* const*>(arguments), const_cast<char* const*>(environment));
        ::_exit(1);
    }
    EXPECT_TRUE(eventually([&] { return read_process_variable(child, "YODA_SPAWN_ID") == "a:b=c"; }));
    EXPECT_EQ(read_process_variable(child, "LAST"), "");
    EXPECT_FALSE(read_process_variable(child, "YODA"));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    EXPECT_FALSE(read_process_variable(child, "YODA_SPAWN_ID"));
}

}  // namespace
}  // namespace yoda::test
