// SPDX-License-Identifier: Apache-2.0
// What the next job would do first, done by harvest when no job will come: a job that was killed after the
// last range had ended leaves its bundles open, and only sealed ones go to a store.
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
