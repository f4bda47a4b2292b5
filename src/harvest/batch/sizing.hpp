// SPDX-License-Identifier: Apache-2.0
// How many nodes for how long: from what is left of a run, measured times and a site's limits. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/result.hpp"

namespace yoda {

struct SizingFacts {
    std::uint64_t range_count = 0;      ///< not ended yet
    double range_s = 0;                 ///< mean time of one range on one core; 0: not known
    std::optional<double> range_cap_s;  ///< longest that must fit, if known
    std::uint64_t idle_node_count = 0;  ///< for backfill
};

struct SizingLimits {
    std::uint64_t nodes_min = 1;
    std::uint64_t nodes_max = 1;
    std::int64_t walltime_min_s = 600;
    std::int64_t walltime_max_s = 3600;
    std::uint64_t cores_per_node = 1;  ///< workers of one Droid
    std::int64_t overhead_s = 180;     ///< start, drain and sealing: no range runs then
    bool backfill = false;             ///< not more nodes than are idle now
    std::uint64_t nodes_wanted = 0;    ///< given by hand; 0: sized
    std::int64_t walltime_wanted_s = 0;
};

struct JobSize {
    std::uint64_t node_count = 1;
    std::int64_t walltime_s = 0;
    std::string because;  ///< for people
};

/// Errors (usage): nothing left to do; a walltime in which not one range fits; more nodes by hand than there
/// are ranges, or than the site allows.
Result<JobSize> size_job(SizingFacts const& facts, SizingLimits const& limits);

/// "1:30:00"
std::string print_walltime(std::int64_t seconds);

}  // namespace yoda
