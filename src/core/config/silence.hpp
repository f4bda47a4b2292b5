// SPDX-License-Identifier: Apache-2.0
// How long a payload may neither speak nor write before it counts as looping, unless configured
// (docs/reference/panda.md §10).
#pragma once

#include <vector>

#include "core/base/time.hpp"
#include "core/job/job.hpp"

namespace yoda {

/// The least of: 12 h for production and 3 h for analysis (prodSourceLabel `user`, or a transformation that
/// is a URL), as the pilot has it; each job's maxCpuCount; a quarter of the walltime. Jobs with loopingCheck
/// off set no limit; if none does, a year.
Duration default_silence(std::vector<Job> const& jobs, Duration walltime);

}  // namespace yoda
