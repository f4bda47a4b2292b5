// SPDX-License-Identifier: Apache-2.0
// How a Droid treats its jobs' payloads, and itself.
#pragma once

#include <cstdint>

#include "core/base/time.hpp"

namespace yoda {

/// How a job's payload wants to be treated.
struct JobPolicy {
    bool null_payload = false;  ///< ranges finish as they come: measures dispatch
    /// False: an unanswered request holds back outputs (AthenaMP), so the request gets the end word.
    bool requests_wait = true;
    bool fixed_workers = false;  ///< the number of workers is fixed when the payload starts
    Duration finalisation{0};    ///< after its last range, till its last output is there
    bool has_output = true;
    Duration range_limit = Duration::max();  ///< a range running longer is killed and has failed
};

struct DroidPolicy {
    std::uint32_t worker_count = 1;
    std::uint64_t bundle_limit_bytes = 1ull << 30;
    Duration bundle_limit_age = Duration::from_s(7200);
    Duration heartbeat = Duration::from_s(5);
    Duration silence = Duration::from_s(120);  ///< of rank 0
    unsigned payload_starts = 5;  ///< in a row without a finished range, then the job is given up here
    /// So long without enough disk space to start anything, and with nothing running that could free some:
    /// the jobs are given up here, others do them.
    Duration pause_limit = Duration::from_s(600);
};

}  // namespace yoda
