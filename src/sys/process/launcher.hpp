// SPDX-License-Identifier: Apache-2.0
// What launchers (mpirun, srun, hydra, PALS, flux) tell a process by its environment: that it is one of
// several, and which. Whether MPI found the others is another matter: an MPI that does not speak its
// launcher's language takes each process for a world of its own, without a word.
#pragma once

#include <optional>
#include <string>

namespace yoda {

/// A launcher has left words that MPI may understand: OMPI_COMM_WORLD_SIZE,
/// PMIX_RANK, PMI_RANK, PMI_SIZE, PALS_RANKID.
bool launched_by_mpi();

/// By what the launcher says, as MPI may not have started; a process that nobody launched is the first.
bool is_first_rank();

/// For a process that is alone to MPI: the words that say that it is one of several. Nothing: there are none.
/// OMPI_COMM_WORLD_SIZE and PMI_SIZE are of the launcher that started this very process, so they go before
/// SLURM_STEP_NUM_TASKS, which may be of the step that mpirun's own daemons are.
std::optional<std::string> find_lost_ranks();

}  // namespace yoda
