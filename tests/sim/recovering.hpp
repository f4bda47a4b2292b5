// SPDX-License-Identifier: Apache-2.0
// How a life begins: the table out of events.h5, checkpoint and journal, set against
// the bundles that are there. The real replay and reconcile; what sys does around them
// with files is done here on the world's disk.
#pragma once

#include <set>
#include <string>

#include "core/base/findings.hpp"
#include "core/table/event_table.hpp"
#include "disk.hpp"
#include "sim.hpp"

namespace yoda::sim {

struct Recovered {
    EventTable table;
    Life life = 1;  ///< of the life that begins
    std::uint64_t next_sequence = 1;
    bool closed = false;
    bool incomplete = false;  ///< records are missing: bundles may hold what the table does not know
    bool rows_added = false;  ///< the table has rows that events.h5 lacks
    std::set<std::string> applied_notes;
    std::string records;  ///< what recovery did, to be written to the journal first
    Findings findings;
};

/// Thrown when the disk is full or broken: the run cannot be opened now, nothing is lost.
struct CannotOpen {};

/// Reads the table as checkpoint and journal have it; `tail` are frames that are not on the disk yet.
Recovered read_table(Plan const& plan, Disk const& disk, std::string_view tail = {});

/// The whole recovery, which also changes the disk. `who` does it. Throws CannotOpen, and Interrupted.
Recovered recover(Plan const& plan, Disk& disk, ProcessId who);

}  // namespace yoda::sim
