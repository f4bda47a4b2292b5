// SPDX-License-Identifier: Apache-2.0
// What rank 0 makes of Finished, Failed, GivenBack and Sealed: the table, the journal, the answer.
#include "yoda_under_test.hpp"

namespace yoda {
namespace {

using test::YodaUnderTest;

/// Two Droids of two workers; four ranges, all at Droid 1.
struct Outcomes : testing::Test {
    static DispatchPolicy policy()
    {
        DispatchPolicy policy;
        policy.batch = 4;
        policy.window = 1;
        return policy;
    }
    YodaUnderTest yoda{{.ranges = 4}, 2, policy()};
    test::RecordingEffects& effects = yoda.effects;

    void SetUp() override
    {
        yoda.hello(1);
        yoda.hello(2);
        effects.clear();
    }
    /// Range `range` is copied to Droid 2 as hand-out 2.
    void copy(RangeIndex range)
    {
        // A first range has finished, so there is a usual time; this one has been running for much longer.
        yoda.finish(1, {{range == 3 ? 2u : 3u, 1}}, 10);
        yoda.request(2, 1);
        yoda.now = yoda.now + Duration::from_s(5);
        yoda.tick();
        std::vector<RunningEntry> const running{{{range, 1}, 5000}};
        yoda.say(1, Running{running});
        yoda.tick(Duration::from_s(1));
        ASSERT_EQ(effects.granted(2), (std::vector<HandOut>{{range, 2}}));
        effects.clear();
    }
};

TEST_F(Outcomes, AFinishedRangeIsRecordedInItsBundleAndAccepted)
{
    std::vector<FinishedEntry> const entries{{0, 1, 70, 80}, {2, 1, 71, 81}};
    yoda.say(1, Finished{5, 3, 0, entries});
    EXPECT_EQ(yoda.state(0), RangeState::finished);
    EXPECT_EQ(yoda.state(1), RangeState::sent);
    EXPECT_EQ(yoda.state(2), RangeState::finished);
    auto const bundles = effects.recorded<journal::BundleChanged>();
    ASSERT_EQ(bundles.size(), 1u);
    EXPECT_EQ(bundles[0].state.origin, (BundleOrigin{200, 0, 1, 1, 3}));
    EXPECT_FALSE(bundles[0].state.sealed);
    auto const finished = effects.recorded<journal::RangesFinished>();
    ASSERT_EQ(finished.size(), 1u);
    EXPECT_EQ(finished[0].bundle, bundles[0].number);
    EXPECT_EQ(finished[0].epoch_life, 1u);
    EXPECT_EQ(std::vector<FinishedEntry>(finished[0].entries.begin(), finished[0].entries.end()), entries);
    EXPECT_EQ(effects.accepted(1), std::vector<std::uint32_t>{5});
    EXPECT_TRUE(effects.rejected(1).empty());
}

TEST(WornOut, ARangeThatIsGivenBackForEverEndsAndIsRecorded)
{
    YodaUnderTest yoda{{.ranges = 1}, 1, Outcomes::policy()};
    yoda.hello(1);
    for (unsigned hand_out = 1; hand_out <= UINT16_MAX; ++hand_out)
        yoda.give_back(1, {{0, static_cast<std::uint16_t>(hand_out)}});
    EXPECT_EQ(yoda.state(0), RangeState::failed);
    auto const failed = yoda.effects.recorded<journal::RangeFailed>();
    ASSERT_EQ(failed.size(), 1u) << "what is not recorded is not there after a crash";
    EXPECT_EQ(failed[0].state, RangeState::failed);
    EXPECT_EQ(failed[0].error_code, code::general_error);
}

TEST_F(Outcomes, AcceptedIsAskedForAfterTheRecords)
{
    yoda.finish(1, {{0, 1}, {1, 1}});
    for (auto const& each : effects.sends) {
        if (!each.message) {
            EXPECT_EQ(each.records_before, effects.records.size());
        }
    }
    EXPECT_EQ(effects.accepted(1).size(), 1u);
}

TEST_F(Outcomes, ABundleIsRecordedBeforeItsFirstRangesAndOnlyOnce)
{
    yoda.finish(1, {{0, 1}});
    yoda.finish(1, {{1, 1}});
    ASSERT_EQ(effects.records.size(), 3u);
    EXPECT_TRUE(std::holds_alternative<journal::BundleChanged>(effects.records[0]->get()));
    EXPECT_TRUE(std::holds_alternative<journal::RangesFinished>(effects.records[1]->get()));
    EXPECT_TRUE(std::holds_alternative<journal::RangesFinished>(effects.records[2]->get()));
}

TEST_F(Outcomes, ADroidMayFillSeveralBundlesInTurn)
{
    yoda.say(1, Finished{1, 0, 0, yoda.entries({{0, 1}})});
    yoda.say(1, Finished{2, 1, 0, yoda.entries({{1, 1}})});
    yoda.say(1, Finished{3, 0, 0, yoda.entries({{2, 1}})});
    auto const& table = yoda.dispatcher.table();
    EXPECT_EQ(table.bundles().size(), 2u);
    EXPECT_EQ(table.progress(0).holder, table.progress(2).holder);
    EXPECT_NE(table.progress(0).holder, table.progress(1).holder);
}

TEST_F(Outcomes, ARangeWithoutOutputHasNoBundle)
{
    yoda.say(1, Finished{1, none, 0, yoda.entries({{0, 1}})});
    EXPECT_EQ(yoda.state(0), RangeState::finished);
    EXPECT_EQ(yoda.dispatcher.table().progress(0).holder, none);
    EXPECT_TRUE(yoda.dispatcher.table().bundles().empty());
    EXPECT_TRUE(effects.recorded<journal::BundleChanged>().empty());
}

TEST_F(Outcomes, AnEmptyFinishedIsAccepted)
{
    yoda.say(1, Finished{9, none, 0, {}});
    EXPECT_EQ(effects.accepted(1), std::vector<std::uint32_t>{9});
    EXPECT_TRUE(effects.records.empty());
}

TEST_F(Outcomes, ARepeatedFinishIsAcceptedAndNotRecordedAgain)
{
    yoda.finish(1, {{0, 1}});
    effects.clear();
    yoda.finish(1, {{0, 1}});
    EXPECT_TRUE(effects.rejected(1).empty()) << "the Droid must keep the bytes: they count";
    EXPECT_TRUE(effects.records.empty());
    EXPECT_EQ(effects.accepted(1).size(), 1u);
    EXPECT_EQ(yoda.dispatcher.droid(1).finished_count, 1u);
}

TEST_F(Outcomes, TheSameHandOutInAnotherBundleIsRejected)
{
    yoda.finish(1, {{0, 1}});
    yoda.say(1, Finished{2, 7, 0, yoda.entries({{0, 1}})});
    EXPECT_EQ(effects.rejected(1), (std::vector<HandOut>{{0, 1}}));
}

TEST_F(Outcomes, AHandOutThatWasNeverMadeIsRejected)
{
    yoda.finish(1, {{0, 2}, {0, 0}, {99, 1}, {none, 1}});
    EXPECT_EQ(effects.rejected(1).size(), 4u);
    EXPECT_EQ(effects.accepted(1).size(), 1u) << "the message is answered all the same";
    EXPECT_TRUE(effects.recorded<journal::RangesFinished>().empty());
    EXPECT_EQ(yoda.state(0), RangeState::sent);
}

TEST_F(Outcomes, AFinishOfAnUnknownJobIsRejected)
{
    yoda.say(1, Finished{1, 0, 7, yoda.entries({{0, 1}})});
    EXPECT_EQ(effects.rejected(1), (std::vector<HandOut>{{0, 1}}));
    EXPECT_EQ(yoda.state(0), RangeState::sent) << "it must not count as finished without output";
    EXPECT_TRUE(effects.records.empty());
}

TEST(OutcomesOfSeveralJobs, AFinishUnderTheWrongJobIsRejected)
{
    YodaUnderTest yoda({.ranges = 2, .jobs = 2}, 1);
    yoda.hello(1, 4);
    yoda.finish(1, {{0, 1}}, 1000, 1);
    EXPECT_EQ(yoda.effects.rejected(1), (std::vector<HandOut>{{0, 1}}));
    EXPECT_EQ(yoda.state(0), RangeState::sent);
}

TEST(OutcomesOfSeveralJobs, BundlesOfTwoJobsAreTwoBundles)
{
    YodaUnderTest yoda({.ranges = 2, .jobs = 2}, 1);
    yoda.hello(1, 4);
    yoda.finish(1, {{0, 1}}, 1000, 0);
    yoda.finish(1, {{2, 1}}, 1000, 1);
    ASSERT_EQ(yoda.dispatcher.table().bundles().size(), 2u);
    EXPECT_EQ(yoda.dispatcher.table().bundles()[1].origin, (BundleOrigin{201, 1, 1, 1, 0}));
}

TEST_F(Outcomes, AFinishByAnEarlierHolderCountsAndStopsTheLaterOne)
{
    yoda.give_back(1, {{0, 1}});
    ASSERT_EQ(effects.granted(2), (std::vector<HandOut>{{0, 2}}));
    yoda.finish(1, {{0, 1}});
    EXPECT_EQ(yoda.state(0), RangeState::finished);
    EXPECT_EQ(effects.revoked(2), (std::vector<HandOut>{{0, 2}}));
    yoda.finish(2, {{0, 2}});
    EXPECT_EQ(effects.rejected(2), (std::vector<HandOut>{{0, 2}}));
}

TEST_F(Outcomes, AFailureIsRecordedWithItsStateTriesAndReason)
{
    yoda.fail(1, {0, 1}, FailKind::failed, code::looping_job);
    auto const failed = effects.recorded<journal::RangeFailed>();
    ASSERT_EQ(failed.size(), 1u);
    EXPECT_EQ(failed[0].range, 0u);
    EXPECT_EQ(failed[0].state, RangeState::ready);
    EXPECT_EQ(failed[0].burnt, 1u);
    EXPECT_EQ(failed[0].error_code, code::looping_job);
    EXPECT_EQ(failed[0].reason, "why");
    EXPECT_EQ(effects.noted("range_failed").size(), 1u);
    EXPECT_EQ(yoda.dispatcher.droid(1).failed_count, 1u);
}

TEST_F(Outcomes, TheLastFailureEndsTheRange)
{
    for (std::uint16_t hand_out = 1; hand_out <= 3; ++hand_out) {
        ASSERT_EQ(yoda.state(0), RangeState::sent);
        auto const copies = yoda.dispatcher.table().copies(0);
        yoda.fail(copies.ranks[0], {0, hand_out});
        if (hand_out < 3 && yoda.state(0) == RangeState::ready) yoda.request(1, 1);
    }
    EXPECT_EQ(yoda.state(0), RangeState::failed);
    EXPECT_EQ(effects.recorded<journal::RangeFailed>().back().state, RangeState::failed);
    EXPECT_EQ(effects.noted("range_gave_up").size(), 1u);
}

TEST_F(Outcomes, AFatalFailureEndsTheRangeAtOnce)
{
    yoda.fail(1, {0, 1}, FailKind::fatal, code::es_fatal);
    EXPECT_EQ(yoda.state(0), RangeState::fatal);
    EXPECT_EQ(effects.recorded<journal::RangeFailed>().at(0).state, RangeState::fatal);
    EXPECT_EQ(effects.recorded<journal::RangeFailed>().at(0).error_code, code::es_fatal);
}

TEST_F(Outcomes, AFailureThatIsNotItsOwnIsIgnored)
{
    yoda.fail(2, {0, 1});
    yoda.fail(1, {0, 9});
    yoda.fail(1, {none, 1});
    EXPECT_TRUE(effects.records.empty());
    EXPECT_EQ(yoda.state(0), RangeState::sent);
    EXPECT_EQ(yoda.outstanding(1), 4u);
}

TEST_F(Outcomes, ARepeatedFailureCountsOnce)
{
    yoda.fail(1, {0, 1});
    yoda.fail(1, {0, 1});
    EXPECT_EQ(yoda.dispatcher.table().tries_burnt(0), 1u);
    EXPECT_EQ(effects.recorded<journal::RangeFailed>().size(), 1u);
}

TEST_F(Outcomes, WhatIsGivenBackIsNeitherRecordedNorAFailure)
{
    yoda.give_back(1, {{2, 1}, {3, 1}});
    yoda.fail(1, {1, 1}, FailKind::given_back, 0);
    EXPECT_TRUE(effects.records.empty());
    EXPECT_EQ(yoda.dispatcher.droid(1).failed_count, 0u);
    EXPECT_EQ(yoda.outstanding(1), 1u);
    EXPECT_EQ(yoda.dispatcher.table().tries_burnt(1), 0u);
}

TEST_F(Outcomes, WhatIsNotItsOwnCannotBeGivenBack)
{
    yoda.give_back(2, {{0, 1}});
    yoda.give_back(1, {{0, 2}, {77, 1}, {none, 0}});
    EXPECT_EQ(yoda.state(0), RangeState::sent);
    EXPECT_EQ(yoda.outstanding(1), 4u);
}

TEST_F(Outcomes, TheSecondCopyIsRevokedWhenTheFirstFinishes)
{
    copy(0);
    yoda.finish(1, {{0, 1}});
    EXPECT_EQ(effects.revoked(2), (std::vector<HandOut>{{0, 2}}));
    EXPECT_TRUE(effects.revoked(1).empty());
    EXPECT_EQ(yoda.outstanding(2), 0u);
    yoda.finish(2, {{0, 2}});
    EXPECT_EQ(effects.rejected(2), (std::vector<HandOut>{{0, 2}}));
}

TEST_F(Outcomes, TheFirstCopyIsRevokedWhenTheSecondFinishes)
{
    copy(0);
    yoda.finish(2, {{0, 2}});
    EXPECT_EQ(effects.revoked(1), (std::vector<HandOut>{{0, 1}}));
    EXPECT_EQ(yoda.dispatcher.table().row(0).winner, 2u);
    yoda.finish(1, {{0, 1}});
    EXPECT_EQ(effects.rejected(1), (std::vector<HandOut>{{0, 1}}));
}

TEST_F(Outcomes, TheOtherCopyIsRevokedWhenOneIsFatal)
{
    copy(0);
    yoda.fail(1, {0, 1}, FailKind::fatal);
    EXPECT_EQ(effects.revoked(2), (std::vector<HandOut>{{0, 2}}));
    EXPECT_EQ(yoda.outstanding(2), 0u);
}

TEST_F(Outcomes, TheOtherCopyGoesOnWhenOneFails)
{
    copy(0);
    yoda.fail(1, {0, 1});
    EXPECT_TRUE(effects.revoked(2).empty());
    EXPECT_EQ(yoda.state(0), RangeState::sent);
    auto const failed = effects.recorded<journal::RangeFailed>();
    ASSERT_EQ(failed.size(), 1u);
    EXPECT_EQ(failed[0].state, RangeState::ready) << "what a later life finds: nobody has it";
    EXPECT_EQ(failed[0].burnt, 1u);
    yoda.finish(2, {{0, 2}});
    EXPECT_EQ(yoda.state(0), RangeState::finished);
}

TEST(OutcomesWithOneTry, ALastCopyThatComesBackIsRecordedAsTheFailureItIs)
{
    for (bool const by_loss : {false, true}) {
        DispatchPolicy policy;
        policy.batch = 2;
        policy.window = 1;
        YodaUnderTest yoda({.ranges = 2, .policy = {.tries = 1}}, 2, policy);
        yoda.hello(1, 1);
        yoda.finish(1, {{1, 1}}, 10);
        yoda.hello(2, 1);
        yoda.request(2, 1);
        yoda.tick(Duration::from_s(5));
        std::vector<RunningEntry> const running{{{0, 1}, 5000}};
        yoda.say(1, Running{running});
        yoda.tick(Duration::from_s(1));
        ASSERT_EQ(yoda.effects.granted(2), (std::vector<HandOut>{{0, 2}}));
        yoda.fail(1, {0, 1}, FailKind::failed, code::looping_job);
        ASSERT_EQ(yoda.state(0), RangeState::sent);
        yoda.effects.clear();
        if (by_loss) {
            yoda.dispatcher.on_exit(yoda.now, 2, yoda.effects);
            yoda.end_batch();
        } else {
            yoda.give_back(2, {{0, 2}});
        }
        EXPECT_EQ(yoda.state(0), RangeState::failed);
        auto const failed = yoda.effects.recorded<journal::RangeFailed>();
        ASSERT_EQ(failed.size(), 1u) << "else a later life would find it ready";
        EXPECT_EQ(failed[0].state, RangeState::failed);
        EXPECT_NE(failed[0].error_code, 0u);
        EXPECT_EQ(yoda.effects.sent<SealJob>(1).size(), 1u);
        EXPECT_TRUE(yoda.dispatcher.finishing());
    }
}

TEST_F(Outcomes, SealingIsRecorded)
{
    yoda.finish(1, {{0, 1}});
    yoda.say(1, Sealed{0, 0, 12345, 1});
    EXPECT_TRUE(yoda.dispatcher.table().bundles()[0].sealed);
    auto const changed = effects.recorded<journal::BundleChanged>();
    ASSERT_EQ(changed.size(), 2u);
    EXPECT_TRUE(changed[1].state.sealed);
    EXPECT_EQ(effects.noted("bundle_sealed").size(), 1u);
}

TEST_F(Outcomes, SealingAnUnknownBundleIsIgnored)
{
    yoda.say(1, Sealed{0, 0, 12345, 1});
    yoda.say(1, Sealed{9, 0, 12345, 1});
    EXPECT_TRUE(effects.records.empty());
}

TEST_F(Outcomes, ADoneJobIsSealedAtEveryDroid)
{
    yoda.finish(1, {{0, 1}, {1, 1}, {2, 1}});
    EXPECT_EQ(effects.sent_count<SealJob>(), 0u);
    yoda.finish(1, {{3, 1}});
    EXPECT_EQ(effects.sent<SealJob>(1).size(), 1u);
    EXPECT_EQ(effects.sent<SealJob>(2).size(), 1u);
}

TEST(OutcomesOfSeveralJobs, EachJobIsSealedWhenItsOwnLastRangeEnds)
{
    YodaUnderTest yoda({.ranges = 1, .jobs = 2}, 1);
    yoda.hello(1, 4);
    yoda.finish(1, {{0, 1}}, 1000, 0);
    ASSERT_EQ(yoda.effects.sent<SealJob>(1).size(), 1u);
    EXPECT_EQ(yoda.effects.sent<SealJob>(1)[0].job, 0u);
    EXPECT_FALSE(yoda.dispatcher.finishing());
    yoda.fail(1, {1, 1}, FailKind::fatal);
    ASSERT_EQ(yoda.effects.sent<SealJob>(1).size(), 2u);
    EXPECT_EQ(yoda.effects.sent<SealJob>(1)[1].job, 1u);
    EXPECT_TRUE(yoda.dispatcher.finishing());
}

}  // namespace
}  // namespace yoda
