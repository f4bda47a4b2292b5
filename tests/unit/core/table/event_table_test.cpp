// SPDX-License-Identifier: Apache-2.0
// Each line of the transition table at the top of core/table/event_table.hpp, and what must change nothing.
#include "core/table/event_table.hpp"

#include <gtest/gtest.h>

#include "support/builders/table_builder.hpp"

namespace yoda {
namespace {

using test::hand_one;
using test::latest_epoch;
using test::make_range;
using test::make_table;

BundleNumber open_bundle(EventTable& table, Rank rank = 1, std::uint32_t sequence = 0)
{
    return table.bundle({test::first_panda_id, 0, table.life(), rank, sequence});
}

TEST(EventTable, ARowOfTheTableCostsThirtySixBytes)
{
    EXPECT_EQ(sizeof(RangeRow) + sizeof(RangeProgress), 36u);
}

TEST(EventTable, NewRangesAreReadyAndOwnedByNobody)
{
    auto const table = make_table({.ranges = 3});
    EXPECT_EQ(table.ready_count(), 3u);
    EXPECT_EQ(table.unended_count(), 3u);
    EXPECT_EQ(table.copies(0).count, 0u);
    EXPECT_EQ(table.progress(0).holder, none);
}

TEST(EventTable, HandingOutMakesReadyRangesSent)
{
    auto table = make_table({.ranges = 3});
    FileIndex file = none;
    std::vector<RangeRun> runs;
    EXPECT_EQ(table.hand_out(7, file, 2, runs), 2u);
    EXPECT_EQ(table.state(0), RangeState::sent);
    EXPECT_EQ(table.state(1), RangeState::sent);
    EXPECT_EQ(table.state(2), RangeState::ready);
    EXPECT_EQ(file, 0u);
    ASSERT_EQ(runs.size(), 1u);
    EXPECT_EQ(runs[0].begin, 0u);
    EXPECT_EQ(runs[0].count, 2u);
    auto const copies = table.copies(1);
    ASSERT_EQ(copies.count, 1u);
    EXPECT_EQ(copies.ranks[0], 7u);
    EXPECT_EQ(copies.epochs[0], Epoch::make(1, 1));
}

TEST(EventTable, HandsOutNoMoreThanThereIs)
{
    auto table = make_table({.ranges = 3});
    FileIndex file = none;
    std::vector<RangeRun> runs;
    EXPECT_EQ(table.hand_out(7, file, 100, runs), 3u);
    EXPECT_EQ(table.hand_out(7, file, 100, runs), 0u);
    EXPECT_EQ(table.ready_count(), 0u);
}

TEST(EventTable, HandingOutLeavesTheRunsOfAnEarlierCallAlone)
{
    auto table = make_table({.ranges = 4});
    FileIndex file = none;
    std::vector<RangeRun> runs;
    table.hand_out(7, file, 2, runs);
    auto const before = runs;
    table.hand_out(7, file, 2, runs);
    ASSERT_EQ(runs.size(), 2u);
    EXPECT_EQ(runs[0], before[0]);
}

TEST(EventTable, ARangeFinishesInTheBundleThatIsNamed)
{
    auto table = make_table({});
    hand_one(table, 4);
    auto const bundle = open_bundle(table, 4);
    EXPECT_EQ(table.finish(0, latest_epoch(table, 0), bundle, 1500, 2000), Outcome::accepted);
    EXPECT_EQ(table.state(0), RangeState::finished);
    EXPECT_EQ(table.progress(0).holder, bundle);
    EXPECT_EQ(table.progress(0).cpu_ms, 1500u);
    EXPECT_EQ(table.progress(0).wall_ms, 2000u);
    EXPECT_EQ(table.winning_epoch(0), Epoch::make(1, 1));
    EXPECT_EQ(table.copies(0).count, 0u);
    EXPECT_EQ(table.unended_count(), 0u);
}

TEST(EventTable, ARangeMayFinishWithoutOutput)
{
    auto table = make_table({});
    hand_one(table, 4);
    EXPECT_EQ(table.finish(0, latest_epoch(table, 0), none, 1, 2), Outcome::accepted);
    EXPECT_EQ(table.progress(0).holder, none);
}

TEST(EventTable, FinishingTwiceChangesNothing)
{
    auto table = make_table({});
    hand_one(table, 4);
    auto const bundle = open_bundle(table, 4);
    table.finish(0, latest_epoch(table, 0), bundle, 10, 20);
    EXPECT_EQ(table.finish(0, latest_epoch(table, 0), none, 30, 40), Outcome::ignored);
    EXPECT_EQ(table.progress(0).holder, bundle);
    EXPECT_EQ(table.progress(0).cpu_ms, 10u);
    EXPECT_EQ(table.counts()[2], 1u);
}

TEST(EventTable, AHandOutThatWasNeverMadeCannotFinish)
{
    auto table = make_table({.ranges = 2});
    hand_one(table, 4);
    EXPECT_EQ(table.finish(0, Epoch::make(1, 2), none, 0, 0), Outcome::ignored);
    EXPECT_EQ(table.finish(0, Epoch::make(1, 0), none, 0, 0), Outcome::ignored);
    EXPECT_EQ(table.finish(1, Epoch::make(1, 1), none, 0, 0), Outcome::ignored);
    EXPECT_EQ(table.state(0), RangeState::sent);
    EXPECT_EQ(table.state(1), RangeState::ready);
}

TEST(EventTable, AHandOutOfAnotherLifeCannotFinish)
{
    auto table = make_table({.life = 3});
    hand_one(table, 4);
    EXPECT_EQ(table.finish(0, Epoch::make(2, 1), none, 0, 0), Outcome::ignored);
    EXPECT_EQ(table.finish(0, Epoch::make(4, 1), none, 0, 0), Outcome::ignored);
    EXPECT_EQ(table.finish(0, Epoch::make(3, 1), none, 0, 0), Outcome::accepted);
}

TEST(EventTable, RangesThatDoNotExistAreIgnored)
{
    auto table = make_table({});
    EXPECT_EQ(table.finish(1, Epoch::make(1, 1), none, 0, 0), Outcome::ignored);
    EXPECT_EQ(table.finish(none, Epoch::make(1, 1), none, 0, 0), Outcome::ignored);
    EXPECT_EQ(table.fail(none, Epoch::make(1, 1), 1, FailKind::failed, 1), Outcome::ignored);
    EXPECT_EQ(table.copies(none).count, 0u);
    EXPECT_EQ(table.adopt(none, Epoch::make(1, 1), none, 0, 0), Outcome::ignored);
}

TEST(EventTable, NothingFinishesIntoALostBundle)
{
    auto table = make_table({});
    hand_one(table, 4);
    auto const bundle = open_bundle(table, 4);
    table.lose_bundle(bundle);
    EXPECT_EQ(table.finish(0, latest_epoch(table, 0), bundle, 0, 0), Outcome::ignored);
    EXPECT_EQ(table.state(0), RangeState::sent);
}

TEST(EventTable, ALateFinishOfARangeThatWaitsAgainCounts)
{
    auto table = make_table({.ranges = 2});
    hand_one(table, 4);
    table.give_back(0, latest_epoch(table, 0), 4);
    EXPECT_EQ(table.finish(0, Epoch::make(1, 1), none, 0, 0), Outcome::accepted);
    EXPECT_EQ(table.ready_count(), 1u);
    EXPECT_EQ(hand_one(table, 5), 1u) << "the finished range must not be handed out again";
    EXPECT_EQ(hand_one(table, 5), none);
}

TEST(EventTable, ALateFinishOfARangeThatWasHandedOutAgainCounts)
{
    auto table = make_table({});
    hand_one(table, 4);
    table.give_back(0, Epoch::make(1, 1), 4);
    hand_one(table, 5);
    EXPECT_EQ(table.finish(0, Epoch::make(1, 1), none, 0, 0), Outcome::accepted);
    EXPECT_EQ(table.finish(0, Epoch::make(1, 2), none, 0, 0), Outcome::ignored);
    EXPECT_EQ(table.row(0).winner, 1u);
}

TEST(EventTable, GivingBackCostsNoTry)
{
    auto table = make_table({});
    for (int i = 0; i < 100; ++i) {
        ASSERT_EQ(hand_one(table, 4), 0u);
        ASSERT_EQ(table.give_back(0, latest_epoch(table, 0), 4), Outcome::retried);
    }
    EXPECT_EQ(table.state(0), RangeState::ready);
    EXPECT_EQ(table.tries_burnt(0), 0u);
}

TEST(EventTable, EachFailureCostsATryAndTheLastOneEndsTheRange)
{
    auto table = make_table({.policy = {.tries = 3}});
    for (unsigned burnt = 1; burnt < 3; ++burnt) {
        hand_one(table, 4);
        EXPECT_EQ(table.fail(0, latest_epoch(table, 0), 4, FailKind::failed, code::payload_failure),
                  Outcome::retried);
        EXPECT_EQ(table.state(0), RangeState::ready);
        EXPECT_EQ(table.tries_burnt(0), burnt);
        EXPECT_EQ(table.progress(0).holder, code::payload_failure);
    }
    hand_one(table, 4);
    EXPECT_EQ(table.fail(0, latest_epoch(table, 0), 4, FailKind::failed, code::looping_job), Outcome::ended);
    EXPECT_EQ(table.state(0), RangeState::failed);
    EXPECT_EQ(table.progress(0).holder, code::looping_job);
    EXPECT_EQ(hand_one(table, 4), none);
}

TEST(EventTable, AFatalFailureEndsTheRangeAtOnce)
{
    auto table = make_table({});
    hand_one(table, 4);
    EXPECT_EQ(table.fail(0, latest_epoch(table, 0), 4, FailKind::fatal, code::es_fatal), Outcome::ended);
    EXPECT_EQ(table.state(0), RangeState::fatal);
    EXPECT_EQ(table.progress(0).holder, code::es_fatal);
    EXPECT_EQ(table.tries_burnt(0), 0u);
}

TEST(EventTable, AFailureWithoutACodeLeavesNone)
{
    auto table = make_table({.ranges = 2});
    hand_one(table, 4);
    table.fail(0, latest_epoch(table, 0), 4, FailKind::fatal, 0);
    EXPECT_EQ(table.progress(0).holder, none);
    hand_one(table, 4);
    table.fail(1, latest_epoch(table, 1), 4, FailKind::failed, 0);
    EXPECT_EQ(table.progress(1).holder, none);
}

TEST(EventTable, OnlyEveryFifthPayloadDeathCostsATry)
{
    auto table = make_table({.policy = {.tries = 2, .payload_deaths = 5}});
    for (int death = 1; death <= 9; ++death) {
        hand_one(table, 4);
        ASSERT_EQ(table.fail(0, latest_epoch(table, 0), 4, FailKind::payload_death, code::athenamp_died),
                  Outcome::retried)
            << "death " << death;
        EXPECT_EQ(table.tries_burnt(0), death < 5 ? 0u : 1u);
    }
    hand_one(table, 4);
    EXPECT_EQ(table.fail(0, latest_epoch(table, 0), 4, FailKind::payload_death, code::athenamp_died),
              Outcome::ended);
    EXPECT_EQ(table.state(0), RangeState::failed);
}

TEST(EventTable, PayloadDeathsAndFailuresBurnTriesTogether)
{
    auto table = make_table({.policy = {.tries = 2, .payload_deaths = 1}});
    hand_one(table, 4);
    table.fail(0, latest_epoch(table, 0), 4, FailKind::payload_death, code::athenamp_died);
    hand_one(table, 4);
    EXPECT_EQ(table.fail(0, latest_epoch(table, 0), 4, FailKind::failed, code::payload_failure),
              Outcome::ended);
}

TEST(EventTable, OnlyTheRankThatHasThisVeryHandOutCanFailIt)
{
    auto table = make_table({});
    hand_one(table, 4);
    EXPECT_EQ(table.fail(0, Epoch::make(1, 1), 5, FailKind::failed, 1), Outcome::ignored);
    EXPECT_EQ(table.fail(0, Epoch::make(1, 2), 4, FailKind::failed, 1), Outcome::ignored);
    EXPECT_EQ(table.fail(0, Epoch::make(2, 1), 4, FailKind::fatal, 1), Outcome::ignored);
    EXPECT_EQ(table.give_back(0, Epoch::make(1, 1), 5), Outcome::ignored);
    EXPECT_EQ(table.state(0), RangeState::sent);
    EXPECT_EQ(table.tries_burnt(0), 0u);
}

TEST(EventTable, AnEndedRangeCanNeitherFailNorComeBack)
{
    auto table = make_table({});
    hand_one(table, 4);
    table.finish(0, latest_epoch(table, 0), none, 0, 0);
    EXPECT_EQ(table.fail(0, Epoch::make(1, 1), 4, FailKind::fatal, 1), Outcome::ignored);
    EXPECT_EQ(table.give_back(0, Epoch::make(1, 1), 4), Outcome::ignored);
    EXPECT_EQ(table.state(0), RangeState::finished);
}

TEST(EventTable, NoTwoHandOutsOfARangeShareAnEpoch)
{
    auto table = make_table({});
    std::vector<std::uint32_t> epochs;
    for (int i = 0; i < 50; ++i) {
        hand_one(table, 4);
        epochs.push_back(latest_epoch(table, 0).value);
        table.give_back(0, latest_epoch(table, 0), 4);
    }
    table.start_life(2);
    table.rebuild();
    hand_one(table, 4);
    epochs.push_back(latest_epoch(table, 0).value);
    for (std::size_t i = 1; i < epochs.size(); ++i) EXPECT_LT(epochs[i - 1], epochs[i]);
}

TEST(EventTable, ARangeHandedOutTooOftenForItsCounterIsGivenUp)
{
    auto table = make_table({.ranges = 2});
    table.set_progress(0, {RangeState::ready, 0, UINT16_MAX, none, 0, 0}, 0);
    FileIndex file = none;
    std::vector<RangeRun> runs;
    EXPECT_EQ(table.hand_out(4, file, 2, runs), 1u);
    EXPECT_EQ(table.state(0), RangeState::failed);
    EXPECT_EQ(table.state(1), RangeState::sent);
    EXPECT_EQ(table.counts(), test::recount(table).all);
    EXPECT_EQ(table.progress(0).holder, code::general_error);
}

TEST(EventTable, DroppingAJobEndsItsReadyAndSentRanges)
{
    auto table = make_table({.ranges = 3, .jobs = 2});
    FileIndex file = 0;
    std::vector<RangeRun> runs;
    table.hand_out(4, file, 2, runs);
    table.finish(0, latest_epoch(table, 0), none, 0, 0);
    EXPECT_EQ(table.drop_job(0), 2u);
    EXPECT_EQ(table.state(0), RangeState::finished);
    EXPECT_EQ(table.state(1), RangeState::dropped);
    EXPECT_EQ(table.state(2), RangeState::dropped);
    EXPECT_EQ(table.unended_in_job(0), 0u);
    EXPECT_EQ(table.unended_in_job(1), 3u);
    EXPECT_EQ(hand_one(table, 4), 3u);
}

TEST(EventTable, ADroppedRangeDoesNotKeepItsOwnersRankAsAnErrorCode)
{
    auto table = make_table({.ranges = 2});
    hand_one(table, 1213);
    table.drop_job(0);
    EXPECT_EQ(table.progress(0).holder, none);
    EXPECT_EQ(table.progress(1).holder, none);
}

TEST(EventTable, ADroppedRangeThatHadFailedKeepsItsErrorCode)
{
    auto table = make_table({});
    hand_one(table, 4);
    table.fail(0, latest_epoch(table, 0), 4, FailKind::failed, code::looping_job);
    table.drop_job(0);
    EXPECT_EQ(table.progress(0).holder, code::looping_job);
}

TEST(EventTable, ADroppedRangeCannotFinish)
{
    auto table = make_table({});
    hand_one(table, 4);
    table.drop_job(0);
    EXPECT_EQ(table.finish(0, Epoch::make(1, 1), none, 0, 0), Outcome::ignored);
    EXPECT_EQ(table.fail(0, Epoch::make(1, 1), 4, FailKind::failed, 1), Outcome::ignored);
}

TEST(EventTable, DroppingAnUnknownJobDoesNothing)
{
    auto table = make_table({});
    EXPECT_EQ(table.drop_job(9), 0u);
    EXPECT_EQ(table.ready_count(), 1u);
}

TEST(EventTable, AJobWithoutRangesHasNothingToDo)
{
    auto const table = make_table({});
    EXPECT_EQ(table.unended_in_job(9), 0u);
    EXPECT_EQ(table.job_counts(9), StateCounts{});
}

TEST(EventTable, JobsInTroubleAreLeftAlone)
{
    auto table = make_table({.ranges = 2, .jobs = 2});
    FileIndex file = none;
    std::vector<RangeRun> runs;
    EXPECT_EQ(table.hand_out(4, file, 10, runs, {true, false}), 2u);
    EXPECT_EQ(table.state(0), RangeState::ready);
    EXPECT_EQ(table.state(2), RangeState::sent);
    EXPECT_EQ(table.hand_out(4, file, 10, runs, {true, false}), 0u);
    EXPECT_EQ(table.hand_out(5, file, 10, runs, {false, true}), 2u);
}

TEST(EventTable, ANewLifeTakesBackWhatWasSent)
{
    auto table = make_table({.ranges = 4, .life = 1});
    for (int i = 0; i < 3; ++i) hand_one(table, 4);
    std::vector<RangeRun> runs;
    table.copy_out(1, 5, runs);
    table.finish(0, latest_epoch(table, 0), none, 0, 0);
    table.start_life(2);
    table.rebuild();
    EXPECT_EQ(table.state(0), RangeState::finished);
    EXPECT_EQ(table.ready_count(), 3u);
    EXPECT_EQ(table.copies(1).count, 0u);
    for (RangeIndex range = 1; range < 4; ++range) EXPECT_EQ(table.progress(range).holder, none);
    EXPECT_EQ(hand_one(table, 4), 1u);
    EXPECT_EQ(latest_epoch(table, 1), Epoch::make(2, 1));
    EXPECT_EQ(table.finish(1, Epoch::make(1, 1), none, 0, 0), Outcome::ignored);
}

TEST(EventTable, ARangeThatRecoveryFoundIsFinishedAndNotHandedOut)
{
    auto table = make_table({.ranges = 2, .life = 4});
    auto const bundle = table.bundle({test::first_panda_id, 0, 2, 1, 0});
    EXPECT_EQ(table.adopt(0, Epoch::make(2, 9), bundle, 7, 8), Outcome::accepted);
    EXPECT_EQ(table.winning_epoch(0), Epoch::make(2, 9));
    EXPECT_EQ(table.progress(0).wall_ms, 8u);
    EXPECT_EQ(hand_one(table, 4), 1u);
    EXPECT_EQ(hand_one(table, 4), none);
}

TEST(EventTable, OnlyAReadyRangeCanBeAdopted)
{
    auto table = make_table({.ranges = 2, .life = 4});
    hand_one(table, 4);
    EXPECT_EQ(table.adopt(0, Epoch::make(2, 1), none, 0, 0), Outcome::ignored);
    table.adopt(1, Epoch::make(2, 1), none, 0, 0);
    EXPECT_EQ(table.adopt(1, Epoch::make(2, 2), none, 0, 0), Outcome::ignored);
    EXPECT_EQ(table.row(1).winner, 1u);
}

TEST(EventTable, AnOutputThatIsLostMakesItsRangeReadyOnce)
{
    auto table = make_table({.life = 4});
    table.adopt(0, Epoch::make(2, 1), none, 5, 6);
    table.lose_output(0);
    EXPECT_EQ(table.state(0), RangeState::ready);
    EXPECT_EQ(table.progress(0).cpu_ms, 0u);
    table.lose_output(0);
    EXPECT_EQ(hand_one(table, 4), 0u);
    EXPECT_EQ(hand_one(table, 4), none) << "it stands in the queue more than once, but is handed out once";
}

}  // namespace
}  // namespace yoda
