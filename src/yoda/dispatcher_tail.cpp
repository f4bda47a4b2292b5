// SPDX-License-Identifier: Apache-2.0
// The dispatcher: the tail. When there is nothing left to hand out, idle workers get what waits elsewhere
// (recall), then second copies of what has been running longest.
#include "yoda/dispatcher.hpp"

#include <algorithm>

namespace yoda {

namespace {

constexpr Duration help_interval = Duration::from_ms(20);
constexpr Duration ask_again = Duration::from_s(1);
constexpr std::size_t max_oldest = 1u << 20;
constexpr double hopeless_factor = 1.5;  ///< older copy's age over the younger's
constexpr unsigned most_given_up = 6;    ///< copies of one range
constexpr std::size_t many_copies = 1u << 16;

}  // namespace

void Dispatcher::handle(TimePoint, Rank from, Running const& running, DispatcherEffects&)
{
    for (auto const& entry : running.entries) {
        if (oldest_.size() < max_oldest) oldest_.push_back({entry.what, from, entry.age_ms});
    }
}

void Dispatcher::help_idle(TimePoint now, DispatcherEffects& effects)
{
    if (draining_ || finishing_ || now < next_help_ || table_.counts()[1] == 0 || !may_start(now)) return;
    next_help_ = now + help_interval;
    std::uint32_t idle = 0;
    std::uint32_t idle_for_all = 0;  // Of Droids that can run every job: what is recalled will suit them.
    for (auto const& droid : droids_) {
        if (droid.state != DroidState::alive || !droid.told_nothing) continue;
        idle += droid.idle_count;
        if (droid.blocked_jobs.empty()) idle_for_all += droid.idle_count;
    }
    if (idle == 0) {
        oldest_.clear();
        return;
    }
    recall_queued(now, idle_for_all, effects);
    if (policy_.second_copies) copy_oldest(now, effects);
}

/// Unstarted ranges come back from the longest queues, as many as there are idle workers elsewhere.
void Dispatcher::recall_queued(TimePoint now, std::uint32_t wanted, DispatcherEffects& effects)
{
    std::vector<std::pair<std::uint32_t, Rank>> queues;
    for (Rank rank = 1; rank < droids_.size(); ++rank) {
        auto const& droid = droids_[rank];
        bool const asked = droid.recalled.ns != 0 && now - droid.recalled < ask_again;
        if (droid.state == DroidState::alive && !asked && droid.outstanding_count > droid.worker_count)
            queues.push_back({droid.outstanding_count - droid.worker_count, rank});
    }
    std::sort(queues.begin(), queues.end(), std::greater<>());
    for (auto const& [excess, rank] : queues) {
        if (wanted == 0) break;
        auto const count = std::min(wanted, (excess + 1) / 2);
        droids_[rank].recalled = now;
        effects.send(rank, Recall{count});
        wanted -= count;
    }
}

/// Both copies of a range are slow: which of them makes room for a third; none as long as the younger may yet
/// be done. Each copy gets twice the time of the one before, since the range itself may be long.
std::optional<unsigned> Dispatcher::copy_to_give_up(TimePoint now, OldRange const& younger) const
{
    auto const& row = table_.row(younger.what.range);
    auto const known = older_copies_.find(younger.what.range);
    unsigned const earlier =
        known == older_copies_.end() ? 0 : std::min(known->second.given_up_count, most_given_up);
    auto const patience_us = (slow_event_us() * (row.last - row.first + 1)) << earlier;
    if (younger.age_ms <= patience_us / 1000 || earlier == most_given_up) return std::nullopt;
    if (known == older_copies_.end()) return 1;
    // That the younger has got nowhere near the older's age says that the older is on a slow node, or stuck;
    // else the older will most likely be done first.
    auto const age = Duration::from_ms(younger.age_ms);
    return now - known->second.since > age * hopeless_factor ? 0 : 1;
}

/// Idle workers get a second copy of the ranges that have been running longest elsewhere.
void Dispatcher::copy_oldest(TimePoint now, DispatcherEffects& effects)
{
    for (Rank rank = 1; rank < droids_.size(); ++rank) {
        auto& droid = droids_[rank];
        if (!is_working(rank) || droid.outstanding_count == 0 || now - droid.asked_running < ask_again)
            continue;
        droid.asked_running = now;
        effects.send(rank, AskRunning{});
    }
    if (oldest_.empty()) return;
    std::sort(oldest_.begin(), oldest_.end(),
              [](OldRange const& a, OldRange const& b) { return a.age_ms > b.age_ms; });
    Rank helper = 1;
    for (auto const& old : oldest_) {
        // It may have ended, or been handed out anew, since its Droid told.
        auto const copies = table_.copies(old.what.range);
        if (copies.count == 0) continue;
        auto const last = copies.count - 1;
        if (copies.ranks[last] != old.rank || copies.epochs[last].hand_out() != old.what.hand_out) continue;
        auto const& row = table_.row(old.what.range);
        // A copy pays only if it would probably be done before the first: that one must be slower than usual.
        if (event_times_.count() == 0) continue;
        std::optional<unsigned> given_up;
        if (copies.count == 2) {
            given_up = copy_to_give_up(now, old);
            if (!given_up) continue;
        } else if (old.age_ms <= event_times_.quantile_us(0.5) * (row.last - row.first + 1) / 1000) {
            continue;
        }
        while (helper < droids_.size() && !has_idle(helper)) ++helper;
        if (helper == droids_.size()) break;
        auto const job = table_.job(old.what.range);
        Rank other = helper;
        while (other < droids_.size() &&
               (other == old.rank || other == copies.ranks[0] || !has_idle(other) || is_blocked(other, job)))
            ++other;
        if (other == droids_.size()) continue;
        if (given_up) {
            take_back(copies.ranks[*given_up], old.what.range, copies.epochs[*given_up], effects);
            revoke(copies.ranks[*given_up], old.what.range, copies.epochs[*given_up], effects);
        }
        auto& older = older_copies_[old.what.range];
        if (given_up) ++older.given_up_count;
        if (!given_up || *given_up == 0) older.since = now - Duration::from_ms(old.age_ms);
        runs_.clear();
        if (!table_.copy_out(old.what.range, other, runs_)) continue;
        --droids_[other].idle_count;
        send_runs(other, effects);
        effects.note("second_copy", other, old.what.range, "its first copy has been running for long");
    }
    oldest_.clear();
    if (older_copies_.size() > many_copies)
        std::erase_if(older_copies_, [&](auto const& copy) { return table_.copies(copy.first).count < 2; });
}

}  // namespace yoda
