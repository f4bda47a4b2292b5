// SPDX-License-Identifier: Apache-2.0
// The event table on disk, as HDF5 that h5py and h5dump show (docs/event_file.md).
//   RUN/events.h5  what never changes: ids, events, files; written when the run is made or ranges are added.
//                  Shows the columns of state.h5 through external links.
//   RUN/state.h5   what changes: state, tries, winner, bundle, error, CPU and wall time, as of a checkpoint.
// Both are replaced whole (.part, fsync, rename). Nothing in here locks a file.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.hpp"
#include "core/table/event_table.hpp"

namespace yoda {

/// Which table it is.
struct EventFileInfo {
    std::string run_id;           ///< given at random to a run when it is made; keeps files of two runs apart
    std::uint64_t last_note = 0;  ///< ranges of inbox notes up to this number are in the file
    bool operator==(EventFileInfo const&) const = default;
};

/// How far a checkpoint goes.
struct CheckpointInfo {
    std::uint64_t journal_sequence = 0;  ///< last journal record it includes; may include parts of later ones
    Life life = 0;                       ///< life that wrote it; 0: none yet
    bool operator==(CheckpointInfo const&) const = default;
};

struct LoadedTable {
    EventTable table;
    EventFileInfo info;
    CheckpointInfo checkpoint;
};

/// 32 hex digits that no other run has.
std::string make_run_id();

/// Writes events.h5. Memory beside the table: a few MB.
Status write_event_file(std::string const& run, EventTable const& table, EventFileInfo const& info);

/// Writes state.h5 at one go, where nothing runs beside it (a new run, recovery); else see CheckpointWriter.
Status write_state_file(std::string const& run, EventTable const& table, std::string const& run_id,
                        CheckpointInfo const& checkpoint);

/// Reads both files: the table as of the last checkpoint, rebuilt. Ranges that state.h5 does not have yet are
/// ready (they were added, and then no checkpoint came). Errors say which file, what is wrong, what to do:
/// no such file, no HDF5, cut off, other version, missing dataset, columns of different lengths, values out
/// of range, state.h5 of another run or with more ranges than events.h5.
Result<LoadedTable> load_event_file(std::string const& run, TablePolicy policy = {});

}  // namespace yoda
