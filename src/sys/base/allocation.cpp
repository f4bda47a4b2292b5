// SPDX-License-Identifier: Apache-2.0
#include "sys/base/allocation.hpp"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <sstream>

#include "sys/base/files.hpp"

namespace yoda {

namespace {

constexpr std::uint64_t node_file_limit_bytes = 64u << 20;

std::string text_of(char const* name)
{
    char const* const text = std::getenv(name);
    return text ? text : "";
}

std::int64_t number_of(char const* name)
{
    return std::strtoll(text_of(name).c_str(), nullptr, 10);
}

/// A line for each rank that PBS would start: hosts come several times.
std::uint64_t count_pbs_nodes()
{
    auto const text = read_file(text_of("PBS_NODEFILE"), node_file_limit_bytes);
    if (!text) return static_cast<std::uint64_t>(std::max<std::int64_t>(number_of("PBS_NUM_NODES"), 0));
    std::set<std::string> hosts;
    std::istringstream words(*text);
    for (std::string host; words >> host;) hosts.insert(host);
    return hosts.size();
}

}  // namespace

Allocation read_allocation()
{
    Allocation allocation;
    if (auto const slurm = text_of("SLURM_JOB_ID"); !slurm.empty()) {
        allocation.batch_job = "slurm " + slurm;
        allocation.end_unix_s = number_of("SLURM_JOB_END_TIME");
        allocation.node_count = static_cast<std::uint64_t>(number_of("SLURM_JOB_NUM_NODES"));
    } else if (auto const pbs = text_of("PBS_JOBID"); !pbs.empty()) {
        allocation.batch_job = "pbs " + pbs;
        allocation.walltime_s = number_of("PBS_WALLTIME");
        allocation.node_count = count_pbs_nodes();
    }
    if (auto const end = number_of("YODA_END_TIME"); end > 0) {
        allocation.end_unix_s = end;
        allocation.end_is_told = true;
    }
    for (auto const* const name : {"SLURM_TMPDIR", "BB_JOB_LOCAL", "DW_JOB_PRIVATE", "TMPDIR"})
        if (allocation.scratch.empty()) allocation.scratch = text_of(name);
    return allocation;
}

}  // namespace yoda
