// SPDX-License-Identifier: Apache-2.0
// What this node gives a Droid: the cores it may really use (hwloc's topology, cut by the inherited binding
// and the cgroup's CPU quota), split among the Droids of one node; a work folder of its own.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/types.hpp"

namespace yoda {

struct NodeCores {
    /// The processing units (Linux CPU numbers) of each usable core.
    std::vector<std::vector<unsigned>> cores;
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

/// PARENT/yoda_droid_<host>_<rank>_<pid>.
std::string work_folder_path(std::string const& parent, std::string const& host, Rank rank, pid_t pid);

/// Removes the work folders of this host's Droids that died without cleaning up; returns them. Those of other
/// hosts, where the parent is on a shared file system, are none of ours to judge.
std::vector<std::string> remove_stale_work_folders(std::string const& parent, std::string const& host);

}  // namespace yoda
