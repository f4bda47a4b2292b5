// What Slurm's commands print, as values. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "harvest/batch/batch_job.hpp"

namespace yoda {

/// For squeue -h -t all -o; one line a job, reason last because it may hold anything.
inline constexpr std::string_view squeue_format = "%i|%j|%T|%r";
/// For sacct -n -X -P -o; likewise.
inline constexpr std::string_view sacct_format = "JobID,JobName,State,Reason";

/// PENDING, RUNNING, "CANCELLED by 0", TIMEOUT, ... nullopt: a word that no Slurm up to 24 has.
std::optional<BatchState> parse_slurm_state(std::string_view word);

/// The job's id from `sbatch --parsable`: "77" or "77;cluster". Error: no id is there.
Result<std::string> parse_sbatch(std::string_view text);
/// Jobs from squeue or sacct in the formats above. Error: a line that is none, or an unknown state: then
/// nothing may be concluded from the answer.
Result<std::vector<BatchJob>> parse_slurm_jobs(std::string_view text);

/// Whether sbatch, failing with these words, may have made a job all the same. False only where Slurm itself
/// answered no, or sbatch never asked.
bool may_have_submitted(std::string_view sbatch_error);

}  // namespace yoda
