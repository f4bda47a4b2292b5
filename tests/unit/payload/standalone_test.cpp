// SPDX-License-Identifier: Apache-2.0
#include "payload/standalone.hpp"

#include <gtest/gtest.h>

namespace yoda::payload {
namespace {

TEST(Standalone, FileFirstLastAndStepAreRead)
{
    auto const request = read_standalone("/data/a:b.lhe:3-17:5");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->pfn, "/data/a:b.lhe");
    EXPECT_EQ(request->first, 3);
    EXPECT_EQ(request->last, 17);
    EXPECT_EQ(request->step, 5);
}

TEST(Standalone, WithoutAStepAllEventsAreOneRange)
{
    auto const request = read_standalone("x:3-17");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->step, 15);
}

TEST(Standalone, OtherTextsAreRefused)
{
    for (auto const* text :
         {"", "x", "x:", "x:1", "x:1-", "x:-1", "x:0-1", "x:2-1", "x:1-2:0", "x:1-2:", "1-2", "5:7"})
        EXPECT_FALSE(read_standalone(text)) << text;
}

TEST(Standalone, TheLastRangeIsCutAndFailuresShowInTheExitCode)
{
    std::vector<std::pair<std::int64_t, std::int64_t>> seen;
    auto const code = run_standalone({"x", 1, 7, 3}, "/", [&](Range const& range, Output&) {
        seen.emplace_back(range.first, range.last);
        if (range.first == 4) throw Fatal("four");
    });
    EXPECT_EQ(code, kSomeFailed);
    EXPECT_EQ(seen, (std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 3}, {4, 6}, {7, 7}}));
}

TEST(Standalone, TheLastPossibleEventDoesNotOverflow)
{
    constexpr auto kLast = std::numeric_limits<std::int64_t>::max();
    int count = 0;
    EXPECT_EQ(run_standalone({"", kLast - 1, kLast, 1}, "/", [&](Range const&, Output&) { ++count; }), kDone);
    EXPECT_EQ(count, 2);
}

}  // namespace
}  // namespace yoda::payload
