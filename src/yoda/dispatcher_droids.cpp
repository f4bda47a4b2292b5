// SPDX-License-Identifier: Apache-2.0
// The dispatcher: Droids come, fall silent, come back, and leave.
#include "yoda/dispatcher.hpp"

#include <algorithm>

namespace yoda {

namespace {

constexpr std::uint32_t max_workers = 1u << 16;  ///< a Droid that claims more is taken for one with so many

}  // namespace

std::string_view print_droid_state(DroidState state)
{
    switch (state) {
        case DroidState::absent:
            return "absent";
        case DroidState::alive:
            return "alive";
        case DroidState::lost:
            return "lost";
        case DroidState::resetting:
            return "resetting";
        case DroidState::gone:
            return "gone";
    }
    return "unknown";
}

void Dispatcher::set_state(DroidInfo& droid, DroidState state)
{
    auto const is_waited_for = [](DroidState s) {
        return s == DroidState::absent || s == DroidState::alive || s == DroidState::resetting;
    };
    if (droid.state == DroidState::alive) workers_alive_ -= droid.worker_count;
    if (is_waited_for(droid.state)) --waited_for_count_;
    droid.state = state;
    if (droid.state == DroidState::alive) workers_alive_ += droid.worker_count;
    if (is_waited_for(droid.state)) ++waited_for_count_;
}

void Dispatcher::handle(TimePoint now, Rank from, Hello const& hello, DispatcherEffects& effects)
{
    auto& droid = droids_[from];
    if (droid.state == DroidState::alive || droid.state == DroidState::gone) return;
    droid.host = hello.host;
    droid.worker_count = std::clamp(hello.worker_count, 1u, max_workers);
    set_state(droid, DroidState::alive);
    droid.outstanding_count = 0;
    droid.idle_count = 0;
    droid.told_nothing = false;
    droid.depth = 2 * droid.worker_count;
    droid.rate_since = now;
    effects.note("droid_alive", from, droid.worker_count, droid.host);
    if (finishing_) {
        effects.send(from, NothingEver{});
        return;
    }
    for (JobIndex job = 0; job < held_jobs_.size(); ++job) {
        if (job >= droid.blocked_jobs.size() || !droid.blocked_jobs[job]) held_jobs_[job] = false;
    }
    send_limits(now, from, effects);
    if (draining_) {
        auto const left = std::max<std::int64_t>(0, (worker_deadline() - now).ms());
        effects.send(from, Drain{static_cast<std::uint32_t>(left)});
        return;
    }
    make_hungry(from);
}

void Dispatcher::handle(TimePoint, Rank from, Heartbeat const& heartbeat, DispatcherEffects& effects)
{
    droids_[from].heartbeat = heartbeat;
    effects.send(from, YodaAlive{});
}

void Dispatcher::handle(TimePoint, Rank from, Trouble const& trouble, DispatcherEffects& effects)
{
    if (trouble.job >= panda_ids_.size()) return;
    auto& droid = droids_[from];
    droid.trouble = trouble.reason;
    droid.trouble_code = trouble.error_code;
    droid.blocked_jobs.resize(panda_ids_.size());
    droid.blocked_jobs[trouble.job] = true;
    effects.note("droid_in_trouble", from, trouble.error_code, trouble.reason);
    ready_grew_ = true;
    hold_jobs_nobody_can_run(effects);
}

void Dispatcher::handle(TimePoint, Rank from, Goodbye const&, DispatcherEffects& effects)
{
    auto& droid = droids_[from];
    take_back_all(from, effects);
    set_state(droid, DroidState::gone);
    droid.idle_count = 0;
    effects.note("droid_gone", from, droid.finished_count, "it said goodbye");
    ready_grew_ = true;
    hold_jobs_nobody_can_run(effects);
}

void Dispatcher::on_exit(TimePoint, Rank rank, DispatcherEffects& effects)
{
    auto const state = droids_[rank].state;
    if (state != DroidState::gone && state != DroidState::lost)
        lose_droid(rank, "its process has ended", effects);
}

void Dispatcher::lose_droid(Rank rank, std::string_view why, DispatcherEffects& effects)
{
    auto& droid = droids_[rank];
    auto const held_count = droid.outstanding_count;
    take_back_all(rank, effects);
    set_state(droid, DroidState::lost);
    droid.idle_count = 0;
    effects.note("droid_lost", rank, held_count, why);
    ready_grew_ = true;
    hold_jobs_nobody_can_run(effects);
}

/// Every hand-out that this rank still holds goes back, at no cost.
void Dispatcher::take_back_all(Rank rank, DispatcherEffects& effects)
{
    auto& droid = droids_[rank];
    for (auto const& run : droid.runs) {
        for (RangeIndex range = run.begin; range < run.begin + run.count; ++range) {
            auto const copies = table_.copies(range);
            for (unsigned i = 0; i < copies.count; ++i) {
                if (copies.ranks[i] == rank) take_back(rank, range, copies.epochs[i], effects);
            }
        }
    }
    droid.runs.clear();
    YODA_CHECK(droid.outstanding_count == 0, "what a Droid holds is in its runs");
}

}  // namespace yoda
