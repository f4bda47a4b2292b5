// SPDX-License-Identifier: Apache-2.0
// Seals bundles that a job left open when it was killed after its last range had ended: only sealed bundles
// go to a store. The next job would do this first; harvest does it when no job will come.
#pragma once

#include <string>

#include "core/base/result.hpp"
#include "sys/base/clock.hpp"

namespace yoda {

/// Takes the run over, repairs it and lets it go: as `harvest recover RUN`. May find ranges that are to be
/// done again. Waits up to a minute when it is not clear whether the last yoda lives. May be killed anywhere.
/// Errors: busy (somebody works on it), a full or read-only disk, a run that cannot be opened.
Status seal_open_bundles(std::string const& run, Clock const& clock);

}  // namespace yoda
