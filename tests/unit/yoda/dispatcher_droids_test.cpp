// SPDX-License-Identifier: Apache-2.0
// Droids that fall silent, die, come back, or belong to an older life: nothing is lost, nothing counts twice.
#include "yoda_under_test.hpp"

namespace yoda {
namespace {

using test::YodaUnderTest;

/// Two Droids of one worker, silence of 10 s, batches of one; ranges 0 at Droid 1 and 1 at Droid 2.
struct Droids : testing::Test {
    static DispatchPolicy policy()
    {
        DispatchPolicy policy;
        policy.batch = 1;
        policy.window = 1;
        policy.silence = Duration::from_s(10);
        policy.second_copies = false;
        return policy;
    }
    YodaUnderTest yoda{{.ranges = 4, .life = 3}, 2, policy()};
    test::RecordingEffects& effects = yoda.effects;

    void SetUp() override
    {
        yoda.hello(1, 1);
        yoda.hello(2, 1);
        ASSERT_EQ(yoda.outstanding(1), 1u);
        ASSERT_EQ(yoda.outstanding(2), 1u);
        effects.clear();
    }
    DroidState state(Rank rank) const { return yoda.dispatcher.droid(rank).state; }
    /// Droid 1 has been silent for too long, Droid 2 has not.
    void lose_first()
    {
        yoda.wait(Duration::from_s(11), {2});
        ASSERT_EQ(state(1), DroidState::lost);
    }
    /// And speaks again.
    void bring_back_first()
    {
        yoda.say(1, Heartbeat{});
        ASSERT_EQ(state(1), DroidState::resetting);
        yoda.hello(1, 1);
        ASSERT_EQ(state(1), DroidState::alive);
    }
};

TEST_F(Droids, ASilentDroidIsLostAndItsRangesComeBackAtNoCost)
{
    lose_first();
    EXPECT_EQ(yoda.state(0), RangeState::ready);
    EXPECT_EQ(yoda.dispatcher.table().tries_burnt(0), 0u);
    EXPECT_EQ(yoda.outstanding(1), 0u);
    EXPECT_TRUE(effects.records.empty()) << "a loss changes nothing that a later life must know";
    ASSERT_EQ(effects.noted("droid_lost").size(), 1u);
    EXPECT_EQ(effects.noted("droid_lost")[0].count, 1u);
    EXPECT_EQ(state(2), DroidState::alive);
}

TEST_F(Droids, AnyMessageShowsThatADroidLives)
{
    for (int i = 0; i < 20; ++i) {
        yoda.say(1, Heartbeat{});
        yoda.request(2, 0);
        yoda.tick(Duration::from_s(9));
    }
    EXPECT_EQ(state(1), DroidState::alive);
    EXPECT_EQ(state(2), DroidState::alive);
}

TEST_F(Droids, WhatRankZeroCouldNotHearIsNoSilence)
{
    yoda.wait(Duration::from_s(9));
    yoda.now = yoda.now + Duration::from_s(300);
    yoda.dispatcher.on_deaf(yoda.now);
    yoda.wait(Duration::from_s(9));
    EXPECT_EQ(state(1), DroidState::alive);
    yoda.wait(Duration::from_s(3));
    EXPECT_EQ(state(1), DroidState::lost);
}

TEST_F(Droids, RangesOfALostDroidGoToTheOthers)
{
    lose_first();
    yoda.finish(2, {{1, 1}});
    EXPECT_EQ(effects.granted(2), (std::vector<HandOut>{{0, 2}})) << "the oldest work first";
}

TEST_F(Droids, ADroidThatNeverSpokeIsLostInTheEnd)
{
    YodaUnderTest young({.ranges = 4}, 2, policy());
    young.hello(1, 1);
    young.wait(Duration::from_s(11), {1});
    EXPECT_EQ(young.dispatcher.droid(2).state, DroidState::lost);
    EXPECT_EQ(young.effects.noted("droid_lost").at(0).why, "it never spoke");
}

TEST_F(Droids, AProcessThatEndsIsLostAtOnce)
{
    yoda.dispatcher.on_exit(yoda.now, 1, effects);
    yoda.end_batch();
    EXPECT_EQ(state(1), DroidState::lost);
    EXPECT_EQ(yoda.state(0), RangeState::ready);
    yoda.dispatcher.on_exit(yoda.now, 1, effects);
    EXPECT_EQ(effects.noted("droid_lost").size(), 1u) << "once is enough";
}

TEST_F(Droids, ADroidThatIsBackIsToldToStartAnew)
{
    lose_first();
    effects.clear();
    yoda.say_as(1, {3, 0}, Heartbeat{});
    EXPECT_EQ(effects.sent<Reset>(1).size(), 1u);
    EXPECT_TRUE(effects.sent<YodaAlive>(1).empty()) << "what it says of its old self means nothing";
    EXPECT_EQ(state(1), DroidState::resetting);
    EXPECT_EQ(yoda.generation(1), 1u);
    yoda.say_as(1, {3, 1}, Hello{"node", 42, 1});
    EXPECT_EQ(state(1), DroidState::alive);
    EXPECT_EQ(yoda.outstanding(1), 1u) << "it works again";
}

TEST_F(Droids, StaleWordsOfADroidThatIsBackAreIgnored)
{
    lose_first();
    bring_back_first();
    auto const outstanding = yoda.outstanding(1);
    effects.clear();
    FrameHeader const old{3, 0};
    auto const range = yoda.dispatcher.table().copies(2).ranks[0] == 1 ? 2u : 0u;
    yoda.say_as(1, old, Failed{{range, 1}, FailKind::fatal, 1, ""});
    yoda.say_as(1, old, GivenBack{});
    yoda.say_as(1, old, Request{1});
    yoda.say_as(1, old, Trouble{0, 1, "old news"});
    yoda.say_as(1, old, Hello{"node", 42, 99});
    EXPECT_TRUE(effects.sends.empty());
    EXPECT_TRUE(effects.records.empty());
    EXPECT_EQ(yoda.outstanding(1), outstanding);
    EXPECT_EQ(yoda.dispatcher.droid(1).worker_count, 1u);
    EXPECT_TRUE(yoda.dispatcher.droid(1).blocked_jobs.empty());
}

TEST_F(Droids, ALateFinishOfALostDroidCountsWhileTheRangeWaits)
{
    lose_first();
    yoda.say_as(1, {3, 0}, Finished{1, 0, 0, yoda.entries({{0, 1}})});
    EXPECT_EQ(yoda.state(0), RangeState::finished);
    EXPECT_TRUE(effects.rejected(1).empty());
    EXPECT_EQ(effects.accepted(1), std::vector<std::uint32_t>{1});
    EXPECT_EQ(effects.recorded<journal::RangesFinished>().size(), 1u);
}

TEST_F(Droids, ALateFinishOfALostDroidStopsTheOneWhoHasTheRangeNow)
{
    lose_first();
    yoda.finish(2, {{1, 1}});
    ASSERT_EQ(yoda.dispatcher.table().copies(0).ranks[0], 2u);
    yoda.say_as(1, {3, 0}, Finished{1, 0, 0, yoda.entries({{0, 1}})});
    EXPECT_EQ(yoda.state(0), RangeState::finished);
    EXPECT_EQ(effects.revoked(2), (std::vector<HandOut>{{0, 2}}));
    yoda.finish(2, {{0, 2}});
    EXPECT_EQ(effects.rejected(2), (std::vector<HandOut>{{0, 2}}));
    EXPECT_EQ(yoda.count(RangeState::finished), 2u);
}

TEST_F(Droids, ALateFinishAfterAnotherOneIsRejected)
{
    lose_first();
    yoda.finish(2, {{1, 1}});
    yoda.finish(2, {{0, 2}});
    yoda.say_as(1, {3, 0}, Finished{1, 0, 0, yoda.entries({{0, 1}})});
    EXPECT_EQ(effects.rejected(1), (std::vector<HandOut>{{0, 1}}));
    EXPECT_EQ(yoda.dispatcher.table().row(0).winner, 2u);
    EXPECT_EQ(yoda.dispatcher.droid(1).finished_count, 0u);
}

TEST_F(Droids, ALateFinishMayMeetTheSameDroidsNewHandOut)
{
    lose_first();
    bring_back_first();
    ASSERT_EQ(yoda.dispatcher.table().copies(0).ranks[0], 1u);
    yoda.say_as(1, {3, 0}, Finished{1, 0, 0, yoda.entries({{0, 1}})});
    EXPECT_EQ(yoda.state(0), RangeState::finished);
    EXPECT_EQ(effects.revoked(1), (std::vector<HandOut>{{0, 2}}));
}

TEST_F(Droids, WhatALostDroidSealedIsSealed)
{
    yoda.finish(1, {{0, 1}});
    lose_first();
    yoda.say_as(1, {3, 0}, Sealed{0, 0, 10, 1});
    EXPECT_TRUE(yoda.dispatcher.table().bundles().at(0).sealed);
}

TEST_F(Droids, LosingADroidTwiceGivesItTwoGenerations)
{
    lose_first();
    bring_back_first();
    yoda.wait(Duration::from_s(11), {2});
    ASSERT_EQ(state(1), DroidState::lost);
    yoda.say_as(1, {3, 1}, Heartbeat{});
    EXPECT_EQ(yoda.generation(1), 2u);
    yoda.say_as(1, {3, 1}, Hello{"node", 42, 1});
    EXPECT_EQ(state(1), DroidState::resetting) << "that Hello answers an older Reset";
    yoda.say_as(1, {3, 2}, Hello{"node", 42, 1});
    EXPECT_EQ(state(1), DroidState::alive);
}

TEST_F(Droids, ADroidThatDoesNotAnswerResetIsLostAgain)
{
    lose_first();
    yoda.say(1, Heartbeat{});
    yoda.wait(Duration::from_s(11), {2});
    EXPECT_EQ(state(1), DroidState::lost);
}

TEST_F(Droids, GoodbyeEndsADroidAndReturnsWhatItHeld)
{
    yoda.request(2, 1);
    effects.clear();
    yoda.say(1, Goodbye{});
    EXPECT_EQ(state(1), DroidState::gone);
    EXPECT_NE(yoda.state(0), RangeState::finished);
    yoda.finish(2, {{1, 1}});
    yoda.finish(2, {{2, 1}});
    EXPECT_EQ(yoda.outstanding(2), 1u) << "its range is handed out again";
    yoda.wait(Duration::from_s(30), {2});
    EXPECT_EQ(state(1), DroidState::gone) << "nobody waits for its heartbeat";
    EXPECT_TRUE(effects.noted("droid_lost").empty());
}

TEST_F(Droids, TheRangesOfADroidThatLeftReachIdleWorkersAtOnce)
{
    YodaUnderTest small({.ranges = 1}, 2, policy());
    small.hello(1, 1);
    small.hello(2, 1);
    small.request(2, 1);
    small.say(1, Goodbye{});
    EXPECT_EQ(small.effects.granted(2), (std::vector<HandOut>{{0, 2}}));
}

TEST_F(Droids, ADroidThatLeftWhileItWasThoughtLostIsGoneForGood)
{
    lose_first();
    effects.clear();
    yoda.say_as(1, {3, 0}, Goodbye{});
    EXPECT_EQ(state(1), DroidState::gone);
    EXPECT_EQ(effects.sent_count<Reset>(), 0u);
}

TEST_F(Droids, ADroidThatLeftBeforeItReadResetStaysGone)
{
    lose_first();
    yoda.say_as(1, {3, 0}, Heartbeat{});
    yoda.say_as(1, {3, 0}, Goodbye{});
    EXPECT_EQ(state(1), DroidState::gone);
    yoda.say_as(1, {3, 1}, Hello{"node", 42, 1});
    EXPECT_EQ(state(1), DroidState::gone);
    EXPECT_EQ(yoda.outstanding(1), 0u);
}

TEST_F(Droids, NothingOfAnOlderLifeCounts)
{
    FrameHeader const old{2, 0};
    effects.clear();
    yoda.say_as(1, old, Finished{1, 0, 0, yoda.entries({{0, 1}})});
    EXPECT_TRUE(effects.rejected(1).empty()) << "rank 1 is another process now, and may have finished {0, 1}";
    EXPECT_TRUE(effects.accepted(1).empty()) << "its own report 1 may not be durable";
    EXPECT_EQ(yoda.state(0), RangeState::sent);
    EXPECT_TRUE(effects.records.empty());
    EXPECT_TRUE(yoda.dispatcher.table().bundles().empty());
    yoda.say_as(1, old, Failed{{0, 1}, FailKind::fatal, 1, ""});
    yoda.say_as(1, old, Goodbye{});
    EXPECT_EQ(yoda.state(0), RangeState::sent);
    EXPECT_EQ(state(1), DroidState::alive);
}

TEST_F(Droids, AnOlderLifeDoesNotShowThatADroidLives)
{
    for (int i = 0; i < 11; ++i) {
        yoda.say_as(1, {2, 0}, Heartbeat{});
        yoda.say(2, Heartbeat{});
        yoda.tick(Duration::from_s(1));
    }
    EXPECT_EQ(state(1), DroidState::lost);
    EXPECT_EQ(effects.sent_count<Reset>(), 0u);
}

TEST_F(Droids, AHoldingOfManyRunsIsTakenBackWhole)
{
    YodaUnderTest large({.ranges = 300, .files = 3}, 2, [] {
        auto with = policy();
        with.batch = 7;
        with.window = 20;
        return with;
    }());
    large.hello(1, 4);
    std::vector<HandOut> kept;
    for (int round = 0; round < 30; ++round) {  // The first range of each round stays, the others finish.
        auto granted = large.effects.granted(1);
        large.effects.clear();
        if (granted.empty()) break;
        kept.push_back(granted.front());
        granted.erase(granted.begin());
        large.finish(1, granted);
    }
    ASSERT_GT(kept.size(), 3u);
    EXPECT_EQ(large.outstanding(1), kept.size());
    large.dispatcher.on_exit(large.now, 1, large.effects);
    large.end_batch();
    for (auto const& what : kept) EXPECT_EQ(large.state(what.range), RangeState::ready);
}

TEST(DroidStates, HaveNames)
{
    EXPECT_EQ(print_droid_state(DroidState::absent), "absent");
    EXPECT_EQ(print_droid_state(DroidState::alive), "alive");
    EXPECT_EQ(print_droid_state(DroidState::lost), "lost");
    EXPECT_EQ(print_droid_state(DroidState::resetting), "resetting");
    EXPECT_EQ(print_droid_state(DroidState::gone), "gone");
}

}  // namespace
}  // namespace yoda
