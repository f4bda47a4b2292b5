// SPDX-License-Identifier: Apache-2.0
#include "sys/process/environment.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>

namespace yoda {

namespace {

constexpr std::array prefixes = {
    // Open MPI, PRRTE, PMIx
    std::string_view("OMPI_"), std::string_view("ORTE_"), std::string_view("PRTE_"),
    std::string_view("PMIX_"),
    // PMI-1/2, MPICH's Hydra, Intel MPI, MVAPICH, Cray PALS and ALPS
    std::string_view("PMI_"), std::string_view("PMI2_"), std::string_view("HYDRA_"),
    std::string_view("HYDI_"), std::string_view("MPI_LOCAL"), std::string_view("MV2_COMM_"),
    std::string_view("PALS_"), std::string_view("ALPS_APP_"),
    // Slurm: variables of one step (srun), of its PMI servers and of its binding. Where SLURM_STEP_ID is
    // set, Open MPI takes its program for a rank of that step.
    // SLURM_PROCID and its like (below) say which rank.
    std::string_view("SLURM_STEP"), std::string_view("SLURM_PMI"), std::string_view("SLURM_SRUN_"),
    std::string_view("SLURM_CPU_BIND"), std::string_view("SLURM_MEM_BIND")};

constexpr std::array names = {
    std::string_view("SLURM_PROCID"),       std::string_view("SLURM_LOCALID"),
    std::string_view("SLURM_NODEID"),       std::string_view("SLURM_GTIDS"),
    std::string_view("SLURM_TASK_PID"),     std::string_view("SLURM_NTASKS"),
    std::string_view("SLURM_NPROCS"),       std::string_view("SLURM_MPI_TYPE"),
    std::string_view("SLURM_DISTRIBUTION"), std::string_view("SLURM_LAUNCH_NODE_IPADDR"),
    std::string_view("PBS_TASKNUM")};

std::string_view name_of(std::string_view entry)
{
    return entry.substr(0, entry.find('='));
}

}  // namespace

std::vector<std::string> current_environment()
{
    std::vector<std::string> environment;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry)
        environment.emplace_back(*entry);
    return environment;
}

bool belongs_to_mpi_launch(std::string_view name)
{
    return std::any_of(prefixes.begin(), prefixes.end(),
                       [&](auto prefix) { return name.starts_with(prefix); }) ||
           std::find(names.begin(), names.end(), name) != names.end();
}

std::vector<std::string> clean_environment(std::vector<std::string> environment)
{
    std::erase_if(environment,
                  [](std::string const& entry) { return belongs_to_mpi_launch(name_of(entry)); });
    return environment;
}

void set_variable(std::vector<std::string>& environment, std::string_view name, std::string_view value)
{
    std::erase_if(environment, [&](std::string const& entry) { return name_of(entry) == name; });
    environment.push_back(std::string(name) + "=" + std::string(value));
}

}  // namespace yoda
