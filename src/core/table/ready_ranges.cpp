// SPDX-License-Identifier: Apache-2.0
#include "core/table/ready_ranges.hpp"

#include <algorithm>

namespace yoda {

namespace {

bool is_in(std::vector<bool> const& jobs, JobIndex job)
{
    return job < jobs.size() && jobs[job];
}

}  // namespace

void ReadyRanges::clear()
{
    files_.clear();
    rings_.clear();
    next_job_ = 0;
}

void ReadyRanges::add(JobIndex job, FileIndex file, RangeInterval interval, bool returned)
{
    if (interval.count == 0) return;
    if (file >= files_.size()) files_.resize(file + 1);
    if (job >= rings_.size()) rings_.resize(job + 1);
    auto& queue = files_[file];
    queue.job = job;
    auto& intervals = queue.intervals;
    if (returned) {
        if (!intervals.empty() && interval.begin + interval.count == intervals.front().begin)
            intervals.front() = {interval.begin, interval.count + intervals.front().count};
        else if (!intervals.empty() && intervals.front().begin + intervals.front().count == interval.begin)
            intervals.front().count += interval.count;
        else
            intervals.push_front(interval);
    } else if (!intervals.empty() && intervals.back().begin + intervals.back().count == interval.begin) {
        intervals.back().count += interval.count;
    } else {
        intervals.push_back(interval);
    }
    if (!queue.waiting) {
        queue.waiting = true;
        rings_[job].push_back(file);
    }
}

/// The next file with ready ranges: of the preferred job, else of the next job that has
/// any; none when nothing is.
FileIndex ReadyRanges::next_file(JobIndex preferred, std::vector<bool> const& blocked)
{
    auto const from_ring = [&](JobIndex job) -> FileIndex {
        if (is_in(blocked, job)) return none;
        auto& ring = rings_[job];
        while (!ring.empty()) {
            FileIndex const file = ring.front();
            ring.pop_front();
            if (files_[file].intervals.empty()) {  // Emptied by somebody who stayed on it.
                files_[file].waiting = false;
                continue;
            }
            ring.push_back(file);
            return file;
        }
        return none;
    };
    if (preferred < rings_.size()) {
        if (FileIndex const file = from_ring(preferred); file != none) return file;
    }
    for (std::size_t i = 0; i < rings_.size(); ++i) {
        next_job_ = static_cast<JobIndex>((next_job_ + 1) % rings_.size());
        if (FileIndex const file = from_ring(next_job_); file != none) return file;
    }
    return none;
}

RangeInterval ReadyRanges::take(FileIndex& file, std::uint32_t max_count, std::vector<bool> const& blocked)
{
    bool const stay =
        file < files_.size() && !files_[file].intervals.empty() && !is_in(blocked, files_[file].job);
    if (!stay) {
        FileIndex const next = next_file(file < files_.size() ? files_[file].job : none, blocked);
        if (next == none) return {};
        file = next;
    }
    auto& intervals = files_[file].intervals;
    auto& front = intervals.front();
    RangeInterval const taken{front.begin, std::min(front.count, max_count)};
    front.begin += taken.count;
    front.count -= taken.count;
    if (front.count == 0) intervals.pop_front();
    return taken;
}

std::vector<RangeInterval> ReadyRanges::drop_job(JobIndex job)
{
    std::vector<RangeInterval> dropped;
    for (auto& queue : files_) {
        if (queue.job != job) continue;
        dropped.insert(dropped.end(), queue.intervals.begin(), queue.intervals.end());
        queue.intervals.clear();
        queue.waiting = false;
    }
    if (job < rings_.size()) rings_[job].clear();
    return dropped;
}

}  // namespace yoda
