// SPDX-License-Identifier: Apache-2.0
#include "sys/process/guarded_child.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <new>
#include <stdexcept>

namespace yoda {
namespace {

using ::testing::HasSubstr;

TEST(GuardedChild, ReturnsWhatTheWorkReturned)
{
    std::string const large(1'000'000, 'x');  // More than a pipe holds.
    auto const result = run_guarded([&](GuardedProgress&) { return large; }, {});
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_EQ(result->text, large);
    EXPECT_EQ(result->death, "");
    EXPECT_NE(result->child, ::getpid());
}

TEST(GuardedChild, TellsHowTheChildDiedAndAtWhat)
{
    auto const result = run_guarded(
        [](GuardedProgress& progress) -> std::string {
            rlimit const no_core{0, 0};
            ::setrlimit(RLIMIT_CORE, &no_core);
            std::signal(SIGSEGV, SIG_DFL);  // Sanitizers have one of their own.
            progress.item = 17;
            ::raise(SIGSEGV);
            return "never";
        },
        {});
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_EQ(result->item, 17u);
    EXPECT_THAT(result->death, HasSubstr("killed by signal 11"));
}

TEST(GuardedChild, TellsThatAnExceptionEscaped)
{
    auto const result =
        run_guarded([](GuardedProgress&) -> std::string { throw std::runtime_error("no more memory"); }, {});
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_THAT(result->death, HasSubstr("no more memory"));
}

TEST(GuardedChild, ShowsProgressWhileTheChildWorks)
{
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    std::uint64_t seen = 0;
    auto const result = run_guarded(
        [&](GuardedProgress& progress) {
            progress.done = 3;
            char go = 0;  // Waits until the other side has seen it.
            return ::read(ends[0], &go, 1) == 1 ? std::string("done") : std::string("not told");
        },
        [&](GuardedProgress const& progress) {
            if (seen == 0 && progress.done == 3) {
                seen = progress.done;
                EXPECT_EQ(::write(ends[1], "x", 1), 1);
            }
        });
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_EQ(seen, 3u);
    EXPECT_EQ(result->text, "done");
    ::close(ends[0]);
    ::close(ends[1]);
}

}  // namespace
}  // namespace yoda
