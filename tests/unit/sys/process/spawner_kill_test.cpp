// SPDX-License-Identifier: Apache-2.0
// Who dies, who stays, and that nothing is left behind: with real processes, looked up in /proc.
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "spawner_fixture.hpp"
#include "sys/process/spawn_server.hpp"

namespace yoda::test {
namespace {

using SpawnerKill = SpawnerTest;

/// Says who it is, then waits to be killed.
constexpr char const* wait_for_death = "echo $$ >> $SCRATCH/pids; exec sleep 1000";
/// The same with nothing left of the environment that it was started with.
std::string forgetful(std::string const& file)
{
    return "env -i SCRATCH=$SCRATCH /bin/sh -c 'echo $$ >> " + file + "; exec env -i /bin/sleep 1000'";
}

bool all_dead(std::vector<pid_t> const& pids)
{
    return std::none_of(pids.begin(), pids.end(), is_alive);
}

TEST_F(SpawnerKill, SignalReachesTheWholeProcessGroup)
{
    SpawnId const id = spawn(shell("sleep 1000 & echo $! >> pids; echo $$ >> pids; wait"));
    auto const pids = wait_pids("pids", 2);
    spawner_->signal(id, SIGTERM);
    EXPECT_EQ(wait_exited(id).signal, SIGTERM);
    EXPECT_TRUE(eventually([&] { return all_dead(pids); }));
}

TEST_F(SpawnerKill, ProcessesOfAnEndedGroupLeaderAreKilled)
{
    SpawnId const id = spawn(shell("sleep 1000 & echo $! >> pids; sleep 1000 & echo $! >> pids; exit 4"));
    PayloadExited const exited = wait_exited(id);
    EXPECT_EQ(exited.exit_code, 4);
    EXPECT_EQ(exited.stray_count, 2u);
    EXPECT_EQ(exited.left_count, 0u);
    EXPECT_TRUE(all_dead(wait_pids("pids", 2))) << "an exit is reported when nothing is left";
}

TEST_F(SpawnerKill, StraysInSessionsOfTheirOwnAreKilledBeforeTheExitIsReported)
{
    // With the pause the stray is sure to have left the session; without, it may be caught on its way.
    for (char const* pause : {"while ! [ -s pids ]; do :; done", ":"}) {
        SpawnId const id =
            spawn(shell(std::string("setsid sh -c '") + wait_for_death + "' & " + pause + "; exit 0"));
        PayloadExited const exited = wait_exited(id);
        EXPECT_EQ(exited.exit_code, 0);
        EXPECT_EQ(exited.stray_count, 1u);
        for (auto const& line : file_lines(folder_ / "pids")) EXPECT_FALSE(is_alive(std::stoi(line)));
    }
}

TEST_F(SpawnerKill, KillTreeReachesGroupsSessionsAndOrphans)
{
    SpawnId const other =
        spawn(shell("setsid sh -c 'echo $$ >> others; exec sleep 1000' & echo $$ >> others; wait"));
    std::string const script = std::string("sleep 1000 & echo $! >> pids; ") +         //
                               "setsid sh -c '" + wait_for_death + "' & " +            //
                               "(setsid sh -c '" + wait_for_death + "' & exit 0); " +  // its parent is gone
                               "python3 -c 'import os, time; os.setpgid(0, 0); "       //
                               "open(\"pids\", \"a\").write(str(os.getpid()) + \"\\n\"); time.sleep(1000)' & "
                               "trap : TERM INT HUP; echo $$ >> pids; wait";
    SpawnId const id = spawn(shell(script));
    auto const pids = wait_pids("pids", 5);
    auto const others = wait_pids("others", 2);
    spawner_->kill_tree(id);
    PayloadExited const exited = wait_exited(id);
    EXPECT_EQ(exited.signal, SIGKILL);
    EXPECT_EQ(exited.stray_count, 4u);
    EXPECT_TRUE(all_dead(pids));
    for (pid_t pid : others) EXPECT_TRUE(is_alive(pid)) << "of another payload";
    EXPECT_EQ(exited_.count(other), 0u);
}

TEST_F(SpawnerKill, ATreeIsKilledWhateverItDidToItsEnvironment)
{
    SpawnId const id = spawn(shell("setsid " + forgetful("$SCRATCH/pids") + " & wait"));
    auto const pids = wait_pids("pids", 1);
    EXPECT_TRUE(eventually([&] { return !read_process_variable(pids[0], "SCRATCH"); }));
    spawner_->kill_tree(id);
    wait_exited(id);
    EXPECT_TRUE(all_dead(pids));
}

TEST_F(SpawnerKill, AnOrphanWithoutMarkerIsKilledWithTheOnlyPayloadThatCanBeItsOwner)
{
    SpawnId const id = spawn(shell("(setsid " + forgetful("$SCRATCH/pids") + " & exit 0); exec sleep 1000"));
    auto const pids = wait_pids("pids", 1);
    spawner_->kill_tree(id);
    wait_exited(id);
    EXPECT_TRUE(eventually([&] { return all_dead(pids); }));
}

TEST_F(SpawnerKill, AnOrphanWithoutMarkerIsKnownByItsSession)
{
    SpawnId const first = spawn(shell("(" + forgetful("$SCRATCH/pids") + " & exit 0); exec sleep 1000"));
    SpawnId const second = spawn(shell("(" + forgetful("$SCRATCH/others") + " & exit 0); exec sleep 1000"));
    auto const pids = wait_pids("pids", 1);
    auto const others = wait_pids("others", 1);
    for (pid_t pid : {pids[0], others[0]})
        EXPECT_TRUE(eventually([&] { return !read_process_variable(pid, "SCRATCH"); }));
    spawner_->kill_tree(first);
    wait_exited(first);
    EXPECT_TRUE(all_dead(pids));
    EXPECT_TRUE(is_alive(others[0]));
    EXPECT_EQ(exited_.count(second), 0u);
}

TEST_F(SpawnerKill, AnOrphanThatMayBeAnothersStaysUntilAllThatMayOwnItHaveEnded)
{
    std::string const script = "(setsid " + forgetful("$SCRATCH/pids") + " & exit 0); exec sleep 1000";
    SpawnId const first = spawn(shell(script));
    SpawnId const second = spawn(shell(script));
    auto const pids = wait_pids("pids", 2);
    for (pid_t pid : pids)
        EXPECT_TRUE(eventually([&] { return read_process(pid)->parent == spawner_->server_pid(); }));
    spawner_->kill_tree(first);
    EXPECT_EQ(wait_exited(first).signal, SIGKILL);
    for (pid_t pid : pids) EXPECT_TRUE(is_alive(pid));
    spawner_->kill_tree(second);
    EXPECT_EQ(wait_exited(second).signal, SIGKILL);
    EXPECT_TRUE(eventually([&] { return all_dead(pids); }));
}

TEST_F(SpawnerKill, KillMemberTakesOneWorkerAndItsChildrenOnly)
{
    std::string const worker =
        "sh -c 'sleep 1000 & echo $! >> $SCRATCH/pids; echo $$ >> $SCRATCH/pids; wait' & ";
    SpawnId const id = spawn(shell(worker + "while ! [ \"$(wc -l < pids)\" = 2 ]; do :; done; " +
                                   "sleep 1000 & echo $! >> kept; echo $$ >> kept; wait; sleep 1000"));
    auto const kept = wait_pids("kept", 2);
    auto const pids = wait_pids("pids", 2);
    spawner_->kill_member(id, pids[1]);
    EXPECT_TRUE(eventually([&] { return all_dead(pids); }));
    for (pid_t pid : kept) EXPECT_TRUE(is_alive(pid));
    spawner_->kill_member(id, ::getpid());  // is none of its processes
    spawner_->kill_member(id, spawner_->server_pid());
    spawner_->kill_tree(id);
    wait_exited(id);
    EXPECT_TRUE(all_dead(kept));
}

TEST_F(SpawnerKill, APayloadThatNeverStopsForkingIsKilled)
{
    SpawnId const calm = spawn(program({"/bin/sleep", "1000"}));
    pid_t const calm_pid = wait_started(calm);
    // Four chains of processes, each of which leaves its session, forks the next and ends at once; ten of
    // each chain leave a process behind that nothing ties to the payload any more.
    write_text(folder_ / "storm.py",
               "import os, signal\n"
               "if os.fork() != 0: signal.pause()\n"
               "for chain in range(3):\n"
               "    if os.fork() == 0: break\n"
               "step = 0\n"
               "while True:\n"
               "    step += 1\n"
               "    if os.fork() != 0: os._exit(0)\n"
               "    os.setsid()\n"
               "    if step % 8 == 0 and step <= 80 and os.fork() == 0:\n"
               "        os.setsid()\n"
               "        os.execve('/bin/sleep', ['sleep', '1000'], {})\n"
               "    if step == 20: open('storm', 'a').write('x')\n");
    SpawnId const id = spawn(program({"/usr/bin/python3", "storm.py"}));
    EXPECT_TRUE(eventually([&] { return file_text(folder_ / "storm").size() == 4; }));
    spawner_->kill_tree(id);
    PayloadExited const exited = wait_exited(id);
    EXPECT_EQ(exited.left_count, 0u);
    EXPECT_TRUE(is_alive(calm_pid));
    spawner_->kill_tree(calm);
    wait_exited(calm);
    EXPECT_TRUE(eventually([&] { return process_tree(spawner_->server_pid()).size() == 1; }));
}

TEST_F(SpawnerKill, KillsOfWhatHasEndedDoNothing)
{
    SpawnId const id = spawn(shell("exit 0"));
    wait_exited(id);
    spawner_->kill_tree(id);
    spawner_->signal(id, SIGKILL);
    spawner_->kill_member(id, started_.at(id));
    spawner_->kill_tree(id + 100);
    EXPECT_EQ(run(shell("exit 5")).exit_code, 5);
}

TEST_F(SpawnerKill, SignalsOfLaunchersAndBatchSystemsDoNotEndTheServer)
{
    EXPECT_NE(::getpgid(spawner_->server_pid()), ::getpgrp());
    EXPECT_NE(::getsid(spawner_->server_pid()), ::getsid(0));
    for (int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU, SIGALRM, SIGQUIT, SIGPIPE})
        ASSERT_EQ(::kill(spawner_->server_pid(), number), 0);
    EXPECT_EQ(run(shell("exit 6")).exit_code, 6);
}

TEST_F(SpawnerKill, WithTheServerAllPayloadsDieAndAnErrorTells)
{
    spawn(shell(std::string("setsid sh -c '") + wait_for_death + "' & echo $$ >> pids; wait"));
    spawn(shell("sleep 1000 & echo $! >> pids; echo $$ >> pids; wait"));
    auto const pids = wait_pids("pids", 4);
    while (started_.size() < 2 && turn()) {
    }
    ASSERT_EQ(::kill(spawner_->server_pid(), SIGKILL), 0);
    while (turn()) {
    }
    Status const status = spawner_->poll();
    ASSERT_FALSE(status);
    EXPECT_NE(status.error().why.find("signal 9"), std::string::npos) << status.error().text();
    EXPECT_FALSE(spawner_->spawn(program({"/bin/true"})));
    EXPECT_TRUE(eventually([&] { return all_dead(pids); }));
    EXPECT_TRUE(spawner_->stop(Duration::from_ms(limit_ms)));
}

TEST_F(SpawnerKill, PayloadsDieWithTheServerEvenIfTheDroidCannotHelp)
{
    SpawnId const id = spawn(shell("trap : TERM HUP; while :; do sleep 1000; done"));
    pid_t const pid = wait_started(id);
    ASSERT_EQ(::kill(spawner_->server_pid(), SIGKILL), 0);
    EXPECT_TRUE(eventually([&] { return !is_alive(pid); })) << "nobody has called poll()";
}

TEST_F(SpawnerKill, StopLeavesNothing)
{
    std::string const script =
        std::string("setsid sh -c '") + wait_for_death + "' & trap : TERM; echo $$ >> pids; wait; sleep 1000";
    for (int i = 0; i < 3; ++i) spawn(shell(script));
    auto const pids = wait_pids("pids", 6);
    pid_t const server = spawner_->server_pid();
    EXPECT_TRUE(spawner_->stop(Duration::from_ms(limit_ms)));
    EXPECT_TRUE(all_dead(pids));
    EXPECT_FALSE(read_process(server)) << "it was waited for";
    EXPECT_FALSE(spawner_->spawn(program({"/bin/true"})));
}

/// What a Droid does; it is killed in the middle.
[[noreturn]] void be_a_droid(ScratchFolder const& folder, std::vector<std::string> const& scripts)
{
    auto spawner = Spawner::start();
    if (!spawner) ::_exit(1);
    write_text(folder / "server", std::to_string(spawner->server_pid()) + "\n");
    for (auto const& script : scripts) {
        SpawnRequest request;
        request.arguments = {"/bin/sh", "-c", script};
        request.environment = {"PATH=/usr/bin:/bin", "SCRATCH=" + folder.path()};
        request.folder = folder.path();
        if (!spawner->spawn(std::move(request))) ::_exit(2);
    }
    for (;;) {
        pollfd fd{spawner->fd(), POLLIN, 0};
        ::poll(&fd, 1, -1);
        if (!spawner->poll()) ::_exit(3);
    }
}

TEST(SpawnerOfADyingDroid, KillsEveryPayloadTreeAndEnds)
{
    // What the server does not kill must not be hidden by whoever adopts orphans here.
    ScratchFolder const folder;
    std::vector<std::string> const scripts = {
        std::string("setsid sh -c '") + wait_for_death +
            "' & trap : TERM HUP INT; echo $$ >> pids; wait; sleep 1000",
        "(setsid " + forgetful("$SCRATCH/pids") + " & exit 0); echo $$ >> pids; exec sleep 1000",
        "sleep 1000 & echo $! >> pids; echo $$ >> pids; wait"};
    pid_t const droid = ::fork();
    if (droid == 0) be_a_droid(folder, scripts);
    ASSERT_GT(droid, 0);
    ASSERT_TRUE(eventually([&] { return file_lines(folder / "pids").size() == 6; }));
    std::vector<pid_t> pids;
    for (auto const& line : file_lines(folder / "pids")) pids.push_back(std::stoi(line));
    pid_t const server = std::stoi(file_text(folder / "server"));
    for (pid_t pid : pids) EXPECT_TRUE(is_alive(pid));
    // As a launcher that ends the job would, first to the whole group, then for good.
    ::kill(server, SIGTERM);
    ASSERT_EQ(::kill(droid, SIGKILL), 0);
    ASSERT_EQ(::waitpid(droid, nullptr, 0), droid);
    EXPECT_TRUE(eventually([&] { return all_dead(pids) && !is_alive(server); }));
}

TEST(SpawnerOfADyingDroid, EndsEvenIfSomebodyElseHoldsTheDroidsEndOfTheSocket)
{
    ScratchFolder const folder;
    int hold[2];
    ASSERT_EQ(::pipe(hold), 0);
    pid_t const droid = ::fork();
    if (droid == 0) {
        auto spawner = Spawner::start();
        if (!spawner) ::_exit(1);
        if (::fork() == 0) {  // keeps a copy of everything open
            char byte;
            ::close(hold[1]);
            while (::read(hold[0], &byte, 1) > 0) {
            }
            ::_exit(0);
        }
        write_text(folder / "server", std::to_string(spawner->server_pid()) + "\n");
        for (;;) ::pause();
    }
    ASSERT_TRUE(eventually([&] { return file_lines(folder / "server").size() == 1; }));
    pid_t const server = std::stoi(file_text(folder / "server"));
    ASSERT_TRUE(is_alive(server));
    ASSERT_EQ(::kill(droid, SIGKILL), 0);
    ASSERT_EQ(::waitpid(droid, nullptr, 0), droid);
    EXPECT_TRUE(eventually([&] { return !is_alive(server); }));
    ::close(hold[0]);
    ::close(hold[1]);
}

}  // namespace
}  // namespace yoda::test
