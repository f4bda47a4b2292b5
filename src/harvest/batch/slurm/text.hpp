// SPDX-License-Identifier: Apache-2.0
// What Slurm's commands print, as values. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "harvest/batch/base/batch_job.hpp"

namespace yoda {

/// For squeue -h -t all -o; one line a job, reason last because it may hold anything.
inline constexpr std::string_view squeue_format = "%i|%j|%T|%r";
/// For sacct -n -X -P -o; likewise.
inline constexpr std::string_view sacct_format = "JobID,JobName,State,Reason";

/// PENDING, RUNNING, "CANCELLED by 0", TIMEOUT, ... nullopt: a word that no Slurm up to 24 has.
std::optional<BatchState> parse_slurm_state(std::string_view word);

struct SubmittedJob {
    std::string id;
    std::string cluster;  ///< only with --clusters
    bool operator==(SubmittedJob const&) const = default;
};
/// From `sbatch --parsable`: "77" or "77;cluster". Error: no id is there.
Result<SubmittedJob> parse_sbatch(std::string_view text);

/// The value of --clusters (-M) in option lines for sbatch, the last one if there are several; empty: none.
std::string clusters_in_options(std::vector<std::string> const& options);
/// "a,b" in parts; one empty part for no cluster: then the commands are asked without -M.
std::vector<std::string> split_clusters(std::string_view clusters);
/// Jobs from squeue or sacct in the formats above. Error: a line that is none, or an unknown state: then
/// nothing may be concluded from the answer.
Result<std::vector<BatchJob>> parse_slurm_jobs(std::string_view text);

/// Whether sbatch, failing with these words, may have made a job all the same. False only where Slurm itself
/// answered no, or sbatch never asked.
bool may_have_submitted(std::string_view sbatch_error);

}  // namespace yoda
