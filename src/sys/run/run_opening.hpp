// SPDX-License-Identifier: Apache-2.0
// Opens a run folder: reads the checkpoint, then the journal, then the bundles. The result is the event table
// and a list of what is damaged.
//
//   look       reads checkpoint and journal: what the run knows. For status and merge
//   check      reads the bundles as well, and says what recovery would do. Changes nothing
//   take_over  repairs the run and begins a new life. The lease must be held
//
// look and check also work while a yoda runs. take_over may be killed anywhere and begun again. First, bytes
// that fail their check are copied to the quarantine. Then bundles that were left open are sealed under names
// of the new life, and their open files go to the quarantine. Last, the caller must write `records` to its
// journal, before any other record.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/base/findings.hpp"
#include "core/base/result.hpp"
#include "core/job/job.hpp"
#include "core/journal/recovery.hpp"
#include "core/table/event_table.hpp"
#include "sys/base/run_folder.hpp"
#include "sys/run/event_file.hpp"

namespace yoda {

enum class OpenMode { look, check, take_over };

struct OpenOptions {
    OpenMode mode = OpenMode::look;
    TablePolicy policy;
    Life newest_life = 0;        ///< take_over: that the caller knows of (from the lease)
    std::int64_t unix_s = 0;     ///< take_over: for the manifests of sealed copies
    bool rebuild_state = false;  ///< take_over: a state.h5 that cannot be used is made anew from the rest
    bool read_data = false;      ///< check, take_over: reads all bundles whole, which may take long
};

struct OpenedRun {
    EventTable table = EventTable();  ///< take_over: ready to dispatch in life `life`
    EventFileInfo info;
    std::vector<Job> jobs;
    Life life = 0;  ///< take_over: the new one; else the last one, 0 if there was none
    std::uint64_t next_sequence = 1;
    bool closed = false;  ///< the journal says that no more ranges will come
    std::set<std::string> applied_notes;
    std::map<RangeIndex, std::string> failure_reasons;
    RangeIndex event_file_rows = 0;  ///< ranges that events.h5 has; more were added if the table is larger
    /// The journal is damaged, or state.h5 was made anew: a checkpoint soon saves the next life from that.
    bool wants_checkpoint = false;
    RecoveryRecords records;  ///< take_over: to be written first
    Findings findings;
    std::uint64_t record_count = 0;  ///< replayed
    std::uint64_t bundle_count = 0;  ///< found
};

/// Whether it looks like a run folder. Error: which part it lacks.
Status check_run_folder(RunFolder const& run);

/// Errors: not a run folder; half-made; job.json, events.h5 or state.h5 missing, damaged, of another version
/// or of another run; a journal of another run or of another format; take_over: a read-only folder, a full
/// disk. Then take_over has lost nothing and may be tried again.
Result<OpenedRun> open_run(RunFolder const& run, OpenOptions const& options);

/// What take_over found, made durable by itself: records in a segment of the new life, a checkpoint, and the
/// segments that it includes go. For harvest recover and the end of a life; a yoda that begins writes the
/// records to its own journal.
Status save_recovery(RunFolder const& run, OpenedRun const& opened, std::int64_t unix_s,
                     std::string_view host);

}  // namespace yoda
