// A batch system behind four questions. Slurm and PBS by their commands, `local` by processes of this
// machine.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "core/time.hpp"
#include "harvest/batch/batch_job.hpp"
#include "sys/clock.hpp"

namespace yoda {

struct SubmitOutcome {
    std::string job_id;    ///< not empty: the system has it
    bool refused = false;  ///< the system said no: there is no such job
    std::string why;       ///< refused, or no answer: in its own words
};

class BatchSystem {
  public:
    virtual ~BatchSystem() = default;
    /// Error: the system cannot be asked at all (no program); nothing was submitted. No answer is no error:
    /// job_id is empty and `refused` false, and only find() can tell.
    virtual Result<SubmitOutcome> submit(std::string const& job_file, std::string const& name) = 0;
    /// The newest job of that name (or id, if known); nullopt: the system answered that it has none. Error:
    /// no answer, or one that makes no sense; nothing may be concluded.
    virtual Result<std::optional<BatchJob>> find(std::string const& name, std::string const& job_id) = 0;
    /// Asks the system to end it; a job that has ended already is no error.
    virtual Status cancel(std::string const& job_id) = 0;
    /// Nodes that are idle now; 0: not known.
    virtual std::uint64_t idle_node_count(std::string const& partition) = 0;
};

std::unique_ptr<BatchSystem> make_batch_system(BatchKind kind, Duration command_limit, Clock const& clock);
std::unique_ptr<BatchSystem> make_slurm(Duration command_limit, Clock const& clock);
std::unique_ptr<BatchSystem> make_pbs(Duration command_limit, Clock const& clock);
std::unique_ptr<BatchSystem> make_local_batch(Clock const& clock);

}  // namespace yoda
