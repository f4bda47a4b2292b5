// SPDX-License-Identifier: Apache-2.0
// Carries out what core/journal/recovery plans: seals copies of bundles that were left open, sets aside what
// does not count. Never deletes data. Kill it anywhere: the next scan finds either the original, or a sealed
// copy that can take its place, or both.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/base/findings.hpp"
#include "core/base/result.hpp"
#include "core/job/job.hpp"
#include "core/journal/recovery.hpp"
#include "core/table/event_table.hpp"
#include "sys/base/run_folder.hpp"
#include "sys/run/bundle_scan.hpp"

namespace yoda {

struct RepairFacts {
    Life life = 0;  ///< that the copies are named after
    std::span<Job const> jobs;
    std::int64_t unix_s = 0;
};

/// Finishes the reconciled table: what turns out damaged while it is copied is lost. Returns the records that
/// say all that recovery did; until they are in the journal, the next recovery would do the same again.
/// Errors: a full, read-only or broken disk.
Result<RecoveryRecords> repair_bundles(RunFolder const& run, EventTable& table, BundleScan const& scan,
                                       Reconciled reconciled, RepairFacts const& facts, Findings& findings);

/// Moves a file to the quarantine under its name, or with a number behind it if that is taken.
Status set_aside(RunFolder const& run, std::string const& path);

}  // namespace yoda
