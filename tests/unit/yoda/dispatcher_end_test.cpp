// SPDX-License-Identifier: Apache-2.0
// How a run ends: exit codes, Droids that leave, and jobs that nobody can run.
#include "yoda_under_test.hpp"

namespace yoda {
namespace {

using test::YodaUnderTest;

DispatchPolicy one_each(bool closed = true)
{
    DispatchPolicy policy;
    policy.batch = 1;
    policy.window = 1;
    policy.closed = closed;
    policy.silence = Duration::from_s(10);
    policy.second_copies = false;
    return policy;
}

TEST(End, AllFinishedIsZero)
{
    YodaUnderTest yoda({.ranges = 1}, 2, one_each());
    yoda.hello(1, 1);
    yoda.hello(2, 1);
    EXPECT_FALSE(yoda.dispatcher.finishing());
    yoda.finish(1, {{0, 1}});
    EXPECT_TRUE(yoda.dispatcher.finishing());
    EXPECT_EQ(yoda.effects.sent<NothingEver>(1).size(), 1u);
    EXPECT_EQ(yoda.effects.sent<NothingEver>(2).size(), 1u);
    EXPECT_FALSE(yoda.dispatcher.over()) << "bundles are being sealed";
    yoda.say(1, Goodbye{});
    yoda.say(2, Goodbye{});
    EXPECT_TRUE(yoda.dispatcher.over());
    EXPECT_EQ(yoda.dispatcher.exit_code(), 0);
    EXPECT_EQ(yoda.dispatcher.why_stopped(), "");
    EXPECT_EQ(yoda.effects.noted("over").size(), 1u);
}

TEST(End, NothingEverIsSaidOnce)
{
    YodaUnderTest yoda({.ranges = 1}, 1, one_each());
    yoda.hello(1, 1);
    yoda.finish(1, {{0, 1}});
    yoda.request(1, 1);
    yoda.wait(Duration::from_s(5), {1});
    EXPECT_EQ(yoda.effects.sent<NothingEver>(1).size(), 1u);
    EXPECT_EQ(yoda.effects.sent<NothingNow>(1).size(), 0u);
}

TEST(End, SomeFailedOrFatalIsOne)
{
    for (auto const kind : {FailKind::failed, FailKind::fatal}) {
        YodaUnderTest yoda({.ranges = 2, .policy = {.tries = 1}}, 1, one_each());
        yoda.hello(1, 1);
        yoda.finish(1, {{0, 1}});
        yoda.fail(1, {1, 1}, kind);
        EXPECT_TRUE(yoda.dispatcher.finishing());
        yoda.say(1, Goodbye{});
        EXPECT_TRUE(yoda.dispatcher.over());
        EXPECT_EQ(yoda.dispatcher.exit_code(), 1);
    }
}

TEST(End, DroppedOnCommandIsZero)
{
    YodaUnderTest yoda({.ranges = 2}, 1, one_each());
    yoda.hello(1, 1);
    yoda.dispatcher.on_job_killed(yoda.now, 0, yoda.effects);
    yoda.end_batch();
    yoda.say(1, Goodbye{});
    EXPECT_TRUE(yoda.dispatcher.over());
    EXPECT_EQ(yoda.dispatcher.exit_code(), 0);
}

TEST(End, ATableWithNothingToDoEndsAtOnce)
{
    YodaUnderTest yoda({.ranges = 0}, 1, one_each());
    yoda.hello(1, 1);
    EXPECT_EQ(yoda.effects.sent<NothingEver>(1).size(), 1u);
    yoda.say(1, Goodbye{});
    EXPECT_TRUE(yoda.dispatcher.over());
    EXPECT_EQ(yoda.dispatcher.exit_code(), 0);
}

TEST(End, ARunThatIsNotClosedWaitsForMore)
{
    YodaUnderTest yoda({.ranges = 1}, 1, one_each(false));
    yoda.hello(1, 1);
    yoda.finish(1, {{0, 1}});
    yoda.request(1, 1);
    EXPECT_FALSE(yoda.dispatcher.finishing());
    EXPECT_EQ(yoda.effects.sent<NothingNow>(1).size(), 1u);
    EXPECT_EQ(yoda.effects.sent_count<SealJob>(), 0u) << "its bundle may take more";
    yoda.dispatcher.on_closed(yoda.now, yoda.effects);
    yoda.end_batch();
    EXPECT_TRUE(yoda.dispatcher.finishing());
    EXPECT_EQ(yoda.effects.sent<SealJob>(1).size(), 1u);
    EXPECT_EQ(yoda.effects.sent<NothingEver>(1).size(), 1u);
    EXPECT_EQ(yoda.effects.recorded<journal::Closed>().size(), 1u);
}

TEST(End, LosingEveryDroidIsThree)
{
    YodaUnderTest yoda({.ranges = 5}, 2, one_each());
    yoda.hello(1, 1);
    yoda.hello(2, 1);
    yoda.dispatcher.on_exit(yoda.now, 1, yoda.effects);
    yoda.end_batch();
    EXPECT_FALSE(yoda.dispatcher.over());
    yoda.dispatcher.on_exit(yoda.now, 2, yoda.effects);
    yoda.end_batch();
    EXPECT_TRUE(yoda.dispatcher.over());
    EXPECT_EQ(yoda.dispatcher.exit_code(), 3);
    EXPECT_EQ(yoda.dispatcher.why_stopped(), "no Droid is left");
}

TEST(End, ARunWithoutAnyDroidEnds)
{
    YodaUnderTest alone({.ranges = 5}, 0, one_each());
    alone.tick(Duration::from_s(1));
    EXPECT_TRUE(alone.dispatcher.over());
    EXPECT_EQ(alone.dispatcher.exit_code(), 3);

    YodaUnderTest silent({.ranges = 5}, 3, one_each());
    silent.wait(Duration::from_s(11));
    EXPECT_TRUE(silent.dispatcher.over());
    EXPECT_EQ(silent.dispatcher.exit_code(), 3);
}

TEST(End, DroidsThatDieAfterTheLastRangeAreNotWaitedForLongerThanSilence)
{
    YodaUnderTest yoda({.ranges = 1}, 2, one_each());
    yoda.hello(1, 1);
    yoda.hello(2, 1);
    yoda.finish(1, {{0, 1}});
    yoda.say(1, Goodbye{});
    yoda.wait(Duration::from_s(11));
    EXPECT_TRUE(yoda.dispatcher.over());
    EXPECT_EQ(yoda.dispatcher.exit_code(), 0);
}

TEST(End, ADroidThatComesLateIsToldThatNothingIsLeft)
{
    YodaUnderTest yoda({.ranges = 1}, 2, one_each());
    yoda.hello(1, 1);
    yoda.finish(1, {{0, 1}});
    yoda.hello(2, 1);
    EXPECT_EQ(yoda.effects.sent<NothingEver>(2).size(), 1u);
    yoda.say(1, Goodbye{});
    EXPECT_FALSE(yoda.dispatcher.over());
    yoda.say(2, Goodbye{});
    EXPECT_TRUE(yoda.dispatcher.over());
}

TEST(End, ADroidThatIsBackAtTheEndIsToldSo)
{
    YodaUnderTest yoda({.ranges = 1}, 2, one_each());
    yoda.hello(1, 1);
    yoda.hello(2, 1);
    yoda.wait(Duration::from_s(11), {1});
    yoda.finish(1, {{0, 1}});
    yoda.say(2, Heartbeat{});
    yoda.hello(2, 1);
    EXPECT_EQ(yoda.effects.sent<NothingEver>(2).size(), 1u);
    yoda.say(2, Goodbye{});
    yoda.say(1, Goodbye{});
    EXPECT_TRUE(yoda.dispatcher.over());
}

// ---- Jobs that cannot be run

TEST(Trouble, OneDroidsTroubleIsOnlyItsOwn)
{
    YodaUnderTest yoda({.ranges = 10}, 2, one_each());
    yoda.hello(1, 1);
    yoda.hello(2, 1);
    auto const granted = yoda.effects.granted(1);
    yoda.give_back(1, granted);
    yoda.say(1, Trouble{0, code::setup_failure, "no such program"});
    yoda.effects.clear();
    yoda.request(1, 1);
    EXPECT_EQ(yoda.effects.sent<NothingNow>(1).size(), 1u);
    EXPECT_TRUE(yoda.effects.granted(1).empty());
    yoda.finish(2, {{1, 1}});
    EXPECT_EQ(yoda.count(RangeState::finished), 1u);
    EXPECT_EQ(yoda.outstanding(2), 1u) << "the other one goes on";
    EXPECT_FALSE(yoda.dispatcher.finishing());
    EXPECT_EQ(yoda.dispatcher.droid(1).trouble, "no such program");
    EXPECT_EQ(yoda.dispatcher.droid(1).trouble_code, code::setup_failure);
}

TEST(Trouble, AJobThatNoDroidCanRunEndsTheRunWithFour)
{
    YodaUnderTest yoda({.ranges = 10}, 2, one_each());
    for (Rank const rank : {1u, 2u}) {
        yoda.hello(rank, 1);
        yoda.give_back(rank, yoda.effects.granted(rank));
        yoda.say(rank, Trouble{0, code::setup_failure, "no such program"});
    }
    EXPECT_EQ(yoda.effects.noted("job_held").size(), 1u);
    EXPECT_TRUE(yoda.dispatcher.finishing());
    EXPECT_EQ(yoda.effects.sent<NothingEver>(1).size(), 1u);
    yoda.say(1, Goodbye{});
    yoda.say(2, Goodbye{});
    EXPECT_TRUE(yoda.dispatcher.over());
    EXPECT_EQ(yoda.dispatcher.exit_code(), 4);
    EXPECT_EQ(yoda.dispatcher.why_stopped(), "no such program");
    EXPECT_EQ(yoda.count(RangeState::ready), 10u) << "no try is burnt: a better day may come";
}

TEST(Trouble, ADroidThatHasNotSpokenMayStillBeAble)
{
    YodaUnderTest yoda({.ranges = 10}, 2, one_each());
    yoda.hello(1, 1);
    yoda.give_back(1, yoda.effects.granted(1));
    yoda.say(1, Trouble{0, code::setup_failure, "no such program"});
    EXPECT_FALSE(yoda.dispatcher.finishing());
    yoda.wait(Duration::from_s(11), {1});
    EXPECT_TRUE(yoda.dispatcher.finishing()) << "it never spoke";
}

TEST(Trouble, TheRunEndsWhenTheLastAbleDroidDiesOrLeaves)
{
    for (bool const leaves : {false, true}) {
        YodaUnderTest yoda({.ranges = 10}, 2, one_each());
        yoda.hello(1, 1);
        yoda.hello(2, 1);
        yoda.give_back(1, yoda.effects.granted(1));
        yoda.say(1, Trouble{0, code::setup_failure, "no such program"});
        if (leaves) {
            yoda.say(2, Goodbye{});
        } else {
            yoda.dispatcher.on_exit(yoda.now, 2, yoda.effects);
            yoda.end_batch();
        }
        EXPECT_TRUE(yoda.dispatcher.finishing());
        yoda.say(1, Goodbye{});
        EXPECT_TRUE(yoda.dispatcher.over());
        EXPECT_EQ(yoda.dispatcher.exit_code(), 4);
    }
}

TEST(Trouble, OtherJobsGoOnWhileOneIsHeld)
{
    YodaUnderTest yoda({.ranges = 2, .jobs = 2}, 1, one_each());
    yoda.hello(1, 1);
    auto const bad = yoda.dispatcher.table().job(yoda.effects.granted(1)[0].range);
    yoda.give_back(1, yoda.effects.granted(1));
    yoda.say(1, Trouble{bad, code::setup_failure, "no such program"});
    EXPECT_FALSE(yoda.dispatcher.finishing());
    RangeIndex const first_good = (1 - bad) * 2;
    for (int i = 0; i < 2; ++i) {
        yoda.request(1, 1);
        for (RangeIndex range = first_good; range < first_good + 2; ++range) {
            auto const copies = yoda.dispatcher.table().copies(range);
            if (copies.count) yoda.finish(1, {{range, copies.epochs[0].hand_out()}}, 100, 1 - bad);
        }
    }
    EXPECT_TRUE(yoda.dispatcher.finishing());
    yoda.say(1, Goodbye{});
    EXPECT_EQ(yoda.dispatcher.exit_code(), 4);
    EXPECT_EQ(yoda.count(RangeState::finished), 2u);
}

TEST(Trouble, AHeldJobIsReleasedWhenAnAbleDroidComesBack)
{
    YodaUnderTest yoda({.ranges = 2, .jobs = 2}, 2, one_each());
    yoda.hello(2, 1);
    auto const granted = yoda.effects.granted(2);
    ASSERT_EQ(granted.size(), 1u);
    auto const job = yoda.dispatcher.table().job(granted[0].range);
    yoda.hello(1, 1);
    yoda.give_back(1, yoda.effects.granted(1));
    yoda.say(1, Trouble{job, code::setup_failure, "no such program"});
    yoda.wait(Duration::from_s(11), {1});
    ASSERT_EQ(yoda.effects.noted("job_held").size(), 1u) << "the able one is silent";
    ASSERT_FALSE(yoda.dispatcher.finishing()) << "there is the other job";
    yoda.say(2, Heartbeat{});
    yoda.hello(2, 1);
    auto const& table = yoda.dispatcher.table();
    for (int i = 0; i < 20 && !yoda.dispatcher.finishing(); ++i) {
        for (RangeIndex range = 0; range < table.size(); ++range) {
            auto const copies = table.copies(range);
            if (copies.count)
                yoda.finish(copies.ranks[0], {{range, copies.epochs[0].hand_out()}}, 100, table.job(range));
        }
        yoda.request(1, 1);
        yoda.request(2, 1);
    }
    EXPECT_EQ(yoda.count(RangeState::finished), 4u);
    EXPECT_EQ(yoda.dispatcher.exit_code(), 0);
}

TEST(Trouble, AHeldJobWithNothingLeftDoesNotSpoilTheExitCode)
{
    YodaUnderTest yoda({.ranges = 1, .jobs = 2}, 1, one_each());
    yoda.hello(1, 1);
    auto const job = yoda.dispatcher.table().job(yoda.effects.granted(1)[0].range);
    yoda.finish(1, yoda.effects.granted(1), 100, job);
    yoda.say(1, Trouble{job, code::athenamp_died, "it died"});
    yoda.dispatcher.on_exit(yoda.now, 1, yoda.effects);
    yoda.end_batch();
    EXPECT_TRUE(yoda.dispatcher.over());
    EXPECT_EQ(yoda.dispatcher.exit_code(), 3) << "the other job can be resumed";
}

TEST(Trouble, ARunThatIsNotClosedEndsToo)
{
    YodaUnderTest yoda({.ranges = 10}, 1, one_each(false));
    yoda.hello(1, 1);
    yoda.give_back(1, yoda.effects.granted(1));
    yoda.say(1, Trouble{0, code::setup_failure, "no such program"});
    EXPECT_TRUE(yoda.dispatcher.finishing()) << "more ranges would not help";
    yoda.say(1, Goodbye{});
    EXPECT_EQ(yoda.dispatcher.exit_code(), 4);
}

TEST(Trouble, OfAnUnknownJobIsIgnored)
{
    YodaUnderTest yoda({.ranges = 10}, 1, one_each());
    yoda.hello(1, 1);
    yoda.say(1, Trouble{9, 1, "?"});
    EXPECT_EQ(yoda.dispatcher.droid(1).trouble, "");
    EXPECT_FALSE(yoda.dispatcher.finishing());
}

TEST(Trouble, WhileDrainingTheRunCanBeResumed)
{
    YodaUnderTest yoda({.ranges = 10}, 1, one_each());
    yoda.hello(1, 1);
    yoda.dispatcher.on_drain(yoda.now, yoda.now + Duration::from_s(100), "SIGTERM", yoda.effects);
    yoda.give_back(1, yoda.effects.granted(1));
    yoda.say(1, Trouble{0, code::athenamp_died, "it was killed"});
    yoda.say(1, Goodbye{});
    EXPECT_TRUE(yoda.dispatcher.over());
    EXPECT_EQ(yoda.dispatcher.exit_code(), 3);
}

}  // namespace
}  // namespace yoda
