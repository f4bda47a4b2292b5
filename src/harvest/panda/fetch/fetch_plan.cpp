// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/fetch/fetch_plan.hpp"

#include <algorithm>
#include <cmath>

namespace yoda {

namespace {

constexpr std::int64_t trusted_sample = 100;

}  // namespace

std::optional<std::int64_t> count_events_that_fit(JobCapacity const& capacity)
{
    if (!(capacity.seconds_per_event > 0) || !(capacity.walltime_s > 0)) return std::nullopt;
    double const time_s = std::max(0.0, capacity.walltime_s - capacity.overhead_s);
    // An event is not split over cores: each core does a whole number of them.
    double const each = std::floor(time_s / capacity.seconds_per_event);
    double const all =
        each * static_cast<double>(capacity.node_count) * static_cast<double>(capacity.cores_per_node);
    return static_cast<std::int64_t>(std::min(all, 9e15));
}

std::int64_t FetchPlan::range_count() const
{
    std::int64_t count = 0;
    for (auto const& job : jobs_) count += job.ranges;
    return count;
}

std::int64_t FetchPlan::event_count() const
{
    std::int64_t count = 0;
    for (auto const& job : jobs_) count += job.events;
    return count;
}

void FetchPlan::on_ranges(std::size_t job, std::int64_t ranges, std::int64_t events)
{
    auto& share = jobs_[job];
    share.ranges += ranges;
    share.events += events;
    if (ranges > 0)
        largest_range_ = std::max(largest_range_, static_cast<double>(events) / static_cast<double>(ranges));
    if (ranges == 0) {
        share.open = false;
        share.empty = true;
    }
}

std::optional<FetchPlan::Next> FetchPlan::next() const
{
    std::size_t best = jobs_.size();
    std::int64_t open_count = 0;
    std::int64_t closed_ranges = 0;
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
        auto const held = jobs_[i].ranges + jobs_[i].lost;
        if (!jobs_[i].open) {
            closed_ranges += held;
            continue;
        }
        ++open_count;
        if (best == jobs_.size() || held < jobs_[best].ranges + jobs_[best].lost) best = i;
    }
    if (open_count == 0) return std::nullopt;
    std::int64_t wanted = limits_.range_count.value_or(INT64_MAX);
    auto const ranges = range_count();
    auto const events = event_count();
    if (limits_.event_count) {
        // Ranges differ: what is left is counted in events, and in ranges as large as any seen.
        auto const left = *limits_.event_count - events;
        if (left <= 0) return std::nullopt;
        auto const size = std::max({largest_range_, limits_.events_per_range, 1e-9});
        bool const know_size = ranges > 0 || limits_.events_per_range > 0;
        double const fit = std::floor(static_cast<double>(left) / (know_size ? size : 1));
        wanted = std::min(wanted, ranges + static_cast<std::int64_t>(std::min(fit, 9e15)));
    }
    // The jobs that are still asked share what the others left.
    auto const share = std::max<std::int64_t>(0, wanted - closed_ranges);
    auto const held = jobs_[best].ranges + jobs_[best].lost;
    auto count = share == INT64_MAX ? INT64_MAX : (share + open_count - 1) / open_count - held;
    std::int64_t all_held = 0;
    for (auto const& job : jobs_) all_held += job.ranges + job.lost;
    if (wanted != INT64_MAX) count = std::min(count, wanted - all_held);
    count = std::min(count, limits_.chunk);
    // One, ten, a hundred: what a few ranges have says little about many.
    if (limits_.event_count && limits_.events_per_range <= 0 && ranges < trusted_sample)
        count = std::min(count, std::max<std::int64_t>(1, 10 * ranges));
    if (count <= 0) return std::nullopt;
    return Next{best, count};
}

}  // namespace yoda
