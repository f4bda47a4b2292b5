// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/run/range_ledger.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace yoda {
namespace {

constexpr std::int64_t panda_id = 6900000001;

RangeUpdatesAnswer stored(std::size_t count, RangeReturn value = RangeReturn::accepted)
{
    RangeUpdatesAnswer answer;
    answer.judgement.outcome = PandaOutcome::stored;
    answer.returns.assign(count, value);
    return answer;
}

RangeUpdatesAnswer outcome(PandaOutcome what)
{
    RangeUpdatesAnswer answer;
    answer.judgement = {what, "because"};
    return answer;
}

/// One call with as much as fits.
RangeLedger::Call fill(RangeLedger& ledger)
{
    auto call = ledger.new_call();
    for (auto group = ledger.next_open(0); group && !call.full(); group = ledger.next_open(*group + 1))
        ledger.fill(call, *group);
    return call;
}

RangeMap standings(std::vector<std::pair<std::string, RangeStanding>> const& known)
{
    RangeMap map;
    for (auto const& [id, standing] : known) map.insert(id, static_cast<std::uint8_t>(standing));
    return map;
}

TEST(RangeSpans, JoinWhatTouchesAndForgetWhatIsThere)
{
    RangeSpans spans;
    for (std::uint32_t const i : {5u, 7u, 6u, 1u, 6u, 0u}) add_to_spans(spans, i);
    EXPECT_EQ(spans, (RangeSpans{{0, 2}, {5, 8}}));
    EXPECT_EQ(count_of(spans), 5u);
}

TEST(RangeLedger, AllThatPandaAcceptsIsSettled)
{
    RangeLedger ledger(LedgerPolicy{10, 3});
    auto const first = ledger.add_group("a", 7);
    auto const second = ledger.add_group("b", 8, {{0, 2}});
    auto call = fill(ledger);
    EXPECT_EQ(call.slots.size(), 10u);
    auto const effects = ledger.on_answer(call, stored(10), panda_id);
    EXPECT_EQ(effects.settled.size(), 10u);
    EXPECT_TRUE(ledger.is_settled(first));
    EXPECT_FALSE(ledger.is_settled(second));
    call = fill(ledger);
    EXPECT_EQ(call.slots.size(), 3u);
    ledger.on_answer(call, stored(3), panda_id);
    EXPECT_TRUE(ledger.all_settled());
    EXPECT_EQ(ledger.accepted_count(), 13u);
}

TEST(RangeLedger, NullIsNotSentAgainInTheSameTickAndStaysOpen)
{
    RangeLedger ledger;
    ledger.add_group("a", 4);
    auto const call = fill(ledger);
    auto const effects = ledger.on_answer(call, stored(4, RangeReturn::later), panda_id);
    EXPECT_TRUE(effects.settled.empty());
    EXPECT_FALSE(ledger.next_open(0));
    EXPECT_EQ(ledger.open_count(), 4u);
}

TEST(RangeLedger, FalseIsRefusedButWithToBeKilledTheJobIsGone)
{
    RangeLedger ledger;
    ledger.add_group("a", 2);
    auto call = fill(ledger);
    auto effects = ledger.on_answer(call, stored(2, RangeReturn::refused), panda_id);
    EXPECT_EQ(effects.refused.size(), 2u);
    EXPECT_FALSE(effects.job_gone);
    EXPECT_TRUE(ledger.all_settled());

    RangeLedger other;
    other.add_group("a", 2);
    call = fill(other);
    auto answer = stored(2, RangeReturn::refused);
    answer.commands[panda_id].to_be_killed = true;
    effects = other.on_answer(call, answer, panda_id);
    EXPECT_TRUE(effects.job_gone);
    EXPECT_TRUE(effects.refused.empty());
}

TEST(RangeLedger, ToBeKilledWithoutARefusalIsOnlyAWish)
{
    RangeLedger ledger;
    ledger.add_group("a", 2);
    auto answer = stored(2);
    answer.commands[panda_id].to_be_killed = true;
    auto const effects = ledger.on_answer(fill(ledger), answer, panda_id);
    EXPECT_FALSE(effects.job_gone);
    EXPECT_TRUE(ledger.all_settled());
}

TEST(RangeLedger, AfterAnUnknownOutcomePandasTableDecidesRangeByRange)
{
    RangeLedger ledger;
    auto const group = ledger.add_group("a", 5);
    ledger.on_answer(fill(ledger), outcome(PandaOutcome::unknown), panda_id);
    ASSERT_TRUE(ledger.has_unknown());
    EXPECT_FALSE(ledger.next_open(0));
    std::vector<std::string_view> const ids{"1-2-3-1-9", "1-2-3-2-9", "1-2-3-3-9", "1-2-3-4-9", "1-2-3-5-9"};
    auto const map = standings({{"1-2-3-1-9", RangeStanding::finished},
                                {"1-2-3-2-9", RangeStanding::open},
                                {"1-2-3-3-9", RangeStanding::failed},
                                {"1-2-3-4-9", RangeStanding::over}});
    auto const effects = ledger.on_statuses(group, ids, {true, true, true, true, true}, map);
    EXPECT_EQ(effects.settled.size(), 4u);
    EXPECT_EQ(effects.refused.size(), 3u);  // Failed, cancelled, and not there at all.
    EXPECT_TRUE(effects.not_stored);
    EXPECT_FALSE(ledger.has_unknown());
    auto const call = fill(ledger);
    ASSERT_EQ(call.slots.size(), 1u);
    EXPECT_EQ(call.slots[0].index, 1u);
}

TEST(RangeLedger, AFailedRangeThatPandaHasAsFailedIsSettledWell)
{
    RangeLedger ledger;
    auto const group = ledger.add_group("a", 1);
    ledger.on_answer(fill(ledger), outcome(PandaOutcome::unknown), panda_id);
    auto const effects =
        ledger.on_statuses(group, {"1-2-3-1-9"}, {false}, standings({{"1-2-3-1-9", RangeStanding::failed}}));
    EXPECT_TRUE(effects.refused.empty());
    EXPECT_EQ(ledger.accepted_count(), 1u);
}

TEST(RangeLedger, AFatalRangeIsFoundUnderTheAttemptNumberThatPandaGivesIt)
{
    RangeLedger ledger;
    auto const group = ledger.add_group("a", 3);
    ledger.on_answer(fill(ledger), outcome(PandaOutcome::unknown), panda_id);
    auto const map =
        standings({{"1-2-3-1-1", RangeStanding::failed}, {"1-2-3-2-1", RangeStanding::finished}});
    // A finished range never changes its id, so that the third one is not there.
    auto const effects =
        ledger.on_statuses(group, {"1-2-3-1-9", "text", "1-2-3-2-9"}, {false, false, true}, map);
    EXPECT_EQ(ledger.accepted_count(), 1u);
    EXPECT_EQ(effects.refused.size(), 2u);
}

TEST(RangeLedger, FalseOverV1IsLookedUpBeforeItCountsAsRefused)
{
    RangeLedger ledger;
    auto const group = ledger.add_group("a", 2);
    auto answer = stored(2, RangeReturn::refused);
    answer.names_gone_jobs = false;
    auto effects = ledger.on_answer(fill(ledger), answer, panda_id);
    EXPECT_TRUE(effects.refused.empty());
    ASSERT_TRUE(ledger.has_unknown());
    effects = ledger.on_statuses(
        group, {"1-2-3-1-9", "1-2-3-2-9"}, {true, true},
        standings({{"1-2-3-1-9", RangeStanding::open}, {"1-2-3-2-9", RangeStanding::finished}}));
    // The job is there, and PanDA has said no: nothing is sent again and again.
    ASSERT_EQ(effects.refused.size(), 1u);
    EXPECT_EQ(effects.refused[0].slot.index, 0u);
    EXPECT_TRUE(ledger.all_settled());
}

/// A server that rolls every call back that holds one poisoned range.
TEST(RangeLedger, OnePoisonedRangeIsFoundAndOnlyItIsGivenUp)
{
    constexpr std::uint32_t count = 1000;
    constexpr std::uint32_t poisoned = 617;
    RangeLedger ledger(LedgerPolicy{count, 3});
    auto const group = ledger.add_group("a", count);
    std::vector<std::string> texts;
    for (std::uint32_t i = 0; i < count; ++i) texts.push_back("1-2-3-" + std::to_string(i) + "-9");
    std::vector<std::string_view> const ids(texts.begin(), texts.end());
    std::vector<bool> const finished(count, true);
    std::vector<RangeStanding> table(count, RangeStanding::open);
    int calls = 0;
    while (!ledger.all_settled()) {
        ASSERT_LT(++calls, 200);
        auto const call = fill(ledger);
        bool const bad = std::any_of(call.slots.begin(), call.slots.end(),
                                     [](auto const& slot) { return slot.index == poisoned; });
        if (!bad) {
            ledger.on_answer(call, stored(call.slots.size()), panda_id);
            continue;
        }
        ledger.on_answer(call, outcome(PandaOutcome::unknown), panda_id);
        RangeMap map;
        for (std::uint32_t i = 0; i < count; ++i) map.insert(ids[i], static_cast<std::uint8_t>(table[i]));
        auto const effects = ledger.on_statuses(group, ids, finished, map);
        ledger.end_round(effects.not_stored);
        for (auto const& refusal : effects.refused) EXPECT_EQ(refusal.slot.index, poisoned);
    }
    EXPECT_EQ(ledger.accepted_count(), count - 1);
    EXPECT_EQ(ledger.refused_count(), 1u);
}

TEST(RangeLedger, NoAnswerOrNoRightEndsTheTickAndChangesNothing)
{
    for (bool const credentials : {false, true}) {
        RangeLedger ledger;
        ledger.add_group("a", 3);
        auto answer = outcome(credentials ? PandaOutcome::refused : PandaOutcome::later);
        answer.judgement.credentials = credentials;
        auto const effects = ledger.on_answer(fill(ledger), answer, panda_id);
        EXPECT_TRUE(effects.stop);
        EXPECT_EQ(ledger.open_count(), 3u);
        EXPECT_TRUE(ledger.next_open(0));
    }
}

}  // namespace
}  // namespace yoda
