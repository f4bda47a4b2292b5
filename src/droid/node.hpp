// What this node gives a Droid: the cores it may really use (hwloc's topology, cut by the inherited binding
// and the cgroup's CPU quota), split among the Droids of one node.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/result.hpp"

namespace yoda {

struct NodeCores {
    std::vector<std::vector<unsigned>>
        cores;                        ///< the processing units (Linux CPU numbers) of each usable core
    unsigned machine_core_count = 0;  ///< cores of the whole machine
    std::string remark;               ///< why they are fewer than the machine has; empty if they are not
};

Result<NodeCores> find_cores();

/// The share of Droid `index` of `count` on this node: contiguous, sizes differing by at most one, at least
/// one core (shared) for each.
std::vector<std::vector<unsigned>> share_cores(std::vector<std::vector<unsigned>> const& cores,
                                               unsigned index, unsigned count);

/// CPUs that the quota of a cgroup v1 or v2 tree below `root` allows this process; 0: no limit found.
double read_cpu_quota(std::string const& root, std::string const& self_cgroup);

}  // namespace yoda
