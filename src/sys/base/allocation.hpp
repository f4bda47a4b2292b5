// SPDX-License-Identifier: Apache-2.0
// What the batch system says about this job: its number, its end, its nodes and its scratch folder.
// All of it is read from the environment, since a command could hang.
#pragma once

#include <cstdint>
#include <string>

namespace yoda {

struct Allocation {
    std::string batch_job;         ///< "slurm 123" or "pbs 4.server"; empty outside
    std::int64_t end_unix_s = 0;   ///< 0: not known
    bool end_is_told = false;      ///< by YODA_END_TIME; Slurm's own variable may be that of an older limit
    std::int64_t walltime_s = 0;   ///< from the job's begin, where only that is told; 0: not known
    std::uint64_t node_count = 0;  ///< 0: not known
    std::string scratch;           ///< node-local folder of this job; empty: none is told
};

/// Slurm: SLURM_JOB_ID, SLURM_JOB_END_TIME, SLURM_JOB_NUM_NODES. PBS: PBS_JOBID, PBS_NODEFILE (or Torque's
/// PBS_NUM_NODES), Torque's PBS_WALLTIME; OpenPBS and PBS Pro tell no end, so our job script asks qstat and
/// sets YODA_END_TIME (unix seconds), which goes before all. Scratch: SLURM_TMPDIR, BB_JOB_LOCAL (a Cray's
/// burst buffer), DW_JOB_PRIVATE (DataWarp), TMPDIR (PBS makes one for each job).
Allocation read_allocation();

}  // namespace yoda
