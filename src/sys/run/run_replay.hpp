// SPDX-License-Identifier: Apache-2.0
// The journal of a run onto the table of its checkpoint: all segments in
// order, through torn ends and damaged blocks.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "core/base/findings.hpp"
#include "core/base/result.hpp"
#include "core/table/event_table.hpp"
#include "sys/base/run_folder.hpp"
#include "sys/run/event_file.hpp"

namespace yoda {

struct ReplayedJournal {
    Life life = 0;
    std::uint64_t next_sequence = 1;
    bool closed = false;
    std::set<std::string> applied_notes;
    std::map<RangeIndex, std::string> failure_reasons;
    std::uint64_t record_count = 0;
    bool incomplete = false;  ///< bundles may hold what the table does not know
    Findings findings;
};

/// With `repair` bytes that do not check are copied to the quarantine, and what was read is synced first (a
/// process that was killed may not have done that). Errors: a segment cannot be opened or read, or has frames
/// of another format.
Status replay_journal(RunFolder const& run, bool repair, CheckpointInfo const& checkpoint, EventTable& table,
                      ReplayedJournal& replayed);

}  // namespace yoda
