// SPDX-License-Identifier: Apache-2.0
// Bundles in the event table: numbers, sealing, loss, and copies that recovery made.
#include <gtest/gtest.h>

#include "core/table/event_table.hpp"
#include "support/builders/table_builder.hpp"

namespace yoda {
namespace {

using test::hand_one;
using test::latest_epoch;
using test::make_table;

constexpr BundleOrigin origin{200, 0, 1, 4, 0};
constexpr BundleOrigin other_origin{200, 0, 1, 4, 1};
constexpr BundleOrigin origin_in_run{200, 0, 1, 4, 0, 0x0a2b3c4d};

/// Ranges 0 and 1 finished in bundle 0, range 2 in bundle 1, range 3 ready.
EventTable make_finished_table()
{
    auto table = make_table({.ranges = 4});
    auto const bundle = table.bundle(origin);
    auto const other = table.bundle(other_origin);
    for (RangeIndex range = 0; range < 3; ++range) {
        hand_one(table, 4);
        table.finish(range, latest_epoch(table, range), range < 2 ? bundle : other, 5, 6);
    }
    return table;
}

TEST(EventTableBundles, AreOfTheRunsId)
{
    auto table = make_table({3});
    auto const number = table.bundle(origin);
    table.set_run_id(origin_in_run.run);
    EXPECT_EQ(table.bundles()[number].origin, origin_in_run);
    EXPECT_EQ(table.find_bundle(origin_in_run), number);
    EXPECT_EQ(table.find_bundle(origin), none) << "another run of that PandaID made it";
    auto other = origin_in_run;
    ++other.run;
    EXPECT_EQ(table.find_bundle(other), none);
}

TEST(EventTableBundles, TheSameOriginIsTheSameBundle)
{
    EventTable table;
    auto const number = table.bundle(origin);
    EXPECT_EQ(table.bundle(origin), number);
    EXPECT_NE(table.bundle(other_origin), number);
    EXPECT_EQ(table.find_bundle(origin), number);
    EXPECT_EQ(table.find_bundle({200, 0, 2, 4, 0}), none);
    EXPECT_EQ(table.find_bundle({200, 1, 1, 4, 0}), none);
    EXPECT_EQ(table.find_bundle({200, 0, 1, 5, 0}), none);
    EXPECT_EQ(table.bundles().size(), 2u);
}

TEST(EventTableBundles, ANewBundleIsOpenAndHoldsHandOutsOfItsLife)
{
    EventTable table;
    auto const number = table.bundle({200, 0, 3, 4, 7});
    auto const& state = table.bundles().at(number);
    EXPECT_EQ(state.origin, (BundleOrigin{200, 0, 3, 4, 7}));
    EXPECT_EQ(state.epoch_life, 3u);
    EXPECT_FALSE(state.sealed);
    EXPECT_FALSE(state.lost);
}

TEST(EventTableBundles, LosingABundleMakesItsRangesReadyAndNoOthers)
{
    auto table = make_finished_table();
    EXPECT_EQ(table.lose_bundle(0), (std::vector<RangeIndex>{0, 1}));
    EXPECT_TRUE(table.bundles()[0].lost);
    EXPECT_EQ(table.state(0), RangeState::ready);
    EXPECT_EQ(table.progress(0).holder, none);
    EXPECT_EQ(table.progress(0).wall_ms, 0u);
    EXPECT_EQ(table.state(2), RangeState::finished);
    EXPECT_EQ(table.counts(), test::recount(table).all);
}

TEST(EventTableBundles, LosingABundleTwiceChangesNothingMore)
{
    auto table = make_finished_table();
    table.lose_bundle(0);
    hand_one(table, 5);
    EXPECT_TRUE(table.lose_bundle(0).empty());
    EXPECT_EQ(table.counts()[1], 1u);
}

TEST(EventTableBundles, ARangeOfALostBundleRunsAgainWithANewEpoch)
{
    auto table = make_finished_table();
    table.lose_bundle(1);
    RangeIndex again = none;
    while ((again = hand_one(table, 5)) != 2) ASSERT_NE(again, none);
    EXPECT_EQ(latest_epoch(table, 2), Epoch::make(1, 2));
    auto const fresh = table.bundle({200, 0, 1, 5, 0});
    EXPECT_EQ(table.finish(2, Epoch::make(1, 2), fresh, 0, 0), Outcome::accepted);
    EXPECT_EQ(table.winning_epoch(2), Epoch::make(1, 2));
}

TEST(EventTableBundles, ACopyUnderAnotherNameKeepsItsNumberAndTheLifeOfItsHandOuts)
{
    auto table = make_finished_table();
    BundleOrigin const copy{200, 0, 7, 0, 3};
    table.replace_bundle(0, copy);
    EXPECT_EQ(table.find_bundle(copy), 0u);
    EXPECT_EQ(table.find_bundle(origin), none);
    EXPECT_TRUE(table.bundles()[0].sealed);
    EXPECT_EQ(table.bundles()[0].epoch_life, 1u);
    EXPECT_EQ(table.winning_epoch(0), Epoch::make(1, 1));
    EXPECT_EQ(table.lose_bundle(table.find_bundle(copy)).size(), 2u);
}

TEST(EventTableBundles, LoadedBundlesAreFoundByTheirOrigin)
{
    EventTable table;
    table.bundle({1, 2, 3, 4, 5});
    table.set_bundles({{origin, 1, true, false}, {other_origin, 1, false, true}});
    EXPECT_EQ(table.find_bundle(origin), 0u);
    EXPECT_EQ(table.find_bundle(other_origin), 1u);
    EXPECT_EQ(table.find_bundle({1, 2, 3, 4, 5}), none);
    EXPECT_TRUE(table.bundles()[0].sealed);
    EXPECT_TRUE(table.bundles()[1].lost);
}

TEST(EventTableBundles, SealingIsRemembered)
{
    auto table = make_finished_table();
    table.seal_bundle(1);
    EXPECT_FALSE(table.bundles()[0].sealed);
    EXPECT_TRUE(table.bundles()[1].sealed);
}

TEST(EventTableBundles, TheWinnerOfAFinishedRangeIsKnownByItsHandOutAndBundle)
{
    auto const table = make_finished_table();
    EXPECT_TRUE(table.is_winner(0, Epoch::make(1, 1), 0));
    EXPECT_FALSE(table.is_winner(0, Epoch::make(1, 2), 0));
    EXPECT_FALSE(table.is_winner(0, Epoch::make(2, 1), 0));
    EXPECT_FALSE(table.is_winner(0, Epoch::make(1, 1), 1)) << "the same hand-out stored twice";
    EXPECT_FALSE(table.is_winner(3, Epoch::make(1, 1), 0)) << "not finished";
    EXPECT_FALSE(table.is_winner(none, Epoch::make(1, 1), 0));
}

TEST(EventTableBundles, TheWinnerWithoutOutputIsKnownByItsHandOut)
{
    auto table = make_table({});
    hand_one(table, 4);
    table.finish(0, latest_epoch(table, 0), none, 0, 0);
    EXPECT_TRUE(table.is_winner(0, Epoch::make(1, 1), none));
    EXPECT_FALSE(table.is_winner(0, Epoch::make(1, 2), none));
    EXPECT_FALSE(table.is_winner(0, Epoch::make(1, 1), 0));
}

}  // namespace
}  // namespace yoda
