// SPDX-License-Identifier: Apache-2.0
// How many ranges to ask for, job by job: an even share for every job, and never more than the allocation can
// do. A short answer does not mean that the job has no more ranges; only an empty one does. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace yoda {

/// What the batch job will have.
struct JobCapacity {
    double walltime_s = 0;
    double overhead_s = 0;  ///< start-up, sealing, the last uploads: not for events
    std::int64_t node_count = 1;
    std::int64_t cores_per_node = 1;
    double seconds_per_event = 0;  ///< on one core; measured before, or configured
};
/// Events that fit; nullopt when it does not say (no time per event or no walltime).
std::optional<std::int64_t> count_events_that_fit(JobCapacity const& capacity);

struct FetchLimits {
    std::optional<std::int64_t> event_count;
    std::optional<std::int64_t> range_count;
    std::int64_t chunk = 10'000;  ///< ranges in one request
    double events_per_range = 0;  ///< known from before; 0: not known, the first few ranges tell
};

class FetchPlan {
  public:
    FetchPlan(FetchLimits limits, std::size_t job_count) : limits_(limits), jobs_(job_count) {}

    struct Next {
        std::size_t job = 0;
        std::int64_t range_count = 0;
    };
    /// nullopt: enough, or nobody has more.
    std::optional<Next> next() const;
    /// Also for what an earlier life of the fetch got. No ranges means that the job has no more.
    void on_ranges(std::size_t job, std::int64_t ranges, std::int64_t events);
    /// No answer, or no for good: not asked again in this plan.
    void on_stop(std::size_t job) { jobs_[job].open = false; }
    /// An answer of so many ranges was lost: they may be ours all the same.
    void on_lost(std::size_t job, std::int64_t ranges) { jobs_[job].lost += ranges; }

    bool is_empty(std::size_t job) const { return jobs_[job].empty; }
    std::int64_t range_count() const;
    std::int64_t event_count() const;

  private:
    struct JobShare {
        std::int64_t ranges = 0;
        std::int64_t events = 0;
        std::int64_t lost = 0;
        bool open = true;
        bool empty = false;  ///< PanDA said that there is no more
    };
    FetchLimits limits_;
    std::vector<JobShare> jobs_;
    double largest_range_ = 0;  ///< events of a range, the mean of the answer where it was largest
};

}  // namespace yoda
