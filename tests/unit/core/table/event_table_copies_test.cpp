// SPDX-License-Identifier: Apache-2.0
// Second copies of a running range: which one counts, and what becomes of the other.
#include <gtest/gtest.h>

#include "core/table/event_table.hpp"
#include "support/builders/table_builder.hpp"

namespace yoda {
namespace {

using test::hand_one;
using test::make_table;

constexpr Epoch first = Epoch::make(1, 1);
constexpr Epoch second = Epoch::make(1, 2);
constexpr Epoch third = Epoch::make(1, 3);

/// One range: at rank 1 as hand-out 1, and at rank 2 as hand-out 2.
EventTable make_copied_table(TablePolicy policy = {})
{
    auto table = make_table({.policy = policy});
    hand_one(table, 1);
    std::vector<RangeRun> runs;
    EXPECT_TRUE(table.copy_out(0, 2, runs));
    EXPECT_EQ(runs.size(), 1u);
    return table;
}

TEST(SecondCopy, HasAnEpochOfItsOwn)
{
    auto const table = make_copied_table();
    auto const copies = table.copies(0);
    ASSERT_EQ(copies.count, 2u);
    EXPECT_EQ(copies.ranks[0], 1u);
    EXPECT_EQ(copies.epochs[0], first);
    EXPECT_EQ(copies.ranks[1], 2u);
    EXPECT_EQ(copies.epochs[1], second);
}

TEST(SecondCopy, TravelsAsARunOfOne)
{
    auto table = make_table({.ranges = 3, .events = 5});
    hand_one(table, 1);
    hand_one(table, 1);
    std::vector<RangeRun> runs;
    ASSERT_TRUE(table.copy_out(1, 2, runs));
    ASSERT_EQ(runs.size(), 1u);
    EXPECT_EQ(runs[0].begin, 1u);
    EXPECT_EQ(runs[0].count, 1u);
    EXPECT_EQ(runs[0].first, 6u);
    EXPECT_EQ(runs[0].last_event(0), 10u);
    EXPECT_EQ(runs[0].process(0), 2u);
    EXPECT_EQ(runs[0].hand_out, 2u);
}

TEST(SecondCopy, IsMadeOnlyOfASentRange)
{
    auto table = make_table({.ranges = 2});
    std::vector<RangeRun> runs;
    EXPECT_FALSE(table.copy_out(0, 2, runs));
    hand_one(table, 1);
    table.finish(0, first, none, 0, 0);
    EXPECT_FALSE(table.copy_out(0, 2, runs));
    EXPECT_TRUE(runs.empty());
}

TEST(SecondCopy, IsNotMadeForTheRankThatHasTheFirst)
{
    auto table = make_table({});
    hand_one(table, 1);
    std::vector<RangeRun> runs;
    EXPECT_FALSE(table.copy_out(0, 1, runs));
    EXPECT_EQ(table.copies(0).count, 1u);
}

TEST(SecondCopy, IsTheLastOneWhileBothRun)
{
    auto table = make_copied_table();
    std::vector<RangeRun> runs;
    EXPECT_FALSE(table.copy_out(0, 3, runs));
    EXPECT_EQ(table.copies(0).count, 2u);
}

TEST(SecondCopy, WinsWhenItFinishesFirst)
{
    auto table = make_copied_table();
    EXPECT_EQ(table.finish(0, second, none, 0, 0), Outcome::accepted);
    EXPECT_EQ(table.row(0).winner, 2u);
    EXPECT_EQ(table.finish(0, first, none, 0, 0), Outcome::ignored);
    EXPECT_EQ(table.row(0).winner, 2u);
}

TEST(SecondCopy, LosesWhenTheFirstFinishesFirst)
{
    auto table = make_copied_table();
    EXPECT_EQ(table.finish(0, first, none, 0, 0), Outcome::accepted);
    EXPECT_EQ(table.finish(0, second, none, 0, 0), Outcome::ignored);
    EXPECT_EQ(table.row(0).winner, 1u);
}

TEST(SecondCopy, GoesOnWhenTheFirstFails)
{
    auto table = make_copied_table();
    EXPECT_EQ(table.fail(0, first, 1, FailKind::failed, 7), Outcome::retried);
    EXPECT_EQ(table.state(0), RangeState::sent);
    EXPECT_EQ(table.tries_burnt(0), 1u);
    auto const copies = table.copies(0);
    ASSERT_EQ(copies.count, 1u);
    EXPECT_EQ(copies.ranks[0], 2u);
    EXPECT_EQ(copies.epochs[0], second);
    EXPECT_EQ(table.finish(0, second, none, 0, 0), Outcome::accepted);
}

TEST(SecondCopy, LeavesTheFirstAloneWhenItFails)
{
    auto table = make_copied_table();
    EXPECT_EQ(table.fail(0, second, 2, FailKind::failed, 7), Outcome::retried);
    auto const copies = table.copies(0);
    ASSERT_EQ(copies.count, 1u);
    EXPECT_EQ(copies.ranks[0], 1u);
    EXPECT_EQ(copies.epochs[0], first);
    EXPECT_EQ(table.finish(0, first, none, 0, 0), Outcome::accepted);
}

TEST(SecondCopy, CannotBeFailedByTheOtherRank)
{
    auto table = make_copied_table();
    EXPECT_EQ(table.fail(0, first, 2, FailKind::failed, 7), Outcome::ignored);
    EXPECT_EQ(table.fail(0, second, 1, FailKind::failed, 7), Outcome::ignored);
    EXPECT_EQ(table.copies(0).count, 2u);
}

TEST(SecondCopy, EndsWithTheFirstWhenThatIsFatal)
{
    auto table = make_copied_table();
    EXPECT_EQ(table.fail(0, first, 1, FailKind::fatal, 7), Outcome::ended);
    EXPECT_EQ(table.copies(0).count, 0u);
    EXPECT_EQ(table.finish(0, second, none, 0, 0), Outcome::ignored);
}

TEST(SecondCopy, MayBeMadeAgainAfterItHasFailed)
{
    auto table = make_copied_table();
    table.fail(0, second, 2, FailKind::given_back, 0);
    std::vector<RangeRun> runs;
    ASSERT_TRUE(table.copy_out(0, 3, runs));
    EXPECT_EQ(runs[0].hand_out, 3u);
    auto const copies = table.copies(0);
    ASSERT_EQ(copies.count, 2u);
    EXPECT_EQ(copies.epochs[0], first);
    EXPECT_EQ(copies.epochs[1], third);
    EXPECT_EQ(table.fail(0, second, 2, FailKind::failed, 7), Outcome::ignored) << "that one is over";
}

TEST(SecondCopy, MayBeCopiedWhenItIsTheOnlyOneLeft)
{
    auto table = make_copied_table();
    table.fail(0, first, 1, FailKind::given_back, 0);
    std::vector<RangeRun> runs;
    EXPECT_FALSE(table.copy_out(0, 2, runs)) << "rank 2 has it";
    ASSERT_TRUE(table.copy_out(0, 1, runs));
    auto const copies = table.copies(0);
    ASSERT_EQ(copies.count, 2u);
    EXPECT_EQ(copies.ranks[0], 2u);
    EXPECT_EQ(copies.epochs[0], second);
    EXPECT_EQ(copies.ranks[1], 1u);
    EXPECT_EQ(copies.epochs[1], third);
}

TEST(SecondCopy, OfAFailedOneFinishingLateStillCounts)
{
    auto table = make_copied_table();
    table.give_back(0, first, 1);
    EXPECT_EQ(table.finish(0, first, none, 0, 0), Outcome::accepted) << "rank 1 was only thought dead";
    EXPECT_EQ(table.finish(0, second, none, 0, 0), Outcome::ignored);
}

TEST(SecondCopy, KeepsARangeAliveThatHasNoTryLeft)
{
    auto table = make_copied_table({.tries = 1});
    EXPECT_EQ(table.fail(0, first, 1, FailKind::failed, 7), Outcome::retried);
    EXPECT_EQ(table.state(0), RangeState::sent);
    EXPECT_EQ(table.finish(0, second, none, 0, 0), Outcome::accepted);
}

TEST(SecondCopy, GivenBackEndsARangeThatHasNoTryLeft)
{
    auto table = make_copied_table({.tries = 1});
    table.fail(0, first, 1, FailKind::failed, code::looping_job);
    EXPECT_EQ(table.give_back(0, second, 2), Outcome::ended);
    EXPECT_EQ(table.state(0), RangeState::failed);
    EXPECT_NE(table.progress(0).holder, none) << "a failed range has an error code";
}

TEST(SecondCopy, IsNotMadeOfARangeThatHasNoTryLeft)
{
    auto table = make_copied_table({.tries = 1});
    table.fail(0, first, 1, FailKind::failed, 7);
    std::vector<RangeRun> runs;
    EXPECT_FALSE(table.copy_out(0, 3, runs)) << "copy after copy would keep it alive";
    EXPECT_EQ(table.copies(0).count, 1u);
}

TEST(SecondCopy, BothGivenBackMakeTheRangeReadyOnce)
{
    auto table = make_copied_table();
    table.give_back(0, second, 2);
    EXPECT_EQ(table.state(0), RangeState::sent);
    table.give_back(0, first, 1);
    EXPECT_EQ(table.state(0), RangeState::ready);
    EXPECT_EQ(hand_one(table, 3), 0u);
    EXPECT_EQ(hand_one(table, 3), none);
    EXPECT_EQ(table.copies(0).epochs[0], third) << "no epoch is used twice";
}

TEST(SecondCopy, IsForgottenWithItsJob)
{
    auto table = make_copied_table();
    table.drop_job(0);
    EXPECT_EQ(table.copies(0).count, 0u);
    EXPECT_EQ(table.finish(0, second, none, 0, 0), Outcome::ignored);
}

TEST(SecondCopy, IsNotMadeWhenTheHandOutCounterIsUsedUp)
{
    auto table = make_table({});
    hand_one(table, 1);
    auto progress = table.progress(0);
    progress.hand_out = UINT16_MAX;
    table.set_progress(0, progress, 0);
    std::vector<RangeRun> runs;
    EXPECT_FALSE(table.copy_out(0, 2, runs));
    EXPECT_EQ(table.copies(0).count, 1u);
}

}  // namespace
}  // namespace yoda
