// SPDX-License-Identifier: Apache-2.0
#include "harvest/stores/base/breaker.hpp"

#include <gtest/gtest.h>

namespace yoda {
namespace {

constexpr BreakerPolicy policy{3, Duration::from_s(1), Duration::from_s(4)};
TimePoint at(double s)
{
    return TimePoint{} + Duration::from_s(s);
}

TEST(Breaker, StaysClosedBelowTheLimitAndASuccessForgets)
{
    Breaker breaker(policy);
    breaker.on_failure(at(0));
    breaker.on_failure(at(0));
    EXPECT_TRUE(breaker.try_enter(at(0)));
    breaker.on_success();
    breaker.on_failure(at(0));
    breaker.on_failure(at(0));
    EXPECT_TRUE(breaker.try_enter(at(0)));
    EXPECT_TRUE(breaker.ever_succeeded());
}

TEST(Breaker, LetsOneTrialInAfterItsPause)
{
    Breaker breaker(policy);
    for (int i = 0; i < 3; ++i) breaker.on_failure(at(0));
    EXPECT_FALSE(breaker.try_enter(at(0.9)));
    EXPECT_TRUE(breaker.allows(at(1)));
    EXPECT_TRUE(breaker.try_enter(at(1)));
    EXPECT_FALSE(breaker.try_enter(at(1))) << "only the first who asks";
    breaker.on_success();
    EXPECT_TRUE(breaker.try_enter(at(1)));
    EXPECT_TRUE(breaker.try_enter(at(1)));
}

TEST(Breaker, PausesGrowWithEachFailedTrialUpToTheLongest)
{
    Breaker breaker(policy);
    for (int i = 0; i < 3; ++i) breaker.on_failure(at(0));
    double now = 1;
    for (double const pause : {2.0, 4.0, 4.0}) {
        ASSERT_TRUE(breaker.try_enter(at(now)));
        breaker.on_failure(at(now));
        EXPECT_FALSE(breaker.try_enter(at(now + pause - 0.1)));
        now += pause;
    }
}

TEST(Breaker, FailuresOfRequestsThatWereUnderWayAreOneOpening)
{
    Breaker breaker(policy);
    for (int i = 0; i < 10; ++i) breaker.on_failure(at(0));
    EXPECT_TRUE(breaker.try_enter(at(1)));
}

TEST(Breaker, StaysAwayAsLongAsTheServerAsksButNotForEver)
{
    Breaker breaker(policy);
    breaker.on_failure(at(0), Duration::from_s(3));
    EXPECT_FALSE(breaker.try_enter(at(2)));
    EXPECT_TRUE(breaker.try_enter(at(3)));
    breaker.on_failure(at(3), Duration::from_s(86400));
    EXPECT_TRUE(breaker.try_enter(at(7)));
}

TEST(Breaker, StoppedIsForEverAndSaysWhy)
{
    Breaker breaker(policy);
    breaker.stop({ErrorKind::refused, "first", {}, {}});
    breaker.stop({ErrorKind::refused, "second", {}, {}});
    breaker.on_success();
    EXPECT_FALSE(breaker.try_enter(at(1000)));
    EXPECT_EQ(breaker.stopped()->what, "first");
}

TEST(Breaker, TrialThatSaysNothingLetsTheNextOneIn)
{
    Breaker breaker(policy);
    for (int i = 0; i < 3; ++i) breaker.on_failure(at(0));
    ASSERT_TRUE(breaker.try_enter(at(1)));
    breaker.on_no_verdict();
    EXPECT_TRUE(breaker.try_enter(at(1)));
}

}  // namespace
}  // namespace yoda
