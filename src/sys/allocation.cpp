#include "sys/allocation.hpp"

#include <cstdlib>

namespace yoda {

namespace {

std::int64_t number_of(char const* name)
{
    char const* const text = std::getenv(name);
    return text ? std::strtoll(text, nullptr, 10) : 0;
}

}  // namespace

Allocation read_allocation()
{
    Allocation allocation;
    if (char const* const job = std::getenv("SLURM_JOB_ID")) {
        allocation.batch_job = std::string("slurm ") + job;
        allocation.end_unix_s = number_of("SLURM_JOB_END_TIME");
        allocation.begin_unix_s = number_of("SLURM_JOB_START_TIME");
        allocation.node_count = static_cast<unsigned>(number_of("SLURM_JOB_NUM_NODES"));
    } else if (char const* const pbs = std::getenv("PBS_JOBID")) {
        allocation.batch_job = std::string("pbs ") + pbs;
    }
    if (auto const end = number_of("YODA_END_TIME"); end > 0) allocation.end_unix_s = end;
    return allocation;
}

}  // namespace yoda
