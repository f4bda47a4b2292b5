// SPDX-License-Identifier: Apache-2.0
// How the batch jobs of a run stand: told by whoever submits them, or read from what
// yoda left in the run folder.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.hpp"
#include "harvest/panda/run/job_record.hpp"
#include "sys/base/run_folder.hpp"
#include "sys/run/run_opening.hpp"

namespace yoda {

struct BatchFacts {
    /// waiting: a batch job is queued, or will be; running; uploading: none will come any more.
    JobPhase phase = JobPhase::waiting;
    std::string batch_id;                 ///< of the first one
    std::int64_t start_unix_s = 0;        ///< the allocation begins ...
    std::int64_t end_unix_s = 0;          ///< ... and ends; 0 while it runs
    std::int64_t first_range_unix_s = 0;  ///< a payload began its first range; 0: none has yet
    std::int64_t node_count = 0;
    std::int64_t core_count = 0;
    std::int64_t cpu_s = 0;
    int error_code = 0;  ///< pilot error for all jobs of the run; 0: none
    std::string error_diag;
    bool operator==(BatchFacts const&) const = default;
};

/// From the lease, status.json and the results of the lives. Without a yoda in the run: waiting while ranges
/// are left, uploading when all have ended and no more can come.
BatchFacts find_batch_facts(std::string const& run, bool all_ended, std::int64_t now_unix_s);

/// Whether no more ranges will come: the run never was open, or yoda has taken the note that says so. Error:
/// a run folder that cannot be read.
Result<bool> is_run_closed(RunFolder const& folder, OpenedRun const& opened);

}  // namespace yoda
