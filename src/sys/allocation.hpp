// What the batch system says about this job: until when, on what, where to scratch. Environment only: no
// command that could hang.
#pragma once

#include <cstdint>
#include <string>

namespace yoda {

struct Allocation {
    std::string batch_job;          ///< "slurm 123" or "pbs 4.server"; empty outside
    std::int64_t end_unix_s = 0;    ///< 0: not known
    std::int64_t begin_unix_s = 0;  ///< 0: not known
    unsigned node_count = 0;        ///< 0: not known
};

/// Slurm: SLURM_JOB_ID, SLURM_JOB_END_TIME, SLURM_JOB_START_TIME, SLURM_JOB_NUM_NODES. PBS: PBS_JOBID, and
/// YODA_END_TIME (unix seconds), which our job scripts set where the batch system tells no end.
Allocation read_allocation();

}  // namespace yoda
