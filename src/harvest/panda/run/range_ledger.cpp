// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/run/range_ledger.hpp"

#include <algorithm>

#include "core/base/check.hpp"

namespace yoda {

namespace {

/// What PanDA stores as fatal it stores under an id with attempt number 1.
std::string id_when_fatal(std::string_view id)
{
    auto parsed = RangeId::parse(id);
    if (!parsed) return {};
    parsed->attempt = 1;
    return parsed->text();
}

}  // namespace

void add_to_spans(RangeSpans& spans, std::uint32_t index)
{
    auto at = std::upper_bound(spans.begin(), spans.end(), index,
                               [](std::uint32_t value, auto const& span) { return value < span.first; });
    if (at != spans.begin() && index < std::prev(at)->second) return;
    bool const joins_left = at != spans.begin() && std::prev(at)->second == index;
    bool const joins_right = at != spans.end() && at->first == index + 1;
    if (joins_left && joins_right) {
        std::prev(at)->second = at->second;
        spans.erase(at);
    } else if (joins_left) {
        ++std::prev(at)->second;
    } else if (joins_right) {
        at->first = index;
    } else {
        spans.insert(at, {index, index + 1});
    }
}

std::uint32_t count_of(RangeSpans const& spans)
{
    std::uint32_t count = 0;
    for (auto const& [first, second] : spans) count += second - first;
    return count;
}

RangeStanding standing_of(std::string_view status_name)
{
    if (status_name == "finished" || status_name == "done" || status_name == "merged")
        return RangeStanding::finished;
    if (status_name == "failed" || status_name == "fatal") return RangeStanding::failed;
    if (status_name == "sent" || status_name == "running" || status_name == "ready" ||
        status_name == "reserved_get" || status_name == "reserved_fail")
        return RangeStanding::open;
    return RangeStanding::over;  // cancelled, discarded, corrupted, and what may come
}

RangeLedger::Group RangeLedger::add_group(std::string name, std::uint32_t range_count, RangeSpans settled)
{
    GroupState state;
    state.name = std::move(name);
    state.states.assign(range_count, State::open);
    for (auto const& [first, second] : settled)
        for (auto i = first; i < std::min(second, range_count); ++i) state.states[i] = State::settled;
    state.left = state.sendable =
        static_cast<std::uint32_t>(std::count(state.states.begin(), state.states.end(), State::open));
    open_count_ += state.left;
    groups_.push_back(std::move(state));
    return static_cast<Group>(groups_.size() - 1);
}

std::optional<RangeLedger::Group> RangeLedger::next_open(Group from) const
{
    for (auto i = from; i < groups_.size(); ++i)
        if (groups_[i].sendable > 0) return i;
    return std::nullopt;
}

std::vector<std::uint32_t> RangeLedger::fill(Call& call, Group group) const
{
    std::vector<std::uint32_t> taken;
    auto const& states = groups_[group].states;
    for (std::uint32_t i = 0; i < states.size() && !call.full(); ++i) {
        if (states[i] != State::open) continue;
        call.slots.push_back({group, i});
        taken.push_back(i);
    }
    return taken;
}

void RangeLedger::set(Slot slot, State state)
{
    auto& group = groups_[slot.group];
    auto& current = group.states[slot.index];
    if (current == state) return;
    if (current == State::open) --group.sendable;
    if (current == State::unknown) --group.unknown, --unknown_count_;
    if (current == State::settled) ++group.left, ++open_count_;
    current = state;
    if (state == State::open) ++group.sendable;
    if (state == State::unknown) ++group.unknown, ++unknown_count_;
    if (state == State::settled) --group.left, --open_count_;
}

void RangeLedger::settle(Slot slot, bool accepted, std::string why, Effects& effects)
{
    set(slot, State::settled);
    ++(accepted ? accepted_count_ : refused_count_);
    effects.settled.push_back(slot);
    if (!accepted) effects.refused.push_back({slot, std::move(why)});
}

std::uint8_t& RangeLedger::tries_of(Slot slot)
{
    auto& group = groups_[slot.group];
    if (group.tries.empty()) group.tries.assign(group.states.size(), 0);
    return group.tries[slot.index];
}

/// Whether the job is still there its table says; if it is, the range was refused.
void RangeLedger::doubt(Slot slot)
{
    tries_of(slot) = static_cast<std::uint8_t>(std::min(policy_.tries, 255u));
    set(slot, State::unknown);
}

void RangeLedger::retry(Slot slot, std::string const& why, Effects& effects)
{
    effects.not_stored = true;
    // In company a range is not to blame: only what fails alone is given up.
    if (piece_ == 1) ++tries_of(slot);
    if (tries_of(slot) >= policy_.tries)
        settle(slot, false, why, effects);
    else
        set(slot, State::open);
}

// One bad range rolls a whole call back. Eight times smaller at each failure, twice larger at each success,
// the pieces close in on it in a few calls and are large again behind it.
void RangeLedger::grow()
{
    piece_ = std::min(policy_.call_limit, piece_ * 2);
}
void RangeLedger::end_round(bool not_stored)
{
    not_stored ? shrink() : grow();
}
void RangeLedger::shrink()
{
    piece_ = std::max<std::size_t>(1, piece_ / 8);
}

RangeLedger::Effects RangeLedger::on_answer(Call const& call, RangeUpdatesAnswer const& answer,
                                            std::int64_t panda_id)
{
    Effects effects;
    auto const command = answer.commands.find(panda_id);
    bool const gone = command != answer.commands.end() && command->second.job_gone();
    switch (answer.judgement.outcome) {
        case PandaOutcome::stored: {
            YODA_CHECK(answer.returns.size() == call.slots.size(), "as many results as ranges");
            grow();
            for (std::size_t i = 0; i < call.slots.size(); ++i) {
                switch (answer.returns[i]) {
                    case RangeReturn::accepted:
                        settle(call.slots[i], true, {}, effects);
                        break;
                    case RangeReturn::later:
                        set(call.slots[i], State::deferred);
                        break;
                    case RangeReturn::refused:
                        // The word "tobekilled" alone is a wish; with a refusal the job is no longer there.
                        if (gone)
                            effects.job_gone = true;
                        else if (!answer.names_gone_jobs)
                            doubt(call.slots[i]);
                        else
                            settle(call.slots[i], false, "PanDA refused it", effects);
                        break;
                }
            }
            break;
        }
        case PandaOutcome::unknown:
            for (auto const slot : call.slots) set(slot, State::unknown);
            break;
        case PandaOutcome::refused:
            if (answer.judgement.credentials || answer.judgement.unknown_method) {
                effects.stop = true;
                break;
            }
            if (piece_ > 1 && call.slots.size() > 1) {
                shrink();
            } else {
                piece_ = 1;
                for (auto const slot : call.slots) retry(slot, answer.judgement.why, effects);
            }
            break;
        case PandaOutcome::later:
            effects.stop = true;
            break;
    }
    return effects;
}

std::vector<RangeLedger::Group> RangeLedger::unknown_groups() const
{
    std::vector<Group> groups;
    for (Group i = 0; i < groups_.size(); ++i)
        if (groups_[i].unknown > 0) groups.push_back(i);
    return groups;
}

RangeLedger::Effects RangeLedger::on_statuses(Group group, std::vector<std::string_view> const& ids,
                                              std::vector<bool> const& finished, RangeMap const& standings)
{
    Effects effects;
    auto const count = std::min<std::size_t>(ids.size(), groups_[group].states.size());
    for (std::uint32_t i = 0; i < count; ++i) {
        if (groups_[group].states[i] != State::unknown) continue;
        Slot const slot{group, i};
        auto found = standings.find(ids[i]);
        if (!found && !finished[i]) found = standings.find(id_when_fatal(ids[i]));
        if (!found) {
            settle(slot, false, "PanDA has no such range for this job any more", effects);
            continue;
        }
        switch (static_cast<RangeStanding>(*found)) {
            case RangeStanding::open:
                retry(slot, "PanDA does not store it", effects);
                break;
            case RangeStanding::finished:
                settle(slot, true, {}, effects);
                break;
            case RangeStanding::failed:
                settle(slot, !finished[i], finished[i] ? "PanDA has it as failed" : "", effects);
                break;
            case RangeStanding::over:
                settle(slot, false, "PanDA has cancelled it", effects);
                break;
        }
    }
    return effects;
}

void RangeLedger::reopen(Slot slot)
{
    if (groups_[slot.group].states[slot.index] == State::settled) --accepted_count_;
    set(slot, State::open);
}

}  // namespace yoda
