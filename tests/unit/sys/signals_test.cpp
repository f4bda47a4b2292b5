#include "sys/signals.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "support/scratch_folder.hpp"

namespace yoda {
namespace {

bool is_readable(SignalWatch const& watch, int limit_ms)
{
    for (;;) {
        pollfd fd{watch.fd(), POLLIN, 0};
        int const count = ::poll(&fd, 1, limit_ms);
        if (count >= 0 || errno != EINTR) return count == 1;
    }
}

TEST(SignalWatch, TellsWhichSignalCameAndFromWhom)
{
    auto watch = SignalWatch::start({SIGUSR1, SIGTERM, SIGXCPU, SIGINT});
    ASSERT_TRUE(watch);
    EXPECT_FALSE(is_readable(*watch, 0));
    EXPECT_FALSE(watch->take());
    for (int number : {SIGTERM, SIGUSR1, SIGXCPU, SIGINT}) {
        ASSERT_EQ(::kill(::getpid(), number), 0);
        ASSERT_TRUE(is_readable(*watch, 60'000));
        auto const caught = watch->take();
        ASSERT_TRUE(caught);
        EXPECT_EQ(caught->number, number);
        EXPECT_EQ(caught->sender, ::getpid());
        EXPECT_FALSE(watch->take());
    }
}

TEST(SignalWatch, WorksWhicheverThreadIsInterrupted)
{
    auto watch = SignalWatch::start({SIGUSR1});
    ASSERT_TRUE(watch);
    std::thread([] { ::pthread_kill(::pthread_self(), SIGUSR1); }).join();
    ASSERT_TRUE(is_readable(*watch, 60'000));
    EXPECT_EQ(watch->take()->number, SIGUSR1);
}

TEST(SignalWatch, AFloodNeitherBlocksNorIsLostEntirely)
{
    auto watch = SignalWatch::start({SIGUSR1});
    ASSERT_TRUE(watch);
    errno = 0;
    for (int i = 0; i < 10'000; ++i) ::raise(SIGUSR1);
    EXPECT_EQ(errno, 0) << "a handler must not change it";
    int count = 0;
    while (watch->take()) ++count;
    EXPECT_GT(count, 0);
    ::raise(SIGUSR1);
    EXPECT_TRUE(watch->take());
}

TEST(SignalWatch, ItsEndPutsBackWhatWasBefore)
{
    auto* const before = std::signal(SIGUSR2, SIG_IGN);
    {
        auto watch = SignalWatch::start({SIGUSR2});
        ASSERT_TRUE(watch);
    }
    EXPECT_EQ(std::signal(SIGUSR2, before), SIG_IGN);
    EXPECT_TRUE(SignalWatch::start({SIGUSR2})) << "and another can watch";
}

TEST(SignalWatch, WhatCannotBeCaughtIsAnError)
{
    auto const watch = SignalWatch::start({SIGUSR1, SIGKILL});
    ASSERT_FALSE(watch);
    EXPECT_NE(watch.error().what.find("SIGKILL"), std::string::npos);
    EXPECT_TRUE(SignalWatch::start({SIGUSR1}));
}

TEST(SignalWatch, AProgramThatIsExecutedInheritsNothing)
{
    auto watch = SignalWatch::start({SIGTERM});
    ASSERT_TRUE(watch);
    pid_t const child = ::fork();
    if (child == 0) {
        ::execl("/bin/sleep", "sleep", "1000", static_cast<char*>(nullptr));
        ::_exit(1);
    }
    // Before the exec the child would tell us, through the pipe that it shares; so send until it has died.
    int status = 0;
    while (::waitpid(child, &status, WNOHANG) == 0) ::kill(child, SIGTERM);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

TEST(SignalWatch, ASecondWordMoreThanTwoSecondsLaterEndsTheProcess)
{
    EXPECT_FALSE(ends_now(0, 9'000'000'000)) << "there was none before";
    EXPECT_FALSE(ends_now(5'000'000'000, 5'000'000'001)) << "launchers deliver the first one twice";
    EXPECT_FALSE(ends_now(5'000'000'000, 7'000'000'000));
    EXPECT_TRUE(ends_now(5'000'000'000, 7'000'000'001));
}

TEST(SignalWatch, EndsAProcessThatHangsAndDoesNotHear)
{
    // As yoda does: what comes while nobody can take it is held back.
    sigset_t held;
    sigset_t before;
    ::sigemptyset(&held);
    for (int number : {SIGINT, SIGTERM, SIGUSR1}) ::sigaddset(&held, number);
    ::pthread_sigmask(SIG_BLOCK, &held, &before);
    pid_t const child = ::fork();
    if (child == 0) {
        auto const watch = SignalWatch::start({SIGINT, SIGTERM, SIGUSR1}, 3);
        if (!watch) ::_exit(9);
        for (;;) ::pause();
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    int status = 0;
    unsigned count = 0;
    auto const begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(test::eventually([&] {
        ::kill(child, ++count % 3 == 0 ? SIGUSR1 : count % 3 == 1 ? SIGINT : SIGTERM);
        return ::waitpid(child, &status, WNOHANG) == child;
    }));
    ASSERT_TRUE(WIFEXITED(status)) << status;
    EXPECT_EQ(WEXITSTATUS(status), 3);
    EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2)) << "one word, said often";
}

TEST(SignalWatch, KnowsWhatIsIgnored)
{
    auto* const before = std::signal(SIGHUP, SIG_IGN);
    EXPECT_TRUE(is_ignored(SIGHUP));
    std::signal(SIGHUP, SIG_DFL);
    EXPECT_FALSE(is_ignored(SIGHUP));
    std::signal(SIGHUP, before);
}

TEST(SignalWatch, SignalsHaveNames)
{
    EXPECT_EQ(print_signal(SIGXCPU), "SIGXCPU");
    EXPECT_EQ(print_signal(1000), "signal 1000");
}

}  // namespace
}  // namespace yoda
