// SPDX-License-Identifier: Apache-2.0
// The dispatcher's inputs and what each of them sets going.
#include "yoda/dispatcher.hpp"

#include <algorithm>

namespace yoda {

namespace {

constexpr Duration limits_interval = Duration::from_s(5);

}  // namespace

Dispatcher::Dispatcher(EventTable table, std::vector<std::int64_t> panda_ids, std::uint32_t rank_count,
                       DispatchPolicy policy)
    : table_(std::move(table)), panda_ids_(std::move(panda_ids)), policy_(policy), droids_(rank_count)
{
    for (auto& droid : droids_) droid.last_heard = policy_.begin;
    waited_for_count_ = rank_count - 1;
    job_sealed_.resize(panda_ids_.size());
    held_jobs_.resize(panda_ids_.size());
    limits_sent_ = policy_.begin;
    next_help_ = policy_.begin;
}

void Dispatcher::on_message(TimePoint now, Rank from, FrameHeader const& header, Message const& message,
                            DispatcherEffects& effects)
{
    YODA_CHECK(from > 0 && from < droids_.size(), "messages come from Droid ranks only");
    auto& droid = droids_[from];
    // A Droid of an older life: nothing of what it made counts, and an answer would reach the Droid that has
    // its rank now, to which the same sequences and hand-outs mean its own work.
    if (header.life != table_.life()) return;
    droid.last_heard = now;
    bool const is_goodbye = std::holds_alternative<Goodbye>(message);
    if (droid.state == DroidState::lost && !is_goodbye) {
        // It was only silent: it starts anew, but what it finished may count.
        set_state(droid, DroidState::resetting);
        ++droid.generation;
        effects.send(from, Reset{});
        effects.note("droid_back", from, 0, "it was silent and speaks again");
    }
    if (header.generation != droid.generation) {
        // What it held was taken back when it was given up; what is on its disk, and that it ends, is a fact.
        bool const is_fact = is_goodbye || std::holds_alternative<Finished>(message) ||
                             std::holds_alternative<Sealed>(message);
        if (!is_fact) return;
    }
    std::visit(
        [&](auto const& m) {
            if constexpr (requires { this->handle(now, from, m, effects); })
                this->handle(now, from, m, effects);
        },
        message);
}

void Dispatcher::on_deaf(TimePoint now)
{
    for (auto& droid : droids_) droid.last_heard = std::max(droid.last_heard, now);
}

void Dispatcher::on_tick(TimePoint now, DispatcherEffects& effects)
{
    for (Rank rank = 1; rank < droids_.size(); ++rank) {
        auto const state = droids_[rank].state;
        bool const waited_for =
            state == DroidState::absent || state == DroidState::alive || state == DroidState::resetting;
        if (waited_for && now - droids_[rank].last_heard > policy_.silence)
            lose_droid(rank, state == DroidState::absent ? "it never spoke" : "it fell silent", effects);
    }
    if (!draining_ && !finishing_ && policy_.end != TimePoint::never() && !may_start(now))
        on_drain(now, policy_.end, "the allocation ends", effects);
    if (now - limits_sent_ > limits_interval && policy_.end != TimePoint::never()) {
        limits_sent_ = now;
        for (Rank rank = 1; rank < droids_.size(); ++rank) {
            if (is_working(rank)) send_limits(now, rank, effects);
        }
    }
    on_batch_end(now, effects);
}

void Dispatcher::on_batch_end(TimePoint now, DispatcherEffects& effects)
{
    if (ready_grew_) {
        ready_grew_ = false;
        for (Rank rank = 1; rank < droids_.size(); ++rank) {
            if (is_working(rank)) make_hungry(rank);
        }
    }
    // Idle workers first: what was recalled for them must not go back to where it came from.
    for (bool const idle : {true, false}) {
        for (Rank const rank : hungry_) {
            auto& droid = droids_[rank];
            if (!droid.hungry || (idle && droid.idle_count == 0)) continue;
            droid.hungry = false;
            feed(now, rank, effects);
        }
    }
    hungry_.clear();
    help_idle(now, effects);
    check_end(now, effects);
}

}  // namespace yoda
