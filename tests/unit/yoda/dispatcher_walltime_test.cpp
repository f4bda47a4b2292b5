// SPDX-License-Identifier: Apache-2.0
// The end of the allocation: nothing is started that cannot finish, everybody is drained in time.
#include "yoda_under_test.hpp"

namespace yoda {
namespace {

using test::YodaUnderTest;

constexpr Duration walltime = Duration::from_s(3600);  // 60 s of it are kept for sealing.

DispatchPolicy limited(Duration time = walltime)
{
    DispatchPolicy policy;
    policy.batch = 2;
    policy.window = 1;
    policy.walltime = time;
    policy.end = TimePoint{} + time;
    policy.second_copies = false;
    policy.silence = Duration::from_s(1e6);
    return policy;
}

TEST(Walltime, ADroidHearsHowMuchTimeIsLeft)
{
    YodaUnderTest yoda({.ranges = 10}, 1, limited());
    yoda.now = yoda.now + Duration::from_s(40);
    yoda.hello(1);
    auto const limits = yoda.effects.sent<Limits>(1);
    ASSERT_EQ(limits.size(), 1u);
    EXPECT_EQ(limits[0].time_left_ms, (3600u - 60 - 40) * 1000);
    EXPECT_EQ(limits[0].event_time_us, none) << "nothing has been measured";
}

TEST(Walltime, WithoutAnEndThereIsNoLimit)
{
    YodaUnderTest yoda({.ranges = 10}, 1);
    yoda.hello(1);
    ASSERT_EQ(yoda.effects.sent<Limits>(1).size(), 1u);
    EXPECT_EQ(yoda.effects.sent<Limits>(1)[0].time_left_ms, none);
    yoda.wait(Duration::from_s(20), {1});
    EXPECT_EQ(yoda.effects.sent<Limits>(1).size(), 1u);
}

TEST(Walltime, LimitsAreRenewedWithWhatIsMeasured)
{
    YodaUnderTest yoda({.ranges = 10}, 1, limited());
    yoda.hello(1);
    yoda.finish(1, {{0, 1}}, 2000);
    yoda.effects.clear();
    yoda.wait(Duration::from_s(12), {1});
    auto const limits = yoda.effects.sent<Limits>(1);
    ASSERT_EQ(limits.size(), 2u);
    EXPECT_GE(limits[0].event_time_us, 2000000u);
    EXPECT_LE(limits[0].event_time_us, 2250001u);
    EXPECT_LT(limits[1].time_left_ms, limits[0].time_left_ms);
}

TEST(Walltime, WithoutMeasuredTimesNothingIsStartedInTheLastTenMinutes)
{
    YodaUnderTest yoda({.ranges = 100}, 2, limited(Duration::from_s(36000)));
    yoda.hello(1);
    yoda.now = TimePoint{} + Duration::from_s(36000 - 60 - 601);
    yoda.tick();
    EXPECT_FALSE(yoda.dispatcher.draining());
    yoda.effects.clear();
    yoda.now = yoda.now + Duration::from_s(2);
    yoda.hello(2);
    EXPECT_TRUE(yoda.effects.granted(2).empty());
    yoda.tick();
    EXPECT_TRUE(yoda.dispatcher.draining());
}

TEST(Walltime, InAShortAllocationItIsTheLastTenth)
{
    YodaUnderTest yoda({.ranges = 100}, 1, limited(Duration::from_s(60)));
    yoda.hello(1);
    yoda.now = TimePoint{} + Duration::from_s(52);
    yoda.tick();
    EXPECT_FALSE(yoda.dispatcher.draining());
    yoda.tick(Duration::from_s(1));
    EXPECT_TRUE(yoda.dispatcher.draining());
}

TEST(Walltime, WithMeasuredTimesItGoesOnWhileAUsualRangeFits)
{
    YodaUnderTest yoda({.ranges = 1000, .events = 5}, 1, limited());
    yoda.hello(1);
    std::vector<HandOut> next = yoda.effects.granted(1);
    yoda.finish(1, {next[0]}, 10000);  // 2 s an event, 10 s a range.
    yoda.now = TimePoint{} + Duration::from_s(3600 - 60 - 13);
    yoda.say(1, Heartbeat{});
    yoda.tick();
    EXPECT_FALSE(yoda.dispatcher.draining());
    yoda.tick(Duration::from_s(4));
    EXPECT_TRUE(yoda.dispatcher.draining());
}

TEST(Walltime, DrainingTellsEveryDroidHowLongItsWorkersHave)
{
    YodaUnderTest yoda({.ranges = 100}, 3, limited());
    yoda.hello(1);
    yoda.hello(2);
    yoda.now = TimePoint{} + Duration::from_s(3500);
    yoda.tick();
    for (Rank const rank : {1u, 2u}) {
        ASSERT_EQ(yoda.effects.sent<Drain>(rank).size(), 1u);
        EXPECT_EQ(yoda.effects.sent<Drain>(rank)[0].time_left_ms, 40000u);
    }
    EXPECT_TRUE(yoda.effects.sent<Drain>(3).empty()) << "it has not spoken";
    yoda.hello(3);
    EXPECT_EQ(yoda.effects.sent<Drain>(3).size(), 1u) << "now it has";
}

TEST(Walltime, NothingIsHandedOutWhileDraining)
{
    YodaUnderTest yoda({.ranges = 100}, 1);
    yoda.hello(1);
    yoda.dispatcher.on_drain(yoda.now, yoda.now + Duration::from_s(100), "asked to", yoda.effects);
    yoda.effects.clear();
    yoda.finish(1, {{0, 1}});
    yoda.request(1, 2);
    yoda.give_back(1, {{1, 1}});
    EXPECT_TRUE(yoda.effects.granted(1).empty());
}

TEST(Walltime, WhatFinishesWhileDrainingCounts)
{
    YodaUnderTest yoda({.ranges = 100}, 1);
    yoda.hello(1);
    yoda.dispatcher.on_drain(yoda.now, yoda.now + Duration::from_s(100), "asked to", yoda.effects);
    yoda.finish(1, {{0, 1}});
    EXPECT_EQ(yoda.state(0), RangeState::finished);
    EXPECT_EQ(yoda.effects.accepted(1).size(), 1u);
}

TEST(Walltime, ADrainedRunEndsWhenAllDroidsHaveLeft)
{
    YodaUnderTest yoda({.ranges = 100}, 2);
    yoda.hello(1);
    yoda.hello(2);
    yoda.dispatcher.on_drain(yoda.now, yoda.now + Duration::from_s(100), "asked to", yoda.effects);
    yoda.say(1, Goodbye{});
    EXPECT_FALSE(yoda.dispatcher.over());
    yoda.say(2, Goodbye{});
    EXPECT_TRUE(yoda.dispatcher.over());
    EXPECT_EQ(yoda.dispatcher.exit_code(), 3);
    EXPECT_EQ(yoda.dispatcher.why_stopped(), "asked to");
    EXPECT_EQ(yoda.count(RangeState::ready), 100u);
}

TEST(Walltime, ADrainedRunEndsAtItsDeadlineWhoeverIsStillThere)
{
    YodaUnderTest yoda({.ranges = 100}, 2, limited());
    yoda.hello(1);
    yoda.hello(2);
    yoda.now = TimePoint{} + Duration::from_s(3500);
    yoda.tick();
    ASSERT_TRUE(yoda.dispatcher.draining());
    while (!yoda.dispatcher.over() && yoda.now < TimePoint{} + Duration::from_s(3700)) {
        yoda.say(1, Heartbeat{});
        yoda.say(2, Heartbeat{});
        yoda.tick(Duration::from_s(1));
    }
    EXPECT_TRUE(yoda.dispatcher.over());
    EXPECT_LT(yoda.now, TimePoint{} + walltime) << "rank 0 has a journal to close before it is killed";
    EXPECT_GT(yoda.now, TimePoint{} + walltime - Duration::from_s(10)) << "Droids have time to seal";
}

TEST(Walltime, ALateNoticeLeavesMostOfItsTimeToTheDroids)
{
    auto policy = limited(Duration::from_s(36000));
    YodaUnderTest yoda({.ranges = 100}, 1, policy);
    yoda.hello(1);
    yoda.now = TimePoint{} + Duration::from_s(1000);
    yoda.say(1, Heartbeat{});
    auto const deadline = yoda.now + Duration::from_s(5);
    yoda.dispatcher.on_drain(yoda.now, deadline, "SIGTERM", yoda.effects);
    EXPECT_EQ(yoda.effects.sent<Drain>(1).at(0).time_left_ms, 0u) << "sealing comes first";
    for (int i = 0; i < 44; ++i) {
        yoda.tick(Duration::from_ms(100));
        ASSERT_FALSE(yoda.dispatcher.over());
    }
    while (!yoda.dispatcher.over() && yoda.now < deadline) yoda.tick(Duration::from_ms(100));
    EXPECT_TRUE(yoda.dispatcher.over());
}

TEST(Walltime, AnEarlierDeadlineReplacesALaterOne)
{
    YodaUnderTest yoda({.ranges = 100}, 1);
    yoda.hello(1);
    yoda.dispatcher.on_drain(yoda.now, yoda.now + Duration::from_s(1000), "asked to", yoda.effects);
    yoda.dispatcher.on_drain(yoda.now, yoda.now + Duration::from_s(50), "SIGTERM", yoda.effects);
    yoda.dispatcher.on_drain(yoda.now, yoda.now + Duration::from_s(500), "again", yoda.effects);
    auto const drains = yoda.effects.sent<Drain>(1);
    ASSERT_EQ(drains.size(), 3u);
    EXPECT_GT(drains[0].time_left_ms, 900000u);
    EXPECT_LE(drains[1].time_left_ms, 50000u);
    EXPECT_EQ(drains[2].time_left_ms, drains[1].time_left_ms);
    EXPECT_EQ(yoda.dispatcher.why_stopped(), "asked to") << "the first reason is the reason";
    yoda.wait(Duration::from_s(51), {1});
    EXPECT_TRUE(yoda.dispatcher.over());
}

TEST(Walltime, ADeadlineInThePastEndsAtOnce)
{
    YodaUnderTest yoda({.ranges = 100}, 1);
    yoda.now = yoda.now + Duration::from_s(10);
    yoda.hello(1);
    yoda.dispatcher.on_drain(yoda.now, TimePoint{}, "late", yoda.effects);
    EXPECT_EQ(yoda.effects.sent<Drain>(1).at(0).time_left_ms, 0u);
    EXPECT_TRUE(yoda.dispatcher.over());
}

TEST(Walltime, ARunThatWaitsForMoreRangesDrainsToo)
{
    auto policy = limited();
    policy.closed = false;
    YodaUnderTest yoda({.ranges = 1}, 1, policy);
    yoda.hello(1, 1);
    yoda.finish(1, {{0, 1}});
    EXPECT_FALSE(yoda.dispatcher.finishing());
    yoda.now = TimePoint{} + Duration::from_s(3545);
    yoda.say(1, Heartbeat{});
    yoda.tick();
    EXPECT_TRUE(yoda.dispatcher.draining());
    EXPECT_EQ(yoda.effects.sent<Drain>(1).size(), 1u) << "else its bundles are never sealed";
    yoda.say(1, Goodbye{});
    EXPECT_TRUE(yoda.dispatcher.over());
    EXPECT_EQ(yoda.dispatcher.exit_code(), 3) << "more may come, so it is not complete";
}

TEST(Walltime, DroidsThatDoNotLeaveAfterTheLastRangeAreNotWaitedForBeyondTheEnd)
{
    YodaUnderTest yoda({.ranges = 1}, 1, limited(Duration::from_s(100)));
    yoda.hello(1, 1);
    yoda.finish(1, {{0, 1}}, 10);
    EXPECT_TRUE(yoda.dispatcher.finishing());
    yoda.wait(Duration::from_s(101), {1});
    EXPECT_TRUE(yoda.dispatcher.over());
    EXPECT_EQ(yoda.dispatcher.exit_code(), 0);
}

TEST(Walltime, ASignalSetsADeadlineToDroidsThatAreLeaving)
{
    YodaUnderTest yoda({.ranges = 1}, 1);
    yoda.hello(1, 1);
    yoda.finish(1, {{0, 1}}, 10);
    yoda.dispatcher.on_drain(yoda.now, yoda.now + Duration::from_s(20), "SIGTERM", yoda.effects);
    EXPECT_FALSE(yoda.dispatcher.over());
    yoda.wait(Duration::from_s(21), {1});
    EXPECT_TRUE(yoda.dispatcher.over());
    EXPECT_EQ(yoda.dispatcher.exit_code(), 0) << "all was done";
}

TEST(Walltime, ADeadlineInThePastEndsLeavingAtOnce)
{
    YodaUnderTest yoda({.ranges = 1}, 1);
    yoda.hello(1, 1);
    yoda.finish(1, {{0, 1}}, 10);
    yoda.dispatcher.on_drain(yoda.now, yoda.now - Duration::from_s(1), "SIGTERM", yoda.effects);
    EXPECT_TRUE(yoda.dispatcher.over());
}

TEST(Walltime, AbsurdlyLongTimesDoNoHarm)
{
    auto policy = limited();
    YodaUnderTest yoda({.ranges = 3, .events = 1000000}, 1, policy);
    yoda.hello(1);
    std::vector<FinishedEntry> const entries{{0, 1, none, none}};
    yoda.say(1, Finished{1, 0, 0, entries});
    yoda.say(1, Heartbeat{});
    yoda.tick(Duration::from_s(6));
    EXPECT_TRUE(yoda.dispatcher.draining()) << "a range takes seven weeks: none can finish";
}

}  // namespace
}  // namespace yoda
