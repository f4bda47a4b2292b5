// SPDX-License-Identifier: Apache-2.0
#include "core/journal/recovery.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/journal/replay.hpp"
#include "support/builders/table_builder.hpp"

namespace yoda {
namespace {

using test::make_table;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Epoch const epoch = Epoch::make(1, 1);

BundleOrigin origin(std::uint32_t sequence, std::uint32_t rank = 3, std::uint32_t life = 1)
{
    return {200, 0, life, rank, sequence};
}

/// A bundle with one entry of 100 bytes for each range.
BundleFacts facts(BundleOrigin const& name, BundleCondition condition, std::vector<RangeIndex> const& ranges,
                  Epoch entry_epoch = epoch)
{
    BundleFacts found;
    found.origin = name;
    found.condition = condition;
    found.entries_known = true;
    for (auto const range : ranges) {
        auto const position = static_cast<std::uint32_t>(found.entries.size());
        found.data_bytes += 100;
        found.entries.push_back({range, entry_epoch, found.data_bytes, range, 2 * range, position});
    }
    return found;
}

struct RecoveryTest : ::testing::Test {
    EventTable table = make_table({10});
    Findings findings;

    /// As the journal told: these ranges finished in this bundle.
    BundleNumber finish(BundleOrigin const& name, std::vector<RangeIndex> const& ranges, bool sealed = false)
    {
        auto const number = table.bundle(name);
        if (sealed) table.seal_bundle(number);
        for (auto const range : ranges)
            table.set_progress(range, {RangeState::finished, 0, 0, number, 5, 6}, 1);
        table.rebuild();
        return number;
    }
    Reconciled run(std::vector<BundleFacts> const& bundles) { return reconcile(table, bundles, findings); }
    std::vector<RangeIndex> finished() const
    {
        std::vector<RangeIndex> ranges;
        for (RangeIndex range = 0; range < table.size(); ++range) {
            if (table.state(range) == RangeState::finished) ranges.push_back(range);
        }
        EXPECT_EQ(table.counts()[2], ranges.size());
        return ranges;
    }
    bool has(FindingKind kind, std::string const& what) const
    {
        for (auto const& finding : findings.list()) {
            if (finding.kind == kind && finding.what.find(what) != std::string::npos) return true;
        }
        return false;
    }
};

TEST_F(RecoveryTest, WhatIsWholeInASealedBundleStays)
{
    auto const number = finish(origin(0), {1, 2}, true);
    auto const result = run({facts(origin(0), BundleCondition::sealed, {1, 2})});
    EXPECT_EQ(result.plans.at(0), (BundlePlan{BundleUse::keep, number, {}, {}}));
    EXPECT_THAT(result.changed, IsEmpty());
    EXPECT_THAT(result.lost, IsEmpty());
    EXPECT_THAT(finished(), ElementsAre(1, 2));
    EXPECT_THAT(findings.list(), IsEmpty());
}

TEST_F(RecoveryTest, ASealedBundleWhoseIndexWasNotReadIsTrusted)
{
    finish(origin(0), {1, 2}, true);
    auto unread = facts(origin(0), BundleCondition::sealed, {});
    unread.entries_known = false;
    run({unread});
    EXPECT_THAT(finished(), ElementsAre(1, 2));
    EXPECT_THAT(findings.list(), IsEmpty());
}

TEST_F(RecoveryTest, ACleanedBundleIsProofWithoutData)
{
    finish(origin(0), {1, 2}, true);
    auto cleaned = facts(origin(0), BundleCondition::cleaned, {1, 2});
    cleaned.data_bytes = 0;
    auto const result = run({cleaned});
    EXPECT_EQ(result.plans.at(0).use, BundleUse::keep);
    EXPECT_THAT(finished(), ElementsAre(1, 2));
    EXPECT_THAT(findings.list(), IsEmpty());
}

TEST_F(RecoveryTest, AnOpenBundleIsCopiedWithWhatCounts)
{
    auto const number = finish(origin(0), {1, 2});
    table.set_progress(3, {RangeState::failed, 3, 0, none, 0, 0}, 0);
    table.rebuild();
    auto open = facts(origin(0), BundleCondition::open, {1, 3, 2, 4});
    open.entries.push_back({5, epoch, open.data_bytes + 1, 0, 0, 4});  // Its bytes did not reach the disk.
    auto const result = run({open});
    EXPECT_EQ(result.plans.at(0).use, BundleUse::copy);
    EXPECT_EQ(result.plans.at(0).number, number);
    EXPECT_THAT(result.plans.at(0).kept, ElementsAre(0, 2, 3));
    EXPECT_THAT(result.plans.at(0).adopted, ElementsAre(FinishedEntry{4, 1, 4, 8}));
    EXPECT_THAT(finished(), ElementsAre(1, 2, 4));
    EXPECT_EQ(table.progress(4).cpu_ms, 4u);
    EXPECT_FALSE(findings.any_damage()) << findings.print();
}

TEST_F(RecoveryTest, AnOpenBundleWithNothingThatCountsIsSetAside)
{
    finish(origin(1), {1}, true);
    auto const result =
        run({facts(origin(0), BundleCondition::open, {1}, Epoch::make(1, 2)),
             facts(origin(1), BundleCondition::sealed, {1}), facts(origin(2), BundleCondition::open, {})});
    EXPECT_EQ(result.plans.at(0).use, BundleUse::set_aside);
    EXPECT_EQ(result.plans.at(2).use, BundleUse::set_aside);
    EXPECT_FALSE(findings.any_damage()) << "a late copy of a range is no damage: " << findings.print();
    EXPECT_EQ(table.bundles().size(), 1u) << "nobody needs it in the table";
}

TEST_F(RecoveryTest, WhatIsNotWholeInItsBundleIsReadyAgain)
{
    finish(origin(0), {1, 2, 3});
    auto open = facts(origin(0), BundleCondition::open, {1, 2});
    open.data_bytes = 150;  // Cut in the middle of range 2; 3 has no entry.
    auto const result = run({open});
    EXPECT_THAT(result.lost, ElementsAre(2, 3));
    EXPECT_THAT(finished(), ElementsAre(1));
    EXPECT_TRUE(has(FindingKind::damage, "2 of 3 outputs are not whole"));
    std::vector<RangeRun> runs;
    FileIndex file = none;
    EXPECT_EQ(table.hand_out(1, file, 100, runs), 9u) << "they are handed out again";
}

TEST_F(RecoveryTest, AnotherHandOutsEntryIsNoProof)
{
    finish(origin(0), {1});
    auto const result = run({facts(origin(0), BundleCondition::sealed, {1}, Epoch::make(1, 9))});
    // But it is output of the range all the same.
    EXPECT_THAT(result.plans.at(0).adopted, ElementsAre(FinishedEntry{1, 9, 1, 2}));
    EXPECT_EQ(table.winning_epoch(1), Epoch::make(1, 9));
}

TEST_F(RecoveryTest, ABundleThatIsGoneIsLost)
{
    auto const number = finish(origin(0), {1, 2}, true);
    auto const result = run({});
    EXPECT_THAT(finished(), IsEmpty());
    EXPECT_TRUE(table.bundles()[number].lost);
    EXPECT_THAT(result.changed, ElementsAre(number));
    EXPECT_TRUE(has(FindingKind::damage, "no such bundle"));
}

TEST_F(RecoveryTest, ABundleThatIsGoneAndHeldNothingIsNoLoss)
{
    table.bundle(origin(0));  // All its entries were rejected, so it was removed.
    run({});
    EXPECT_THAT(findings.list(), IsEmpty());
}

TEST_F(RecoveryTest, ALostBundleGivesNothingBack)
{
    auto const number = finish(origin(0), {1}, true);
    table.lose_bundle(number);
    auto const result = run({facts(origin(0), BundleCondition::sealed, {1})});
    EXPECT_EQ(result.plans.at(0).use, BundleUse::keep);
    EXPECT_THAT(finished(), IsEmpty());
}

TEST_F(RecoveryTest, ACutBundleIsCopied)
{
    finish(origin(0), {1, 2}, true);
    auto cut = facts(origin(0), BundleCondition::cut, {1, 2});
    cut.data_bytes = 199;
    auto const result = run({cut});
    EXPECT_EQ(result.plans.at(0).use, BundleUse::copy);
    EXPECT_THAT(result.plans.at(0).kept, ElementsAre(0));
    EXPECT_THAT(result.lost, ElementsAre(2));
    EXPECT_TRUE(has(FindingKind::damage, "its tar, 199 bytes"));
}

TEST_F(RecoveryTest, BundlesThatTheJournalDoesNotKnowAreRegisteredAndAdopted)
{
    auto const result = run(
        {facts(origin(4), BundleCondition::open, {1, 2}), facts(origin(5), BundleCondition::sealed, {3})});
    ASSERT_THAT(table.bundles(), SizeIs(2));
    EXPECT_EQ(table.find_bundle(origin(4)), result.plans[0].number);
    EXPECT_EQ(table.find_bundle(origin(5)), result.plans[1].number);
    EXPECT_TRUE(table.bundles()[result.plans[1].number].sealed);
    EXPECT_THAT(result.changed, SizeIs(2));
    EXPECT_THAT(finished(), ElementsAre(1, 2, 3));
    EXPECT_FALSE(findings.any_damage());
}

TEST_F(RecoveryTest, TwoBundlesWithOneHandOutAreReportedAndTheTablesOneCounts)
{
    auto const number = finish(origin(1), {1}, true);
    auto const result =
        run({facts(origin(0), BundleCondition::sealed, {1}), facts(origin(1), BundleCondition::sealed, {1})});
    EXPECT_EQ(table.progress(1).holder, number);
    EXPECT_EQ(result.plans[0].use, BundleUse::set_aside);
    EXPECT_EQ(result.plans[1].use, BundleUse::keep);
    EXPECT_TRUE(has(FindingKind::damage, "range 1 (100-200-300-2-10) is in it and in "));
}

TEST_F(RecoveryTest, OfTwoUnknownBundlesTheSealedOneCountsWhateverTheOrder)
{
    for (bool const swapped : {false, true}) {
        table = make_table({10});
        std::vector<BundleFacts> bundles{facts(origin(0), BundleCondition::open, {1}),
                                         facts(origin(1), BundleCondition::sealed, {1})};
        if (swapped) std::swap(bundles[0], bundles[1]);
        run(bundles);
        EXPECT_EQ(table.bundles().at(table.progress(1).holder).origin, origin(1));
    }
}

TEST_F(RecoveryTest, ALostOutputIsFoundInAnotherBundle)
{
    finish(origin(0), {1}, true);
    auto const result = run({facts(origin(0), BundleCondition::sealed, {}),
                             facts(origin(1), BundleCondition::open, {1}, Epoch::make(1, 2))});
    EXPECT_THAT(finished(), ElementsAre(1));
    EXPECT_EQ(table.winning_epoch(1), Epoch::make(1, 2));
    RecoveryRecords records;
    records.add_lost(table, result.lost);
    EXPECT_TRUE(records.empty()) << "what was found again was not lost";
}

TEST_F(RecoveryTest, EntriesThatCannotBeAreLeftOut)
{
    auto strange = facts(origin(0), BundleCondition::open, {1, 10, none});
    strange.entries.push_back({2, Epoch::make(7, 1), 100, 0, 0, 3});  // Another life's hand-out.
    run({strange});
    EXPECT_THAT(finished(), ElementsAre(1));
    EXPECT_TRUE(has(FindingKind::damage, "3 entries of ranges or lives"));
}

TEST_F(RecoveryTest, ABundleOfAnotherPandaJobIsNotTakenForOurs)
{
    finish(origin(0), {1}, true);
    auto other = facts(origin(0), BundleCondition::sealed, {1});
    other.origin.panda_id = 999;
    run({other});
    EXPECT_NE(table.find_bundle(origin(0)), none);
    EXPECT_TRUE(has(FindingKind::damage, "no such bundle"));
}

// ---- Recoveries that were interrupted: the copy is sealed, the journal does not say so.

TEST_F(RecoveryTest, ACopyTakesThePlaceOfItsOpenOriginal)
{
    auto const number = finish(origin(0), {1, 2});
    auto const copy = origin(0, 0, 2);
    auto const result = run(
        {facts(origin(0), BundleCondition::open, {1, 2, 3}), facts(copy, BundleCondition::sealed, {1, 2})});
    EXPECT_EQ(table.bundles().at(number).origin, copy);
    EXPECT_TRUE(table.bundles()[number].sealed);
    EXPECT_EQ(table.bundles()[number].epoch_life, 1u);
    EXPECT_THAT(table.bundles(), SizeIs(1));
    EXPECT_EQ(result.plans[0].use, BundleUse::set_aside);
    EXPECT_EQ(result.plans[1].use, BundleUse::keep);
    EXPECT_THAT(result.changed, ElementsAre(number));
    EXPECT_THAT(finished(), ElementsAre(1, 2));
    EXPECT_FALSE(findings.any_damage()) << findings.print();
}

TEST_F(RecoveryTest, ACopyTakesThePlaceOfAnOriginalThatWasSetAsideAlready)
{
    auto const number = finish(origin(0), {1, 2});
    auto const copy = origin(0, 0, 2);
    auto const result = run({facts(copy, BundleCondition::sealed, {1, 2, 3})});
    EXPECT_EQ(table.bundles().at(number).origin, copy);
    EXPECT_THAT(result.plans[0].adopted, ElementsAre(FinishedEntry{3, 1, 3, 6}));
    EXPECT_THAT(finished(), ElementsAre(1, 2, 3));
    EXPECT_FALSE(findings.any_damage()) << findings.print();
}

TEST_F(RecoveryTest, ACopyThatLacksWhatTheOriginalStillHasIsSetAside)
{
    auto const number = finish(origin(0), {1, 2});
    auto const result = run({facts(origin(0), BundleCondition::open, {1, 2}),
                             facts(origin(0, 0, 2), BundleCondition::sealed, {1})});
    EXPECT_EQ(result.plans[0].use, BundleUse::copy);
    EXPECT_THAT(result.plans[0].kept, ElementsAre(0, 1));
    EXPECT_EQ(result.plans[1].use, BundleUse::set_aside);
    EXPECT_EQ(table.bundles().at(number).origin, origin(0));
}

TEST_F(RecoveryTest, ACopyOfABundleThatOnlyHeldAdoptedOutputsCounts)
{
    auto const result = run(
        {facts(origin(0), BundleCondition::open, {1}), facts(origin(0, 0, 2), BundleCondition::sealed, {1})});
    EXPECT_EQ(result.plans[0].use, BundleUse::set_aside);
    EXPECT_EQ(result.plans[1].use, BundleUse::keep);
    EXPECT_EQ(table.winning_epoch(1), epoch) << "the copy holds hand-outs of the first life";
    EXPECT_FALSE(findings.any_damage()) << findings.print();
}

// ---- Which indexes must be read

TEST_F(RecoveryTest, OnlyBundlesThatAgreeWithTheTableAreNotRead)
{
    auto const number = finish(origin(0), {1, 2}, true);
    auto const claims = count_claims(table);
    EXPECT_THAT(claims, ElementsAre(2));
    EXPECT_FALSE(needs_entries(table, claims, number, BundleCondition::sealed, 2));
    EXPECT_FALSE(needs_entries(table, claims, number, BundleCondition::cleaned, 2));
    EXPECT_TRUE(needs_entries(table, claims, number, BundleCondition::sealed, 3));
    EXPECT_TRUE(needs_entries(table, claims, number, BundleCondition::open, 2));
    EXPECT_TRUE(needs_entries(table, claims, number, BundleCondition::cut, 2));
    EXPECT_TRUE(needs_entries(table, claims, none, BundleCondition::sealed, 2));
}

// ---- The records

/// Replaying the records over the table from before recovery gives the table after it.
TEST_F(RecoveryTest, ItsRecordsSayWhatItDid)
{
    finish(origin(0), {0, 1, 2});
    finish(origin(1), {3}, true);
    finish(origin(2), {4, 5});
    EventTable replayed = table;
    auto result = run({facts(origin(0), BundleCondition::open, {0, 2, 7}),  // 1 is lost, 7 adopted.
                       facts(origin(2), BundleCondition::sealed, {4, 5}),   // Not told that it is sealed.
                       facts(origin(9), BundleCondition::open, {8, 9})});   // Unknown.
    RecoveryRecords records;
    records.add_lost(table, result.lost);
    records.add_changed(table, result.changed);
    for (auto const& plan : result.plans) {
        if (plan.number != none) records.add_adopted(table, plan.number, plan.adopted);
    }
    journal::Writer writer(2, 1);
    auto const bytes = records.encode(writer);

    Replay replay(replayed, 0, 0);
    Findings replay_findings;
    journal::Reader reader(bytes);
    while (reader.next() == journal::Reader::Step::record)
        replay.apply(reader.record(), reader.info(), {"s", 0}, replay_findings);
    replay.finish();
    EXPECT_EQ(replay_findings.print(), "");
    EXPECT_EQ(replayed.bundles(), table.bundles());
    EXPECT_EQ(replayed.counts(), table.counts());
    for (RangeIndex range = 0; range < table.size(); ++range) {
        EXPECT_EQ(replayed.state(range), table.state(range)) << range;
        EXPECT_EQ(replayed.progress(range).holder, table.progress(range).holder) << range;
        EXPECT_EQ(replayed.progress(range).wall_ms, table.progress(range).wall_ms) << range;
    }
    EXPECT_THAT(finished(), ElementsAre(0, 2, 4, 5, 7, 8, 9));
}

TEST(FindingsTest, AreBoundedAndPrintable)
{
    Findings findings;
    for (unsigned i = 0; i < 3000; ++i)
        findings.add(i == 2999 ? FindingKind::damage : FindingKind::leftover, "what \xff", "where", "so");
    EXPECT_EQ(findings.list().size(), 1000u);
    EXPECT_EQ(findings.count(), 3000u);
    EXPECT_TRUE(findings.any_damage());
    EXPECT_THAT(findings.print(), HasSubstr("leftover: where: what \xff; so\n"));
    EXPECT_THAT(findings.print(), HasSubstr("and 2000 more\n"));
    EXPECT_THAT(findings.print_json(), HasSubstr("\"count\": 3000"));
}

}  // namespace
}  // namespace yoda
