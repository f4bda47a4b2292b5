// SPDX-License-Identifier: Apache-2.0
// A payload's environment: what we were given, without what would make it think that
// it is one of our MPI ranks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace yoda {

/// "NAME=value" for everything in this process's environment.
std::vector<std::string> current_environment();

/// Whether an MPI library or a launcher reads this variable to find the job it belongs to:
/// OMPI_*, ORTE_*, PMIX_*, PMI_* (with Hydra's, Cray's and Intel's), and the variables that Slurm
/// sets for one step or task. What describes the batch job as a whole (SLURM_JOB_ID,
/// SLURM_JOB_NODELIST, PBS_JOBID, ...) is none of these.
bool belongs_to_mpi_launch(std::string_view name);

/// Without the variables above.
std::vector<std::string> clean_environment(std::vector<std::string> environment);

/// Replaces or adds one variable.
void set_variable(std::vector<std::string>& environment, std::string_view name, std::string_view value);

}  // namespace yoda
