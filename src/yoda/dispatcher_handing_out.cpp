// SPDX-License-Identifier: Apache-2.0
// The dispatcher: how much work a Droid should hold, and handing it out.
#include "yoda/dispatcher.hpp"

#include <algorithm>

namespace yoda {

namespace {

constexpr std::uint32_t max_depth = 1u << 20;

}  // namespace

void Dispatcher::handle(TimePoint now, Rank from, Request const& request, DispatcherEffects&)
{
    auto& droid = droids_[from];
    droid.idle_count = std::min(request.idle_count, droid.worker_count);
    droid.told_nothing = false;
    // It ran dry although it held as much as we thought it needs: let it hold more, but not more than it can
    // work off in two intervals (as far as that has been measured).
    if (droid.outstanding_count == 0 && droid.finished_count > 0) {
        count_rate(droid, now, 0);
        double const cap =
            std::max(2.0 * droid.worker_count, 2 * droid.rate_per_s * policy_.ask_interval.s());
        droid.depth = static_cast<std::uint32_t>(std::min({2.0 * droid.depth, cap, 1.0 * max_depth}));
    }
    make_hungry(from);
}

void Dispatcher::make_hungry(Rank rank)
{
    if (droids_[rank].hungry) return;
    droids_[rank].hungry = true;
    hungry_.push_back(rank);
}

void Dispatcher::count_rate(DroidInfo& droid, TimePoint now, std::uint32_t finished_count)
{
    droid.rate_count += finished_count;
    double const elapsed_s = (now - droid.rate_since).s();
    if (elapsed_s < 0.2) return;
    double const rate = droid.rate_count / elapsed_s;
    droid.rate_per_s = droid.rate_per_s == 0 ? rate : 0.5 * (droid.rate_per_s + rate);
    droid.rate_since = now;
    droid.rate_count = 0;
}

/// How many hand-outs this Droid should hold now.
std::uint32_t Dispatcher::depth_wanted(DroidInfo const& droid, TimePoint) const
{
    if (policy_.batch) return policy_.batch * policy_.window;
    double const by_rate = droid.rate_per_s * policy_.ask_interval.s();
    auto const wanted = static_cast<std::uint32_t>(
        std::clamp<double>(std::max<double>(by_rate, droid.depth), 2.0 * droid.worker_count, max_depth));
    // Near the end everybody takes half of a fair share, so that nobody sits on a long
    // queue when the rest is idle.
    auto const share =
        table_.ready_count() * droid.worker_count / (2 * std::max<std::uint64_t>(1, workers_alive_)) + 1;
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, droid.outstanding_count + share));
}

void Dispatcher::feed(TimePoint now, Rank rank, DispatcherEffects& effects)
{
    auto& droid = droids_[rank];
    if (draining_ || finishing_ || droid.state != DroidState::alive) return;
    auto const depth = depth_wanted(droid, now);
    std::uint32_t room = depth > droid.outstanding_count ? depth - droid.outstanding_count : 0;
    if (policy_.batch)
        room -= room % policy_.batch;
    else if (room < std::max(1u, depth / 4) && droid.outstanding_count >= droid.worker_count &&
             droid.idle_count == 0)
        return;  // Rather a larger grant a little later.
    room = std::max(room, droid.idle_count);
    if (room == 0) return;
    runs_.clear();
    std::uint32_t const handed =
        may_start(now) ? table_.hand_out(rank, droid.file, room, runs_, droid.blocked_jobs) : 0;
    for (RangeIndex const range : table_.take_worn_out()) {
        record_failure(range, "it was handed out 65,535 times in one life", effects);
        seal_if_done(table_.job(range), effects);
    }
    droid.idle_count -= std::min(droid.idle_count, handed);
    if (handed > 0) {
        droid.told_nothing = false;
        send_runs(rank, effects);
    }
    if (droid.idle_count > 0 && !droid.told_nothing) {
        droid.told_nothing = true;
        effects.send(rank, NothingNow{});
    }
}

void Dispatcher::send_runs(Rank rank, DispatcherEffects& effects)
{
    auto& droid = droids_[rank];
    for (auto const& run : runs_) {
        tell_file(droid, rank, run.file, effects);
        bool const text = table_.files()[run.file].text_ids;
        effects.send_grant(rank, run,
                           text ? std::string_view(table_.texts()[run.process_id]) : std::string_view{});
        droid.outstanding_count += run.count;
        droid.runs.push_back({run.begin, run.count});
        usual_events_ = run.events;
    }
    // Forget runs that have ended from the front; what stays is bounded by what it holds.
    while (!droid.runs.empty()) {
        auto& run = droid.runs.front();
        while (run.count > 0) {
            auto const copies = table_.copies(run.begin);
            if ((copies.count > 0 && copies.ranks[0] == rank) ||
                (copies.count > 1 && copies.ranks[1] == rank))
                break;
            ++run.begin;
            --run.count;
        }
        if (run.count > 0) break;
        droid.runs.pop_front();
    }
    if (droid.runs.size() > 64 && droid.runs.size() > 4ull * droid.outstanding_count) {
        // A long range at the front keeps ended ones behind it: sift once.
        std::deque<DroidInfo::HandedRun> kept;
        for (auto const& run : droid.runs) {
            for (RangeIndex range = run.begin; range < run.begin + run.count; ++range) {
                auto const copies = table_.copies(range);
                if ((copies.count > 0 && copies.ranks[0] == rank) ||
                    (copies.count > 1 && copies.ranks[1] == rank))
                    kept.push_back({range, 1});
            }
        }
        droid.runs = std::move(kept);
    }
}

void Dispatcher::tell_file(DroidInfo& droid, Rank rank, FileIndex file, DispatcherEffects& effects)
{
    if (file < droid.known_files.size() && droid.known_files[file]) return;
    if (file >= droid.known_files.size()) droid.known_files.resize(table_.files().size());
    droid.known_files[file] = true;
    auto const& entry = table_.files()[file];
    effects.send(rank, FileInfo{file, entry.job, entry.task_id, entry.panda_id, entry.file_id, entry.lfn,
                                entry.guid, entry.scope, entry.pfn});
}

void Dispatcher::revoke(Rank rank, RangeIndex range, Epoch epoch, DispatcherEffects& effects)
{
    HandOut const what{range, epoch.hand_out()};
    effects.send(rank, Revoke{{&what, 1}});
}

}  // namespace yoda
