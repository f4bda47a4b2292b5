// SPDX-License-Identifier: Apache-2.0
// Who gets how much, in what order, and what a Droid is told when there is nothing.
#include "yoda_under_test.hpp"

namespace yoda {
namespace {

using test::YodaUnderTest;

DispatchPolicy fixed_batch(std::uint32_t batch, std::uint32_t window = 2)
{
    DispatchPolicy policy;
    policy.batch = batch;
    policy.window = window;
    return policy;
}

TEST(Feeding, ADroidGetsTwoRangesAWorkerWithItsHello)
{
    YodaUnderTest yoda({.ranges = 100});
    yoda.hello(1, 3);
    EXPECT_EQ(yoda.effects.granted(1).size(), 6u);
    EXPECT_EQ(yoda.outstanding(1), 6u);
    EXPECT_TRUE(yoda.effects.granted(2).empty()) << "it has not spoken";
}

TEST(Feeding, ADroidHearsOfAFileOnceAndBeforeItsRanges)
{
    YodaUnderTest yoda({.ranges = 100, .events = 5}, 2, fixed_batch(1));
    yoda.hello(1);
    yoda.hello(2);
    yoda.finish(1, yoda.effects.granted(1));
    auto const files = yoda.effects.sent<FileInfo>(1);
    ASSERT_EQ(files.size(), 1u);
    EXPECT_EQ(files[0].lfn, "EVNT.0.0.lhe");
    EXPECT_EQ(files[0].guid, "GUID-0-0");
    EXPECT_EQ(files[0].scope, "mc23");
    EXPECT_EQ(files[0].pfn, "/data/EVNT.0.0.lhe");
    EXPECT_EQ(files[0].panda_id, 200);
    EXPECT_EQ(yoda.effects.sent<FileInfo>(2).size(), 1u);
    bool known = false;
    for (auto const& each : yoda.effects.sends) {
        if (each.to != 1 || !each.message) continue;
        known |= std::holds_alternative<FileInfo>(each.message->get());
        EXPECT_TRUE(known || !std::holds_alternative<Grant>(each.message->get()));
    }
}

TEST(Feeding, AGrantSaysWhichEventsOfWhichRanges)
{
    YodaUnderTest yoda({.ranges = 10, .events = 5}, 2, fixed_batch(4, 1));
    yoda.hello(1);
    auto const grants = yoda.effects.sent<Grant>(1);
    ASSERT_EQ(grants.size(), 1u);
    auto const& run = grants[0].run;
    EXPECT_EQ(run.count, 4u);
    EXPECT_EQ(run.first_event(3), 16u);
    EXPECT_EQ(run.last_event(3), 20u);
    EXPECT_EQ(run.process(3), 4u);
    EXPECT_EQ(run.attempt, 10u);
    EXPECT_EQ(grants[0].text_id, "");
}

TEST(Feeding, ARangeWithATextIdCarriesIt)
{
    YodaUnderTest yoda({.ranges = 1}, 1, fixed_batch(1));
    auto range = test::make_range(0, 0, 2);
    range.id = "an id of its own";
    ASSERT_TRUE(yoda.dispatcher.on_more_ranges(yoda.now, 0, {range}, {"/d"}, yoda.effects));
    yoda.hello(1);
    std::vector<std::string> ids;
    for (auto const& grant : yoda.effects.sent<Grant>(1)) ids.emplace_back(grant.text_id);
    EXPECT_EQ(ids, (std::vector<std::string>{"", "an id of its own"}));
}

TEST(Feeding, FixedBatchesFillTheWindowAndAreWhole)
{
    YodaUnderTest yoda({.ranges = 1000}, 1, fixed_batch(10, 3));
    yoda.hello(1, 2);
    EXPECT_EQ(yoda.outstanding(1), 30u);
    auto const granted = yoda.effects.granted(1);
    yoda.effects.clear();
    yoda.finish(1, {granted.begin(), granted.begin() + 9});
    EXPECT_TRUE(yoda.effects.granted(1).empty()) << "not room for a whole batch";
    yoda.finish(1, {granted.begin() + 9, granted.begin() + 10});
    EXPECT_EQ(yoda.effects.granted(1).size(), 10u);
}

TEST(Feeding, IdleWorkersAreServedThoughTheirNumberIsNoWholeBatch)
{
    YodaUnderTest yoda({.ranges = 1000}, 1, fixed_batch(2, 1));
    yoda.hello(1, 8);
    yoda.effects.clear();
    yoda.request(1, 5);
    EXPECT_EQ(yoda.effects.granted(1).size(), 5u);
    EXPECT_EQ(yoda.dispatcher.droid(1).idle_count, 0u);
}

TEST(Feeding, NobodyHasMoreIdleWorkersThanWorkers)
{
    YodaUnderTest yoda({.ranges = 1000}, 1, fixed_batch(1));
    yoda.hello(1, 4);
    yoda.effects.clear();
    yoda.request(1, 0xFFFFFFFF);
    EXPECT_EQ(yoda.effects.granted(1).size(), 4u);
}

TEST(Feeding, AHelloThatClaimsAbsurdlyManyWorkersDoesNoHarm)
{
    for (std::uint32_t const workers : {0u, 0x80000000u, 0xFFFFFFFFu}) {
        YodaUnderTest yoda({.ranges = 1000}, 1);
        yoda.hello(1, workers);
        EXPECT_LE(yoda.dispatcher.droid(1).worker_count, 1u << 16);
        EXPECT_GE(yoda.dispatcher.droid(1).worker_count, 1u);
        yoda.request(1, workers);
        EXPECT_GT(yoda.outstanding(1), 0u);
    }
}

/// A Droid of two workers that does a hundred ranges a second.
struct SteadyDroid : YodaUnderTest {
    SteadyDroid() : YodaUnderTest({.ranges = 30000}, 1)
    {
        hello(1, 2);
        for (int second = 0; second < 30; ++second) {
            now = now + Duration::from_s(1);
            finish_some(100);
            if (outstanding(1) == 0) request(1, 2);
        }
    }
    /// The oldest `most` that it holds.
    void finish_some(std::size_t most)
    {
        auto const granted = effects.granted(1);
        queue.insert(queue.end(), granted.begin(), granted.end());
        effects.clear();
        for (most = std::min(most, queue.size()); most > 0;) {
            auto const part = static_cast<std::ptrdiff_t>(std::min(most, max_finished_entries));
            finish(1, {queue.begin(), queue.begin() + part}, 20);
            queue.erase(queue.begin(), queue.begin() + part);
            most -= static_cast<std::size_t>(part);
        }
    }
    std::vector<HandOut> queue;
};

TEST(Feeding, ADroidHoldsWhatItDoesInTheAskInterval)
{
    SteadyDroid const yoda;
    EXPECT_GE(yoda.outstanding(1), 200u) << "about three seconds' worth";
    EXPECT_LE(yoda.outstanding(1), 400u);
}

TEST(Feeding, ADroidThatRunsDryIsGivenUpToTwiceAsMuch)
{
    SteadyDroid yoda;
    auto const usual = yoda.outstanding(1);
    for (int round = 0; round < 12; ++round) {  // In no time, so that the rate stays as measured.
        auto const granted = yoda.effects.granted(1);
        yoda.effects.clear();
        yoda.queue.insert(yoda.queue.end(), granted.begin(), granted.end());
        for (auto const& what : yoda.queue) {  // All in one poll, so that it holds nothing when it asks.
            std::vector<FinishedEntry> const entries{{what.range, what.hand_out, 1, 1}};
            yoda.dispatcher.on_message(yoda.now, 1, {1, 0}, Finished{9999, 0, 0, entries}, yoda.effects);
        }
        yoda.queue.clear();
        yoda.request(1, 2);
    }
    EXPECT_GT(yoda.outstanding(1), usual * 3 / 2);
    EXPECT_LE(yoda.outstanding(1), usual * 5 / 2);
}

TEST(Feeding, NearTheEndNobodyTakesMoreThanHalfOfItsShare)
{
    YodaUnderTest yoda({.ranges = 20}, 2);
    yoda.hello(1, 4);
    yoda.hello(2, 4);
    EXPECT_LE(yoda.outstanding(1), 8u);
    EXPECT_LE(yoda.outstanding(2), 20u * 4 / (2 * 8) + 1);
    EXPECT_GT(yoda.dispatcher.table().ready_count(), 0u) << "something is left for those who are faster";
}

TEST(Feeding, NothingNowIsSaidWhenNothingIsReady)
{
    YodaUnderTest yoda({.ranges = 1}, 2);
    yoda.hello(1, 1);
    yoda.hello(2, 1);
    EXPECT_EQ(yoda.effects.sent_count<NothingNow>(), 0u) << "nobody has asked";
    yoda.request(2, 1);
    EXPECT_EQ(yoda.effects.sent<NothingNow>(2).size(), 1u);
    yoda.request(2, 1);
    EXPECT_EQ(yoda.effects.sent<NothingNow>(2).size(), 2u) << "every request is answered";
}

TEST(Feeding, NothingNowIsNotRepeatedUnasked)
{
    YodaUnderTest yoda({.ranges = 10}, 2, fixed_batch(10, 1));
    yoda.hello(1, 1);
    yoda.hello(2, 1);
    yoda.request(2, 1);
    auto const granted = yoda.effects.granted(1);
    for (auto const& what : granted) yoda.finish(1, {what});
    EXPECT_EQ(yoda.effects.sent<NothingNow>(2).size(), 1u);
}

TEST(Feeding, WorkersThatAGrantDoesNotReachAreToldSo)
{
    YodaUnderTest yoda({.ranges = 3}, 2, fixed_batch(1, 1));
    yoda.hello(1, 1);
    yoda.hello(2, 8);
    yoda.effects.clear();
    yoda.request(2, 8);
    EXPECT_EQ(yoda.effects.granted(2).size(), 1u);
    EXPECT_EQ(yoda.effects.sent<NothingNow>(2).size(), 1u);
    EXPECT_EQ(yoda.dispatcher.droid(2).idle_count, 7u);
}

TEST(Feeding, AnIdleDroidIsFedWithoutAskingAgain)
{
    YodaUnderTest yoda({.ranges = 1}, 2);
    yoda.hello(1, 1);
    yoda.hello(2, 1);
    yoda.request(2, 1);
    yoda.fail(1, {0, 1});
    EXPECT_EQ(yoda.effects.granted(2), (std::vector<HandOut>{{0, 2}}));
}

TEST(Feeding, WhatComesBackGoesToIdleWorkersFirst)
{
    YodaUnderTest yoda({.ranges = 4}, 2, fixed_batch(4, 1));
    yoda.hello(1, 2);
    yoda.hello(2, 2);
    yoda.request(2, 2);
    yoda.effects.clear();
    yoda.give_back(1, {{3, 1}, {2, 1}});
    EXPECT_EQ(yoda.effects.granted(2).size(), 2u);
    EXPECT_TRUE(yoda.effects.granted(1).empty()) << "not back to where it came from";
}

TEST(Feeding, DroidsStayInTheirJob)
{
    YodaUnderTest yoda({.ranges = 100, .jobs = 2}, 2, fixed_batch(5, 1));
    yoda.hello(1);
    yoda.hello(2);
    auto const job_of = [&](Rank rank) {
        return yoda.dispatcher.table().job(yoda.effects.granted(rank)[0].range);
    };
    EXPECT_NE(job_of(1), job_of(2)) << "jobs are spread over Droids";
    auto const job = job_of(1);
    for (int i = 0; i < 10; ++i) {
        auto const granted = yoda.effects.granted(1);
        yoda.finish(1, {granted.end() - 5, granted.end()}, 1000, job);
    }
    for (auto const& what : yoda.effects.granted(1)) EXPECT_EQ(yoda.dispatcher.table().job(what.range), job);
}

TEST(Feeding, ADroidMovesToAnotherJobWhenItsOwnIsDone)
{
    YodaUnderTest yoda({.ranges = 2, .jobs = 2}, 1, fixed_batch(2, 1));
    yoda.hello(1);
    auto const first = yoda.dispatcher.table().job(yoda.effects.granted(1)[0].range);
    yoda.finish(1, yoda.effects.granted(1), 1000, first);
    EXPECT_EQ(yoda.effects.granted(1).size(), 4u);
    EXPECT_EQ(yoda.effects.sent<FileInfo>(1).size(), 2u);
}

TEST(Feeding, AHeartbeatIsAnsweredAndKept)
{
    YodaUnderTest yoda({.ranges = 10});
    yoda.hello(1);
    Heartbeat heartbeat;
    heartbeat.running_count = 2;
    heartbeat.busy_ms = 5000;
    yoda.say(1, heartbeat);
    EXPECT_EQ(yoda.effects.sent<YodaAlive>(1).size(), 1u);
    EXPECT_EQ(yoda.dispatcher.droid(1).heartbeat.busy_ms, 5000u);
}

TEST(Feeding, ASecondHelloChangesNothing)
{
    YodaUnderTest yoda({.ranges = 100}, 1, fixed_batch(5, 1));
    yoda.hello(1);
    yoda.hello(1, 50);
    EXPECT_EQ(yoda.outstanding(1), 5u);
    EXPECT_EQ(yoda.dispatcher.droid(1).worker_count, 2u);
}

TEST(Feeding, MessagesThatOnlyRankZeroSendsAreIgnored)
{
    YodaUnderTest yoda({.ranges = 10});
    yoda.hello(1);
    yoda.effects.clear();
    yoda.say(1, Stop{});
    yoda.say(1, NothingEver{});
    yoda.say(1, Drain{0});
    EXPECT_TRUE(yoda.effects.sends.empty());
    EXPECT_FALSE(yoda.dispatcher.draining());
}

TEST(FeedingDeathTest, RankZeroHearsOnlyDroidRanks)
{
    YodaUnderTest yoda({.ranges = 10}, 1);
    EXPECT_DEATH(yoda.dispatcher.on_message(yoda.now, 0, {1, 0}, Goodbye{}, yoda.effects),
                 "Droid ranks only");
    EXPECT_DEATH(yoda.dispatcher.on_message(yoda.now, 2, {1, 0}, Goodbye{}, yoda.effects),
                 "Droid ranks only");
}

}  // namespace
}  // namespace yoda
