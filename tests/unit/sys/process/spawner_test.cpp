// SPDX-License-Identifier: Apache-2.0
#include "sys/process/spawner.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "spawner_fixture.hpp"

namespace yoda::test {
namespace {

using SpawnerStart = SpawnerTest;

std::string status_line(pid_t pid, std::string const& name)
{
    for (auto const& line : file_lines("/proc/" + std::to_string(pid) + "/status"))
        if (line.starts_with(name + ":\t")) return line.substr(name.size() + 2);
    return "not found";
}

TEST_F(SpawnerStart, ReportsPidAndExitCode)
{
    SpawnId const id = spawn(shell("echo $$; exit 7"));
    PayloadExited const exited = wait_exited(id);
    EXPECT_EQ(exited.exit_code, 7);
    EXPECT_EQ(exited.signal, 0);
    EXPECT_EQ(exited.pid, started_.at(id));
    EXPECT_EQ(output(), std::to_string(exited.pid) + "\n");
    EXPECT_EQ(exited.stray_count, 0u);
}

TEST_F(SpawnerStart, ReportsTheSignalThatEndedIt)
{
    EXPECT_EQ(run(shell("kill -SEGV $$")).signal, SIGSEGV);
}

TEST_F(SpawnerStart, ReportsCpuAndMemory)
{
    PayloadExited const exited =
        run(program({"/usr/bin/python3", "-c", "x = bytearray(64 << 20)\nfor i in range(3000000): pass"}));
    EXPECT_EQ(exited.exit_code, 0);
    EXPECT_GT(exited.user_us, 10'000);
    EXPECT_GT(exited.max_memory_bytes, 64u << 20);
    EXPECT_LT(exited.max_memory_bytes, 1u << 30);
}

TEST_F(SpawnerStart, ArgumentsReachTheProgramAsTheyAre)
{
    std::vector<std::string> const odd = {"", " a  b ", "$HOME", "`id`", "\"'\\", "*", "x\ny", "\xc3\xa4"};
    SpawnRequest request = program({"/usr/bin/printf", "<%s>"});
    request.arguments.insert(request.arguments.end(), odd.begin(), odd.end());
    EXPECT_EQ(run(std::move(request)).exit_code, 0);
    std::string expected;
    for (auto const& argument : odd) expected += "<" + argument + ">";
    EXPECT_EQ(output(), expected);
}

TEST_F(SpawnerStart, MissingProgramFailsWithItsName)
{
    Error const error = wait_failed(spawn(program({"/no/such/program"})));
    EXPECT_NE(error.what.find("/no/such/program"), std::string::npos);
    EXPECT_NE(error.why.find("No such file"), std::string::npos);
    EXPECT_FALSE(error.fix.empty());
    EXPECT_EQ(failed_.begin()->second.errno_value, ENOENT);
    EXPECT_EQ(run(shell("exit 3")).exit_code, 3) << "the next one starts";
}

TEST_F(SpawnerStart, EveryKindOfProgramThatCannotRunFailsWithItsReason)
{
    auto const errno_of = [&](SpawnRequest request) {
        SpawnId const id = spawn(std::move(request));
        wait_failed(id);
        return failed_.at(id).errno_value;
    };
    write_text(folder_ / "plain", "#!/bin/sh\n");
    EXPECT_EQ(errno_of(program({folder_ / "plain"})), EACCES);
    write_text(folder_ / "script", "#!/no/such/interpreter\n");
    ::chmod((folder_ / "script").c_str(), 0755);
    EXPECT_EQ(errno_of(program({folder_ / "script"})), ENOENT);
    write_text(folder_ / "junk", "junk");
    ::chmod((folder_ / "junk").c_str(), 0755);
    EXPECT_EQ(errno_of(program({folder_ / "junk"})), ENOEXEC);
    EXPECT_EQ(errno_of(program({folder_.path()})), EACCES);
    EXPECT_EQ(errno_of(program({"no_such_name"})), ENOENT);
    SpawnRequest elsewhere = shell("true");
    elsewhere.folder = folder_ / "missing";
    EXPECT_EQ(errno_of(std::move(elsewhere)), ENOENT);
    SpawnRequest bound = shell("true");
    bound.cores = {4000};
    EXPECT_EQ(errno_of(std::move(bound)), EINVAL);
    SpawnRequest long_argument = program({"/bin/true", std::string(3 << 20, 'x')});
    EXPECT_EQ(errno_of(std::move(long_argument)), E2BIG);
    EXPECT_TRUE(started_.empty());
}

TEST_F(SpawnerStart, NonsenseIsRefusedBeforeItIsSent)
{
    EXPECT_FALSE(spawner_->spawn(program({})));
    EXPECT_FALSE(spawner_->spawn(program({""})));
    EXPECT_FALSE(spawner_->spawn(program({"/bin/true", std::string("a\0b", 3)})));
    SpawnRequest request = program({"/bin/true"});
    request.environment.push_back(std::string("A=\0", 3));
    auto const refused = spawner_->spawn(std::move(request));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::usage);
}

TEST_F(SpawnerStart, PlainNamesAreLookedUpInThePathThatThePayloadGets)
{
    write_text(folder_ / "mine", "#!/bin/sh\necho found\n");
    ::chmod((folder_ / "mine").c_str(), 0755);
    SpawnRequest request = program({"mine"});
    request.environment = {"PATH=/no/such/folder:" + folder_.path()};
    EXPECT_EQ(run(std::move(request)).exit_code, 0);
    EXPECT_EQ(output(), "found\n");
}

TEST_F(SpawnerStart, OutputIsAppendedToFilesThatOthersCannotRead)
{
    write_text(folder_ / "out", "before\n");
    run(shell("echo one; echo two >&2"));
    EXPECT_EQ(output(), "before\none\n");
    EXPECT_EQ(file_text(folder_ / "err"), "two\n");
    struct stat info {};
    ASSERT_EQ(::stat((folder_ / "err").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0027, 0u);
}

TEST_F(SpawnerStart, BothOutputsCanGoToOneFile)
{
    SpawnRequest request = shell("echo one; echo two >&2; echo three");
    request.stderr_path = request.stdout_path;
    run(std::move(request));
    EXPECT_EQ(output(), "one\ntwo\nthree\n");
}

TEST_F(SpawnerStart, OutputNeverGoesThroughALinkOrIntoAPipe)
{
    write_text(folder_ / "precious", "precious");
    ASSERT_EQ(::symlink((folder_ / "precious").c_str(), (folder_ / "out").c_str()), 0);
    SpawnId const id = spawn(shell("echo gone"));
    Error const error = wait_failed(id);
    EXPECT_EQ(failed_.at(id).errno_value, ELOOP);
    EXPECT_NE(error.fix.find("symbolic link"), std::string::npos);
    EXPECT_EQ(file_text(folder_ / "precious"), "precious");

    ASSERT_EQ(::mkfifo((folder_ / "fifo").c_str(), 0600), 0);
    SpawnRequest request = shell("echo gone");
    request.stdout_path = folder_ / "fifo";
    wait_failed(spawn(std::move(request)));
}

TEST_F(SpawnerStart, HasNothingOpenButWhatItIsGiven)
{
    // A descriptor that whoever started us forgot: inherited by the server, which must close it.
    int const leak = ::open("/dev/zero", O_RDONLY);
    ASSERT_GE(leak, 0);
    SetUp();
    SpawnRequest request = program({"/usr/bin/python3", "-c",
                                    "import os\n"
                                    "for fd in range(256):\n"
                                    "    path = '/proc/self/fd/%d' % fd\n"
                                    "    if os.path.lexists(path): print(fd, os.readlink(path))"});
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    FileDescriptor const mine(ends[0]);
    request.extra_fd.reset(ends[1]);
    request.extra_fd_number = 7;
    run(std::move(request));
    ::close(leak);
    auto const open = file_lines(folder_ / "out");
    ASSERT_EQ(open.size(), 4u) << output();
    EXPECT_EQ(open[0], "0 /dev/null");
    EXPECT_EQ(open[1], "1 " + folder_ / "out");
    EXPECT_EQ(open[2], "2 " + folder_ / "err");
    EXPECT_TRUE(open[3].starts_with("7 socket:")) << open[3];
}

TEST_F(SpawnerStart, WorksWhenWeWereStartedWithoutStandardFiles)
{
    pid_t const child = ::fork();
    if (child == 0) {
        for (int fd : {0, 1, 2, 3}) ::close(fd);
        auto spawner = Spawner::start();
        SpawnRequest request = shell("cat; echo text; echo error >&2; exit 9");
        if (!spawner || !spawner->spawn(std::move(request))) ::_exit(1);
        for (;;) {
            pollfd fd{spawner->fd(), POLLIN, 0};
            if (::poll(&fd, 1, limit_ms) <= 0 || !spawner->poll()) ::_exit(2);
            while (auto event = spawner->take_event())
                if (auto* exited = std::get_if<PayloadExited>(&*event)) ::_exit(exited->exit_code);
        }
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 9);
    EXPECT_EQ(output(), "text\n");
    EXPECT_EQ(file_text(folder_ / "err"), "error\n");
}

TEST_F(SpawnerStart, TheExtraFileIsAWorkingSocketWhoseEndTellsThatThePayloadIsGone)
{
    for (int number : {3, 4, 9}) {
        int ends[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        FileDescriptor const mine(ends[0]);
        SpawnRequest request =
            program({"/usr/bin/python3", "-c",
                     "import os,sys; n = int(sys.argv[1]); os.write(n, os.read(n, 9).upper())",
                     std::to_string(number)});
        request.extra_fd.reset(ends[1]);
        request.extra_fd_number = number;
        ASSERT_EQ(::write(mine.get(), "hello", 5), 5);
        EXPECT_EQ(run(std::move(request)).exit_code, 0) << file_text(folder_ / "err");
        char answer[16];
        EXPECT_EQ(::read(mine.get(), answer, sizeof answer), 5);
        EXPECT_EQ(std::string(answer, 5), "HELLO");
        EXPECT_EQ(::read(mine.get(), answer, sizeof answer), 0) << "nobody else holds the payload's end";
    }
}

TEST_F(SpawnerStart, TheEnvironmentIsTheGivenOneAndItsMarker)
{
    SpawnRequest request = program({"/usr/bin/env"});
    request.environment = {"A=1", "B=two words", "YODA_SPAWN_ID=of somebody else"};
    run(std::move(request));
    auto const lines = file_lines(folder_ / "out");
    ASSERT_EQ(lines.size(), 3u) << output();
    EXPECT_TRUE(lines[0].starts_with("YODA_SPAWN_ID=") && lines[0].ends_with(":1")) << lines[0];
    EXPECT_EQ(lines[1], "A=1");
    EXPECT_EQ(lines[2], "B=two words");
}

TEST_F(SpawnerStart, AnEnvironmentLargerThanAnyPacketArrivesWhole)
{
    SpawnRequest request = program({"/usr/bin/env"});
    request.environment.clear();
    std::string expected;
    for (int i = 0; i < 10; ++i) {
        request.environment.push_back("V" + std::to_string(i) + "=" +
                                      std::string(100'000, static_cast<char>('a' + i)));
        expected += request.environment.back() + "\n";
    }
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    FileDescriptor const mine(ends[0]);
    request.extra_fd.reset(ends[1]);
    EXPECT_EQ(run(std::move(request)).exit_code, 0);
    EXPECT_TRUE(output().ends_with(expected));
    char byte;
    EXPECT_EQ(::read(mine.get(), &byte, 1), 0);
}

TEST_F(SpawnerStart, SignalsAreAsAtLogin)
{
    sigset_t blocked;
    ::sigemptyset(&blocked);
    ::sigaddset(&blocked, SIGUSR1);
    sigset_t before;
    ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
    auto* const pipe_handler = std::signal(SIGPIPE, SIG_IGN);
    auto* const child_handler = std::signal(SIGCHLD, SIG_IGN);
    SetUp();
    std::signal(SIGPIPE, pipe_handler);
    std::signal(SIGCHLD, child_handler);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    SpawnId const id = spawn(program({"/bin/sleep", "1000"}));
    pid_t const pid = wait_started(id);
    // Handlers go a moment after we are told that the program runs.
    for (char const* name : {"SigBlk", "SigCgt"})
        EXPECT_TRUE(eventually([&] { return status_line(pid, name) == "0000000000000000"; })) << name;
    // But SIGUSR1: batch systems send it to every process of a job as a warning that is meant for us.
    EXPECT_TRUE(eventually([&] { return status_line(pid, "SigIgn") == "0000000000000200"; }));
    spawner_->kill_tree(id);
    EXPECT_EQ(wait_exited(id).signal, SIGKILL);
}

TEST_F(SpawnerStart, LeadsASessionAndGroupOfItsOwn)
{
    SpawnId const id = spawn(program({"/bin/sleep", "1000"}));
    pid_t const pid = wait_started(id);
    auto const process = read_process(pid);
    ASSERT_TRUE(process);
    EXPECT_EQ(process->group, pid);
    EXPECT_EQ(process->session, pid);
    EXPECT_EQ(process->parent, spawner_->server_pid());
}

TEST_F(SpawnerStart, BindsToTheGivenCores)
{
    cpu_set_t allowed;
    ASSERT_EQ(::sched_getaffinity(0, sizeof allowed, &allowed), 0);
    unsigned last = 0;
    for (unsigned core = 0; core < CPU_SETSIZE; ++core)
        if (CPU_ISSET(core, &allowed)) last = core;
    SpawnRequest request = program({"/bin/sleep", "1000"});
    request.cores = {last};
    pid_t const pid = wait_started(spawn(std::move(request)));
    EXPECT_EQ(status_line(pid, "Cpus_allowed_list"), std::to_string(last));
}

TEST_F(SpawnerStart, SetsLimitsAndNiceValue)
{
    SpawnRequest request = shell("ulimit -c; ulimit -Hc; ulimit -v; ulimit -f; nice");
    request.address_space_limit_bytes = 1u << 30;
    request.file_size_limit_bytes = 1u << 20;
    request.niceness = 5;
    EXPECT_EQ(run(std::move(request)).exit_code, 0);
    int const ours = ::getpriority(PRIO_PROCESS, 0);
    EXPECT_EQ(output(), "0\n0\n1048576\n2048\n" + std::to_string(std::min(ours + 5, 19)) + "\n");
}

TEST_F(SpawnerStart, FileSizeLimitEndsAPayloadThatFloodsItsLog)
{
    SpawnRequest request = program({"/usr/bin/yes"});
    request.file_size_limit_bytes = 100'000;
    EXPECT_EQ(run(std::move(request)).signal, SIGXFSZ);
    EXPECT_EQ(output().size(), 100'000u);
}

TEST_F(SpawnerStart, ManyAtOnceAreEachReportedOnce)
{
    constexpr int count = 300;
    std::map<SpawnId, int> expected;
    for (int i = 0; i < count; ++i) expected[spawn(shell("exit " + std::to_string(i % 100)))] = i % 100;
    ASSERT_EQ(expected.size(), std::size_t{count}) << "a number was used twice";
    for (auto const& [id, code] : expected) EXPECT_EQ(wait_exited(id).exit_code, code);
    EXPECT_TRUE(list_children(spawner_->server_pid()).value_or(std::vector<pid_t>{}).empty());
}

TEST_F(SpawnerStart, WhatDoesNotFitTheSocketIsSentLater)
{
    // The server cannot read while it is stopped, so the socket fills up.
    ASSERT_EQ(::kill(spawner_->server_pid(), SIGSTOP), 0);
    std::vector<SpawnId> ids;
    while (!spawner_->wants_write() && ids.size() < 10'000) ids.push_back(spawn(program({"/bin/true"})));
    ASSERT_TRUE(spawner_->wants_write());
    ids.push_back(spawn(program({"/bin/true"})));
    ASSERT_EQ(::kill(spawner_->server_pid(), SIGCONT), 0);
    for (SpawnId id : ids) EXPECT_EQ(wait_exited(id).exit_code, 0);
    EXPECT_FALSE(spawner_->wants_write());
}

}  // namespace
}  // namespace yoda::test
