// SPDX-License-Identifier: Apache-2.0
// The interface to a batch system. Slurm and PBS are asked by their
// commands; `local` runs processes on this machine.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "harvest/batch/base/batch_job.hpp"
#include "sys/base/clock.hpp"

namespace yoda {

struct SubmitOutcome {
    std::string job_id;    ///< not empty: the system has it
    std::string cluster;   ///< Slurm with --clusters: the one that took it
    bool refused = false;  ///< the system said no: there is no such job
    std::string why;       ///< refused, or no answer: in its own words
};

/// What a system that answered says of a job.
struct JobAnswer {
    std::optional<BatchJob> job;  ///< none: it lists none of that name, which alone proves nothing
    bool gone = false;            ///< it said of the job's number that there is no such job
};

class BatchSystem {
  public:
    virtual ~BatchSystem() = default;
    /// Error: the system cannot be asked at all (no program); nothing was submitted. A missing answer is
    /// not an error: job_id is empty, `refused` is false, and only find() can tell.
    virtual Result<SubmitOutcome> submit(std::string const& job_file, std::string const& name) = 0;
    /// The job of that name; one with our number and another name is not ours. Error: no answer, or one that
    /// makes no sense; nothing may be concluded.
    virtual Result<JobAnswer> find(JobRef const& ref) = 0;
    /// Asks the system to end a job that find() has just told of, so that its name has been compared. A job
    /// that has ended already is not an error.
    virtual Status cancel(BatchJob const& job) = 0;
    /// Nodes that are idle now; 0: not known. `clusters`: as in JobRef.
    virtual std::uint64_t idle_node_count(std::string const& partition, std::string const& clusters) = 0;
};

std::unique_ptr<BatchSystem> make_batch_system(BatchKind kind, Duration command_limit, Clock const& clock);
std::unique_ptr<BatchSystem> make_slurm(Duration command_limit, Clock const& clock);
std::unique_ptr<BatchSystem> make_pbs(Duration command_limit, Clock const& clock);
std::unique_ptr<BatchSystem> make_local_batch(Clock const& clock);

}  // namespace yoda
