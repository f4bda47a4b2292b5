// SPDX-License-Identifier: Apache-2.0
// The ready ranges, as intervals by file, so that a Droid stays on the file and in the job it has open.
// Costs a few bytes per interval, nothing per range.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "core/base/types.hpp"

namespace yoda {

struct RangeInterval {
    RangeIndex begin = 0;
    std::uint32_t count = 0;
};

class ReadyRanges {
  public:
    void clear();
    /// `file` belongs to `job`; ranges [begin, begin+count) are ready from now on. New work goes to the end
    /// of the file's queue, work that comes back to its front (it is the oldest).
    void add(JobIndex job, FileIndex file, RangeInterval interval, bool returned);
    /// Takes up to `max_count` consecutive ranges: of `file` while it has some, else of another file of its
    /// job, else of any job not in `blocked`; `file` (none at first) is set to the one taken from. count 0
    /// when nothing is ready.
    RangeInterval take(FileIndex& file, std::uint32_t max_count, std::vector<bool> const& blocked = {});
    /// Forgets all of a job's ready ranges and returns them.
    std::vector<RangeInterval> drop_job(JobIndex job);

  private:
    struct FileQueue {
        JobIndex job = none;
        bool waiting = false;  ///< stands in its job's ring
        std::deque<RangeInterval> intervals;
    };
    FileIndex next_file(JobIndex preferred, std::vector<bool> const& blocked);

    std::vector<FileQueue> files_;
    std::vector<std::deque<FileIndex>> rings_;  ///< by job: files with ready ranges, taken round robin
    JobIndex next_job_ = 0;
};

}  // namespace yoda
