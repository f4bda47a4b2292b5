// SPDX-License-Identifier: Apache-2.0
// What rank 0 and the Droids say to each other. Byte format: docs/protocol.md;
// coding: core/messages/codec.hpp. A message is a value; texts and lists in a decoded
// one point into buffers of its FrameReader.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "core/base/types.hpp"
#include "core/table/event_table.hpp"
#include "core/table/range_run.hpp"

namespace yoda {

/// One hand-out of one range.
struct HandOut {
    RangeIndex range = 0;
    std::uint16_t hand_out = 0;
    bool operator==(HandOut const&) const = default;
};

// ---- Droid to Yoda

/// First message of a Droid, and again after Reset.
struct Hello {
    std::string_view host;
    std::uint32_t pid = 0;
    std::uint32_t worker_count = 0;
};

/// `idle_count` workers have nothing to do and nothing is queued.
struct Request {
    std::uint32_t idle_count = 0;
};

struct FinishedEntry {
    RangeIndex range = 0;
    std::uint16_t hand_out = 0;
    std::uint32_t cpu_ms = 0;
    std::uint32_t wall_ms = 0;
    bool operator==(FinishedEntry const&) const = default;
};

/// These ranges' outputs and index entries are synced in this Droid's bundle. `sequence` counts a Droid's
/// Finished messages; Accepted speaks of it.
struct Finished {
    std::uint32_t sequence = 0;
    std::uint32_t bundle_sequence = none;  ///< none: the payload makes no output
    JobIndex job = 0;
    std::span<FinishedEntry const> entries;
};

struct Failed {
    HandOut what;
    FailKind kind = FailKind::failed;
    std::uint16_t error_code = 0;
    std::string_view reason;
};

struct GivenBack {
    std::span<HandOut const> entries;
};

/// What runs now, oldest first; answers AskRunning.
struct RunningEntry {
    HandOut what;
    std::uint32_t age_ms = 0;
    bool operator==(RunningEntry const&) const = default;
};
struct Running {
    std::span<RunningEntry const> entries;
};

struct Heartbeat {
    std::uint32_t queued_count = 0;
    std::uint32_t running_count = 0;
    std::uint32_t worker_count = 0;
    std::uint64_t busy_ms = 0;     ///< worker time with a range in hand, summed over workers, since the start
    std::uint64_t alive_ms = 0;    ///< worker time in all, summed over workers, since the start
    std::uint64_t cpu_ms = 0;      ///< of ranges that finished
    std::uint64_t free_bytes = 0;  ///< on the work folder's disk
};

struct Sealed {
    JobIndex job = 0;
    std::uint32_t bundle_sequence = 0;
    std::uint64_t bytes = 0;
    std::uint32_t entry_count = 0;
};

/// The Droid cannot run this job's payload (any more) and gives its ranges back.
struct Trouble {
    JobIndex job = 0;
    std::uint16_t error_code = 0;
    std::string_view reason;
};

/// All is sealed, nothing is running: the Droid will end now.
struct Goodbye {};

// ---- Yoda to Droid

struct Welcome {
    std::uint16_t node_index = 0;  ///< this Droid among `node_count` on the same host
    std::uint16_t node_count = 1;
};

/// A part of a text that every Droid needs: read once by rank 0 and passed on.
enum class DocumentKind : std::uint8_t { jobs = 0, payload = 1, config = 2 };
struct Document {
    DocumentKind kind = DocumentKind::jobs;
    std::uint32_t total_bytes = 0;
    std::uint32_t offset = 0;
    std::string_view bytes;
};

/// Sent before the first grant that names the file.
struct FileInfo {
    FileIndex file = 0;
    JobIndex job = 0;
    std::int64_t task_id = 0;
    std::int64_t panda_id = 0;
    std::int64_t file_id = 0;
    std::string_view lfn;
    std::string_view guid;
    std::string_view scope;
    std::string_view pfn;
};

struct Grant {
    RangeRun run;
    std::string_view text_id;  ///< the eventRangeID where it is not five integers; then run.count is 1
};

/// All Finished messages up to this sequence are in the journal, but for what Rejected named.
struct Accepted {
    std::uint32_t sequence = 0;
};
struct Rejected {
    std::span<HandOut const> entries;
};

/// Stop these if they run, forget them if they wait.
struct Revoke {
    std::span<HandOut const> entries;
};
/// Give back up to this many that have not started.
struct Recall {
    std::uint32_t count = 0;
};
struct AskRunning {};
/// No range is ready now; some may come.
struct NothingNow {};
/// No range will come any more.
struct NothingEver {};
/// The job has no more ranges for anybody: seal its bundle.
struct SealJob {
    JobIndex job = 0;
};
/// What a Droid must know to start nothing that cannot finish. `none` where there is no
/// limit or no measurement.
struct Limits {
    std::uint32_t time_left_ms = none;   ///< until workers must be done, so that bundles can still be sealed
    std::uint32_t event_time_us = none;  ///< measured upper quantile per event
};
struct YodaAlive {};
/// You were thought dead: drop what is not finished and say Hello again.
struct Reset {};
/// Let running ranges finish until the deadline, give back the rest, seal, say Goodbye.
struct Drain {
    std::uint32_t time_left_ms = 0;
};
/// End now. After Goodbye it is the last word: `everybody_alive` says that
/// MPI_Finalize will not wait for a dead rank.
struct Stop {
    bool everybody_alive = false;
};

// ---- Inputs to the nodes' disks (docs/protocol.md, Staging)

/// From rank 0, before the documents: whom this Droid asks for input files, nearest first. Nobody: it reads
/// the shared filesystem.
struct InputPlace {
    bool same_node = false;  ///< the first one is on this node: its copy will do
    std::span<Rank const> ancestors;
};
/// From Droid to Droid: send me this file from `from` on, up to `upto`; said again with more room as I take
/// it, and as a sign of life. `anew`: forget what I asked for before.
struct InputPull {
    std::uint32_t file = 0;
    bool anew = false;
    std::uint64_t from = 0;  ///< input_end_only: only tell me when you have all of it
    std::uint64_t upto = 0;
};
constexpr std::uint64_t input_end_only = UINT64_MAX;
/// The answer; without bytes: I live, and have no more of it yet.
struct InputPart {
    std::uint32_t file = 0;
    std::uint64_t offset = 0;
    std::string_view bytes;
};
enum class InputWord : std::uint8_t {
    here = 0,     ///< that is all: `total_bytes` with this checksum
    lacking = 1,  ///< this Droid will not have it: ask another one
    bad = 2,      ///< the file itself is not what the job names: nobody will have it
};
struct InputEnd {
    std::uint32_t file = 0;
    InputWord word = InputWord::here;
    std::uint64_t total_bytes = 0;
    std::uint32_t crc32c = 0;
};
/// To rank 0: every input is on the node's disk, or will not be.
struct InputsStaged {
    std::uint32_t file_count = 0;
    std::uint32_t failed_count = 0;  ///< used where they are, on the shared filesystem
    std::uint64_t shared_bytes = 0;  ///< read from there by this Droid
    std::uint64_t passed_bytes = 0;  ///< that came from other Droids
};

using Message = std::variant<Hello, Request, Finished, Failed, GivenBack, Running, Heartbeat, Sealed, Trouble,
                             Goodbye, Welcome, Document, FileInfo, Grant, Accepted, Rejected, Revoke, Recall,
                             AskRunning, NothingNow, NothingEver, SealJob, Limits, YodaAlive, Reset, Drain,
                             Stop, InputPlace, InputPull, InputPart, InputEnd, InputsStaged>;

}  // namespace yoda
