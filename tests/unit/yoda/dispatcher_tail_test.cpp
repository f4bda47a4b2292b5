// SPDX-License-Identifier: Apache-2.0
// The tail: when some workers are idle and others still have work, queued ranges are recalled and
// long-running ones copied.
#include "yoda_under_test.hpp"

namespace yoda {
namespace {

using test::YodaUnderTest;

DispatchPolicy all_at_once(std::uint32_t batch)
{
    DispatchPolicy policy;
    policy.batch = batch;
    policy.window = 1;
    return policy;
}

/// Droid 1 (two workers) has `ranges` ranges, Droid 2 is idle with `idle` of its eight workers.
struct TailWorld : YodaUnderTest {
    explicit TailWorld(std::uint32_t ranges, std::uint32_t idle = 8,
                       DispatchPolicy const& policy = all_at_once(1000), test::TableShape shape = {})
        : YodaUnderTest(with_ranges(shape, ranges), 2, policy)
    {
        hello(1, 2);
        hello(2, 8);
        effects.clear();
        tick(Duration::from_s(1));
        if (idle > 0) request(2, idle);
        tick(Duration::from_ms(20));
    }
    static test::TableShape with_ranges(test::TableShape shape, std::uint32_t ranges)
    {
        shape.ranges = ranges;
        return shape;
    }
    void run(std::vector<RunningEntry> const& entries, Rank rank = 1) { say(rank, Running{entries}); }
    std::uint64_t recalled(Rank rank) const
    {
        std::uint64_t count = 0;
        for (auto const& recall : effects.sent<Recall>(rank)) count += recall.count;
        return count;
    }
};

TEST(Tail, RangesAreRecalledForIdleWorkers)
{
    TailWorld yoda(40);
    EXPECT_EQ(yoda.recalled(1), 8u) << "as many as there are idle workers";
    EXPECT_EQ(yoda.effects.sent_count<Recall>(), 1u);
    yoda.give_back(1, {{39, 1}, {38, 1}, {37, 1}, {36, 1}, {35, 1}, {34, 1}, {33, 1}, {32, 1}});
    EXPECT_EQ(yoda.effects.granted(2).size(), 8u);
    EXPECT_TRUE(yoda.effects.granted(1).empty());
}

TEST(Tail, HalfOfAShortQueueIsRecalled)
{
    TailWorld yoda(6);
    EXPECT_EQ(yoda.recalled(1), 2u) << "four are not running";
}

TEST(Tail, NothingIsRecalledWithoutAQueue)
{
    TailWorld yoda(2);
    yoda.wait(Duration::from_s(5), {1, 2});
    EXPECT_EQ(yoda.recalled(1), 0u);
}

TEST(Tail, NothingIsRecalledWhenNobodyIsIdle)
{
    TailWorld yoda(40, 0);
    yoda.wait(Duration::from_s(5), {1, 2});
    EXPECT_EQ(yoda.effects.sent_count<Recall>(), 0u);
    EXPECT_EQ(yoda.effects.sent_count<AskRunning>(), 0u);
}

TEST(Tail, ARecallIsNotRepeatedAtOnce)
{
    TailWorld yoda(40);
    for (int i = 0; i < 9; ++i) yoda.tick(Duration::from_ms(100));
    EXPECT_EQ(yoda.effects.sent_count<Recall>(), 1u);
    yoda.tick(Duration::from_ms(200));
    EXPECT_EQ(yoda.effects.sent_count<Recall>(), 2u) << "after a second without an answer";
}

TEST(Tail, AnEmptyAnswerIsNoReasonToAskAgainAtOnce)
{
    TailWorld yoda(40);
    for (int i = 0; i < 9; ++i) {
        yoda.give_back(1, {});
        yoda.tick(Duration::from_ms(100));
    }
    EXPECT_EQ(yoda.effects.sent_count<Recall>(), 1u);
}

TEST(Tail, RecalledRangesDoNotGoInCircles)
{
    // Droid 1 is idle with one worker; Droid 2 can give one range. In rank order, the
    // giver may not take it back.
    for (Rank const giver : {1u, 2u}) {
        Rank const taker = 3 - giver;
        YodaUnderTest yoda({.ranges = 5}, 2, all_at_once(5));
        yoda.hello(giver, 2);
        yoda.hello(taker, 1);
        yoda.tick(Duration::from_s(1));
        yoda.request(taker, 1);
        yoda.tick(Duration::from_ms(20));
        ASSERT_EQ(yoda.effects.sent<Recall>(giver).size(), 1u);
        yoda.give_back(giver, {{4, 1}});
        EXPECT_EQ(yoda.effects.granted(taker), (std::vector<HandOut>{{4, 2}})) << "giver " << giver;
    }
}

TEST(Tail, AnIdleDroidThatCannotRunTheJobCausesNoRecalls)
{
    TailWorld yoda(40, 0);
    yoda.say(2, Trouble{0, code::setup_failure, "no such program"});
    yoda.request(2, 8);
    for (int i = 0; i < 50; ++i) yoda.tick(Duration::from_ms(100));
    EXPECT_EQ(yoda.effects.sent_count<Recall>(), 0u);
    EXPECT_TRUE(yoda.effects.granted(2).empty());
}

TEST(Tail, DroidsAreAskedWhatRunsEverySecond)
{
    TailWorld yoda(2);
    for (int i = 0; i < 30; ++i) yoda.tick(Duration::from_ms(100));
    EXPECT_GE(yoda.effects.sent<AskRunning>(1).size(), 3u);
    EXPECT_LE(yoda.effects.sent<AskRunning>(1).size(), 4u);
    EXPECT_TRUE(yoda.effects.sent<AskRunning>(2).empty()) << "it has nothing";
}

TEST(Tail, TheOldestRunningRangeIsCopiedToAnIdleWorker)
{
    TailWorld yoda(4, 1);
    yoda.finish(1, {{0, 1}}, 100);
    yoda.run({{{1, 1}, 300}, {{2, 1}, 900}, {{3, 1}, 500}});
    yoda.tick(Duration::from_s(1));
    EXPECT_EQ(yoda.effects.granted(2), (std::vector<HandOut>{{2, 2}}));
    EXPECT_EQ(yoda.outstanding(2), 1u);
    EXPECT_EQ(yoda.dispatcher.droid(2).idle_count, 0u);
    ASSERT_EQ(yoda.effects.noted("second_copy").size(), 1u);
    EXPECT_EQ(yoda.effects.noted("second_copy")[0].count, 2u);
}

TEST(Tail, EveryIdleWorkerGetsACopyWhileThereIsSomethingSlow)
{
    TailWorld yoda(4, 8);
    yoda.finish(1, {{0, 1}}, 100);
    yoda.run({{{1, 1}, 300}, {{2, 1}, 900}, {{3, 1}, 500}});
    yoda.tick(Duration::from_s(1));
    EXPECT_EQ(yoda.effects.granted(2), (std::vector<HandOut>{{2, 2}, {3, 2}, {1, 2}}));
}

TEST(Tail, WhatHasNotRunLongerThanUsualIsNotCopied)
{
    TailWorld yoda(3);
    yoda.finish(1, {{0, 1}}, 1000);
    yoda.run({{{1, 1}, 900}, {{2, 1}, 1000}});
    yoda.tick(Duration::from_s(1));
    EXPECT_TRUE(yoda.effects.granted(2).empty());
}

TEST(Tail, UsualIsMeasuredPerEvent)
{
    auto const shape = test::TableShape{.events = 5};
    TailWorld yoda(3, 8, all_at_once(1000), shape);
    yoda.finish(1, {{0, 1}}, 1000);
    auto range = test::make_range(0, 0, 1);  // A single event: usually 200 ms.
    range.id = "short";
    yoda.effects.clear();
    ASSERT_TRUE(yoda.dispatcher.on_more_ranges(yoda.now, 0, {range}, {"/d"}, yoda.effects));
    auto const holder = yoda.dispatcher.table().copies(3).ranks[0];
    auto const hand_out = yoda.dispatcher.table().copies(3).epochs[0].hand_out();
    yoda.request(3 - holder, 2);
    yoda.effects.clear();
    yoda.run({{{1, 1}, 900}});
    yoda.run({{{3, hand_out}, 400}}, holder);
    yoda.tick(Duration::from_s(1));
    auto const granted = yoda.effects.granted(3 - holder);
    ASSERT_EQ(granted.size(), 1u) << "the younger one is the slow one";
    EXPECT_EQ(granted[0].range, 3u);
}

TEST(Tail, NothingIsCopiedBeforeAnythingHasBeenMeasured)
{
    TailWorld yoda(2);
    yoda.run({{{0, 1}, 900000}});
    yoda.tick(Duration::from_s(1));
    EXPECT_TRUE(yoda.effects.granted(2).empty());
}

TEST(Tail, NothingIsCopiedWhenThatIsTurnedOff)
{
    auto policy = all_at_once(1000);
    policy.second_copies = false;
    TailWorld yoda(3, 8, policy);
    yoda.finish(1, {{0, 1}}, 100);
    yoda.run({{{1, 1}, 900000}});
    yoda.wait(Duration::from_s(3), {1, 2});
    EXPECT_EQ(yoda.effects.sent_count<AskRunning>(), 0u);
    EXPECT_TRUE(yoda.effects.granted(2).empty());
}

TEST(Tail, NoRangeHasMoreThanTwoCopies)
{
    TailWorld yoda(2);
    yoda.finish(1, {{0, 1}}, 100);
    for (int i = 0; i < 5; ++i) {
        yoda.run({{{1, 1}, 900000}});
        yoda.tick(Duration::from_s(1));
    }
    EXPECT_EQ(yoda.effects.granted(2).size(), 1u);
}

/// Range 1 runs twice, on Droid 1 and, for some two seconds less, on Droid 2; Droid 3 is idle.
struct TwoCopies : YodaUnderTest {
    TwoCopies() : YodaUnderTest({.ranges = 2}, 3, all_at_once(1000))
    {
        hello(1, 2);
        hello(2, 8);
        hello(3, 8);
        tick(Duration::from_s(1));
        request(2, 1);
        tick(Duration::from_ms(20));
        finish(1, {{0, 1}}, 100);
        tell_running(1, {{1, 1}, 900});
        EXPECT_EQ(effects.granted(2), (std::vector<HandOut>{{1, 2}}));
        request(3, 1);
        tick(Duration::from_ms(20));
        tell_running(2, {{1, 2}, 90});
        EXPECT_TRUE(effects.granted(3).empty()) << "it may yet be done";
    }
    void tell_running(Rank from, RunningEntry entry)
    {
        say(from, Running{{&entry, 1}});
        tick(Duration::from_s(1));
    }
};

TEST(Tail, ASecondCopyAmongTheSlowestMakesRoomForAThird)
{
    TwoCopies yoda;
    yoda.tell_running(2, {{1, 2}, 2000});
    EXPECT_EQ(yoda.effects.granted(3), (std::vector<HandOut>{{1, 3}}));
    EXPECT_EQ(yoda.effects.sent<Revoke>(2).size(), 1u);
    EXPECT_EQ(yoda.outstanding(1), 1u) << "the first one goes on";
    EXPECT_EQ(yoda.outstanding(2), 0u);
    EXPECT_EQ(yoda.outstanding(3), 1u);
}

TEST(Tail, AFirstCopyFarBehindASlowSecondMakesRoomForAThird)
{
    TwoCopies yoda;
    yoda.tell_running(2, {{1, 2}, 900});  // The first one has been at it for three times as long.
    EXPECT_EQ(yoda.effects.granted(3), (std::vector<HandOut>{{1, 3}}));
    EXPECT_EQ(yoda.effects.sent<Revoke>(1).size(), 1u);
    EXPECT_EQ(yoda.outstanding(1), 0u);
    EXPECT_EQ(yoda.outstanding(2), 1u);
    EXPECT_EQ(yoda.outstanding(3), 1u);
}

TEST(Tail, AThirdCopyGetsTwiceTheTimeOfTheSecond)
{
    TwoCopies yoda;
    yoda.tell_running(2, {{1, 2}, 900});
    yoda.request(1, 1);
    yoda.tick(Duration::from_ms(20));
    yoda.tell_running(3, {{1, 3}, 150});
    EXPECT_EQ(yoda.effects.granted(1).size(), 2u) << "the slowest took 100 ms";
    yoda.tell_running(3, {{1, 3}, 300});
    EXPECT_EQ(yoda.effects.granted(1).back(), (HandOut{1, 4}));
}

TEST(Tail, ADroidDoesNotGetACopyOfItsOwnRange)
{
    TailWorld yoda(2, 0);
    yoda.finish(1, {{0, 1}}, 100);
    yoda.request(1, 1);
    yoda.effects.clear();
    yoda.run({{{1, 1}, 900000}});
    yoda.tick(Duration::from_s(1));
    EXPECT_TRUE(yoda.effects.granted(1).empty());
}

TEST(Tail, OldNewsOfARangeIsNotBelieved)
{
    TailWorld yoda(3, 0);
    yoda.finish(1, {{0, 1}}, 100);
    yoda.run({{{1, 1}, 900000}});
    yoda.give_back(1, {{1, 1}});  // And it is handed out anew, as hand-out 2.
    ASSERT_EQ(yoda.dispatcher.table().copies(1).count, 1u);
    auto const holder = yoda.dispatcher.table().copies(1).ranks[0];
    yoda.effects.clear();
    yoda.request(3 - holder, 1);
    yoda.tick(Duration::from_s(1));
    EXPECT_TRUE(yoda.effects.granted(3 - holder).empty()) << "it has only just begun";
}

TEST(Tail, NewsOfAHandOutThatIsOverIsIgnored)
{
    TailWorld yoda(2);
    yoda.finish(1, {{0, 1}}, 100);
    yoda.run({{{1, 9}, 900000}});
    yoda.tick(Duration::from_s(1));
    EXPECT_TRUE(yoda.effects.granted(2).empty());
}

TEST(Tail, ACopyGoesToAnotherDroidEvenIfTheFirstHasIdleWorkersToo)
{
    TailWorld yoda(2, 0);
    yoda.finish(1, {{0, 1}}, 100);
    yoda.request(1, 1);
    yoda.request(2, 1);
    yoda.effects.clear();
    yoda.run({{{1, 1}, 900000}});
    yoda.tick(Duration::from_s(1));
    EXPECT_EQ(yoda.effects.granted(2), (std::vector<HandOut>{{1, 2}}));
}

TEST(Tail, NewsOfRangesThatDoNotExistIsIgnored)
{
    TailWorld yoda(2);
    yoda.finish(1, {{0, 1}}, 100);
    yoda.run({{{none, 1}, 900000}, {{77, 1}, 900000}, {{0, 1}, 900000}});
    yoda.tick(Duration::from_s(1));
    EXPECT_TRUE(yoda.effects.granted(2).empty());
}

TEST(Tail, ACopyIsNotGivenToADroidThatCannotRunTheJob)
{
    TailWorld yoda(3, 0);
    yoda.finish(1, {{0, 1}}, 100);
    yoda.say(2, Trouble{0, code::setup_failure, "no such program"});
    yoda.request(2, 8);
    yoda.run({{{1, 1}, 900000}});
    yoda.tick(Duration::from_s(1));
    EXPECT_TRUE(yoda.effects.granted(2).empty());
}

TEST(Tail, ReadyRangesOfAJobInTroubleDoNotKeepOthersFromHelp)
{
    DispatchPolicy policy = all_at_once(20);
    YodaUnderTest yoda({.ranges = 20, .jobs = 2}, 2, policy);
    yoda.hello(1, 2);
    auto const job = yoda.dispatcher.table().job(yoda.effects.granted(1)[0].range);
    for (Rank const rank : {1u, 2u}) {
        if (rank == 2) yoda.hello(2, 4);
        yoda.say(rank, Trouble{1 - job, code::setup_failure, "no such program"});
    }
    yoda.give_back(2, yoda.effects.granted(2));
    ASSERT_GT(yoda.dispatcher.table().ready_count(), 0u) << "the other job's";
    yoda.request(2, 4);
    auto const mine = yoda.effects.granted(1);
    ASSERT_EQ(mine.size(), 20u);
    std::vector<HandOut> done;
    for (auto const& what : mine) {
        if (done.size() < 18) done.push_back(what);
    }
    yoda.finish(1, done, 100, job);
    yoda.effects.clear();
    std::vector<RunningEntry> const running{{mine[18], 900000}, {mine[19], 900000}};
    yoda.say(1, Running{running});
    yoda.tick(Duration::from_s(2));
    EXPECT_EQ(yoda.effects.granted(2).size(), 2u);
}

TEST(Tail, NeitherRecallsNorCopiesAreMadeWhileDraining)
{
    TailWorld yoda(40);
    yoda.finish(1, {{0, 1}}, 100);
    yoda.dispatcher.on_drain(yoda.now, yoda.now + Duration::from_s(100), "asked to", yoda.effects);
    yoda.effects.clear();
    yoda.run({{{1, 1}, 900000}});
    yoda.wait(Duration::from_s(3), {1, 2});
    EXPECT_EQ(yoda.effects.sent_count<Recall>(), 0u);
    EXPECT_TRUE(yoda.effects.granted(2).empty());
}

TEST(Tail, ACopyThatIsGivenBackFreesItsDroid)
{
    TailWorld yoda(2, 1);
    yoda.finish(1, {{0, 1}}, 100);
    yoda.run({{{1, 1}, 900000}});
    yoda.tick(Duration::from_s(1));
    ASSERT_EQ(yoda.outstanding(2), 1u);
    yoda.give_back(2, {{1, 2}});
    EXPECT_EQ(yoda.outstanding(2), 0u);
    EXPECT_EQ(yoda.state(1), RangeState::sent) << "the first copy runs on";
}

TEST(Tail, LosingTheDroidOfOneCopyLeavesTheOther)
{
    for (Rank const lost : {1u, 2u}) {
        TailWorld yoda(2, 1);
        yoda.finish(1, {{0, 1}}, 100);
        yoda.run({{{1, 1}, 900000}});
        yoda.tick(Duration::from_s(1));
        ASSERT_EQ(yoda.dispatcher.table().copies(1).count, 2u);
        yoda.dispatcher.on_exit(yoda.now, lost, yoda.effects);
        yoda.end_batch();
        EXPECT_EQ(yoda.state(1), RangeState::sent);
        EXPECT_EQ(yoda.dispatcher.table().copies(1).count, 1u);
        EXPECT_EQ(yoda.dispatcher.table().copies(1).ranks[0], 3 - lost);
        Rank const left = 3 - lost;
        yoda.finish(left, {{1, static_cast<std::uint16_t>(left)}});
        EXPECT_EQ(yoda.state(1), RangeState::finished);
    }
}

}  // namespace
}  // namespace yoda
