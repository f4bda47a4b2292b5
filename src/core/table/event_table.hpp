// SPDX-License-Identifier: Apache-2.0
// The event table: the only record of who owns which range. A row holds small numbers, 36 bytes a range in
// all; names and paths are stored once for each input file. Pure: no clock, no I/O.
//
//   ready -> sent                        hand_out, copy_out (a second copy of a running range)
//   sent -> finished                     finish: the first one wins, from whichever hand-out of this life
//   sent -> ready                        give_back: owner lost, revoked, drained; never costs a try
//   sent -> ready | failed | fatal       fail: costs a try; failed when none is left; fatal at once
//   ready | sent -> dropped              drop_job
//   finished -> ready                    lose_bundle: only while its bundle is lost and unreported
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "core/table/bundle_index.hpp"
#include "core/table/event_range.hpp"
#include "core/table/range_run.hpp"
#include "core/table/ready_ranges.hpp"

namespace yoda {

using StateCounts = std::array<std::uint64_t, range_state_count>;

/// An input file as one job sees it; ranges whose ids differ in their first three numbers
/// have files of their own.
struct FileEntry {
    JobIndex job = 0;
    std::int64_t task_id = 0;  ///< first three numbers of the eventRangeIDs of this file's ranges
    std::int64_t panda_id = 0;
    std::int64_t file_id = 0;
    bool text_ids = false;  ///< ids are not five integers; they are kept as texts
    std::string lfn;
    std::string guid;
    std::string scope;
    std::string pfn;  ///< absolute path or URL
    bool operator==(FileEntry const&) const = default;
};

/// Constant part of a row (20 bytes, with the winner, which fills a gap).
struct RangeRow {
    std::uint32_t first = 0;       ///< first event, 1-based
    std::uint32_t last = 0;        ///< last event, inclusive
    std::uint32_t process_id = 0;  ///< job_processID; with text_ids: which text
    FileIndex file = 0;
    std::uint16_t attempt = 0;  ///< PanDA's attemptNr of the id, counts down
    std::uint16_t winner = 0;   ///< finished: hand-out whose output counts
};
static_assert(sizeof(RangeRow) == 20);

/// Changing part of a row (16 bytes).
struct RangeProgress {
    RangeState state = RangeState::ready;
    /// Low nibble: tries that the payload burnt; high nibble: payload deaths while the range was in flight.
    std::uint8_t burnt = 0;
    std::uint16_t hand_out = 0;  ///< count of hand-outs in this life; of the winner once finished
    /// Sent: rank of the owner; finished: its bundle (none: no output); else the last error code, or none.
    std::uint32_t holder = none;
    std::uint32_t cpu_ms = 0;
    std::uint32_t wall_ms = 0;
};
static_assert(sizeof(RangeProgress) == 16);

/// A bundle that holds, or held, finished ranges.
struct BundleState {
    BundleOrigin origin;
    /// Life of the hand-outs in the bundle (a copy made by recovery has a later life in its name).
    Life epoch_life = 0;
    bool sealed = false;
    bool lost = false;
    bool operator==(BundleState const&) const = default;
};

/// Why a fail() was what it was.
enum class FailKind : std::uint8_t {
    failed = 0,  ///< the payload failed at this range: one try less
    fatal = 1,   ///< can never work
    /// The whole payload died with this range in flight: the range is suspect; only a repetition costs a try.
    payload_death = 2,
    given_back = 3,  ///< not started, revoked or drained: costs nothing
};

/// What a call did to a range.
enum class Outcome : std::uint8_t {
    accepted,  ///< the table changed as asked
    retried,   ///< a failure; the range is ready again, or a second copy of it still runs
    ended,     ///< a failure that was its last
    ignored,   ///< stale, repeated or unknown: nothing changed
};

struct TablePolicy {
    unsigned tries = 3;           ///< payload failures until `failed`; at most 15
    unsigned payload_deaths = 5;  ///< payload deaths that count as one failure; at most 15
};

class EventTable {
  public:
    explicit EventTable(TablePolicy policy = {}) : policy_(policy) {}

    // Filling. Ranges of one file should come together and in event order.
    FileIndex add_file(FileEntry entry);
    /// Finds or adds the range's file. Errors: events out of order or beyond 32 bits, no id.
    Result<RangeIndex> add_range(JobIndex job, RangeView const& range, std::string_view pfn);
    RangeIndex add_row(RangeRow const& row);
    std::uint32_t add_text(std::string_view id);
    void reserve(std::uint64_t ranges)
    {
        rows_.reserve(ranges);
        progress_.reserve(ranges);
    }
    /// Error naming an eventRangeID that is there twice, if there is one.
    Status check_duplicates() const;
    /// Which of these ranges of a job are in the table just as they are. Error:
    /// an id of theirs is there for another range.
    Result<std::vector<bool>> find_known(JobIndex job, std::vector<EventRange> const& ranges) const;

    // Whole life.
    void start_life(Life life) { life_ = life; }
    Life life() const { return life_; }

    // Dispatching.
    /// Hands out up to `max_count` ready ranges to `rank`, preferring the file and job it works on; appends
    /// the runs. `file` is updated to the one last taken from; jobs in `blocked` are left alone. Returns how
    /// many were handed out.
    std::uint32_t hand_out(Rank rank, FileIndex& file, std::uint32_t max_count, std::vector<RangeRun>& runs,
                           std::vector<bool> const& blocked = {});
    /// Ranges that hand_out() has ended since the last call: they had been handed out
    /// 65,535 times in this life.
    std::vector<RangeIndex> take_worn_out() { return std::exchange(worn_out_, {}); }
    /// A second copy of a sent range for another rank; false if it is not sent, has two copies, is that
    /// rank's, or has no try left.
    bool copy_out(RangeIndex range, Rank rank, std::vector<RangeRun>& runs);
    struct Copies {
        Rank ranks[2] = {none, none};
        Epoch epochs[2];
        unsigned count = 0;
    };
    /// Who has this range now: none unless it is sent.
    Copies copies(RangeIndex range) const;

    Outcome finish(RangeIndex range, Epoch epoch, BundleNumber bundle, std::uint32_t cpu_ms,
                   std::uint32_t wall_ms);
    /// Only the rank that has this very hand-out can fail it or give it back.
    Outcome fail(RangeIndex range, Epoch epoch, Rank rank, FailKind kind, std::uint16_t error_code);
    Outcome give_back(RangeIndex range, Epoch epoch, Rank rank)
    {
        return fail(range, epoch, rank, FailKind::given_back, 0);
    }
    /// Drops what of this job has not ended; returns how many.
    std::uint64_t drop_job(JobIndex job);

    // Bundles.
    /// The run's id (Job::run_id()), which all names of its bundles hold; neither journal nor state.h5 do.
    std::uint32_t run_id() const { return run_id_; }
    void set_run_id(std::uint32_t run_id);
    BundleNumber bundle(BundleOrigin const& origin);  ///< finds or adds
    BundleNumber find_bundle(BundleOrigin const& origin) const;
    std::vector<BundleState> const& bundles() const { return bundles_; }
    void seal_bundle(BundleNumber number) { bundles_[number].sealed = true; }
    /// Recovery made a copy under a new name: every range that the old one held is in the new one now.
    void replace_bundle(BundleNumber number, BundleOrigin const& origin);
    /// finished -> ready for all ranges of this bundle; returns them.
    std::vector<RangeIndex> lose_bundle(BundleNumber number);
    /// finished -> ready for one range whose bytes are not in its bundle.
    void lose_output(RangeIndex range);
    /// ready -> finished, for output that recovery found whole in a bundle though the journal did not tell.
    Outcome adopt(RangeIndex range, Epoch epoch, BundleNumber bundle, std::uint32_t cpu_ms,
                  std::uint32_t wall_ms);

    // Looking.
    RangeIndex size() const { return static_cast<RangeIndex>(rows_.size()); }
    RangeRow const& row(RangeIndex range) const { return rows_[range]; }
    RangeProgress const& progress(RangeIndex range) const { return progress_[range]; }
    RangeState state(RangeIndex range) const { return progress_[range].state; }
    JobIndex job(RangeIndex range) const { return files_[rows_[range].file].job; }
    /// The hand-out whose output counts; only of a finished range that has an output (holder is a bundle).
    Epoch winning_epoch(RangeIndex range) const
    {
        return Epoch::make(bundles_[progress_[range].holder].epoch_life, rows_[range].winner);
    }
    /// Whether this hand-out is the one whose output counts, and `bundle` (none: no output) holds it.
    bool is_winner(RangeIndex range, Epoch epoch, BundleNumber bundle) const;
    unsigned tries_burnt(RangeIndex range) const { return progress_[range].burnt & 15u; }
    std::vector<FileEntry> const& files() const { return files_; }
    std::vector<std::string> const& texts() const { return texts_; }
    StateCounts const& counts() const { return counts_; }
    StateCounts const& file_counts(FileIndex file) const { return file_counts_[file]; }
    StateCounts job_counts(JobIndex job) const;
    JobIndex job_count() const { return static_cast<JobIndex>(jobs_.size()); }
    std::uint64_t ready_count() const { return counts_[0]; }
    std::uint64_t unended_count() const { return counts_[0] + counts_[1]; }
    /// 0 also for a job that has no ranges (yet).
    std::uint64_t unended_in_job(JobIndex job) const
    {
        return job < jobs_.size() ? jobs_[job][0] + jobs_[job][1] : 0;
    }
    std::string range_id(RangeIndex range) const;
    EventRange event_range(RangeIndex range) const;
    TablePolicy const& policy() const { return policy_; }

    // Loading and replay: sets a row's progress as it is, whatever it was. Call rebuild() afterwards.
    void set_progress(RangeIndex range, RangeProgress const& progress, std::uint16_t winner)
    {
        progress_[range] = progress;
        rows_[range].winner = winner;
    }
    void set_bundles(std::vector<BundleState> bundles);
    /// Brings counts and ready queues in line with the rows at the begin of a life: `sent` becomes `ready`
    /// (the owners are gone) and hand-outs are counted from zero.
    void rebuild();

  private:
    /// Kept only while a range has, or has had, two copies out at once.
    struct SecondCopy {
        std::uint16_t first_hand_out;
        Rank rank;  ///< none: only the first copy is left
        std::uint16_t hand_out;
    };
    void move(RangeIndex range, RangeState to);
    FileIndex find_file(JobIndex job, RangeView const& range, std::string_view pfn, RangeId const* id);
    void return_to_ready(RangeIndex range);
    /// No hand-out is left: back to ready, or failed when its tries are used up.
    Outcome leave_sent(RangeIndex range, std::uint16_t error_code);

    TablePolicy policy_;
    Life life_ = 1;
    std::uint32_t run_id_ = 0;
    std::vector<RangeRow> rows_;
    std::vector<RangeProgress> progress_;
    std::vector<FileEntry> files_;
    std::vector<StateCounts> file_counts_;
    std::vector<StateCounts> jobs_;
    StateCounts counts_{};
    std::vector<std::string> texts_;
    std::vector<BundleState> bundles_;
    std::unordered_map<std::string, BundleNumber> bundle_numbers_;
    std::unordered_map<std::string, FileIndex> file_numbers_;
    FileIndex mapped_file_count_ = 0;  ///< files that are in file_numbers_
    FileIndex last_added_ = none;      ///< most ranges come file by file: saves the look-up
    std::unordered_map<RangeIndex, SecondCopy> second_copies_;
    std::vector<RangeIndex> worn_out_;
    ReadyRanges ready_;
};

}  // namespace yoda
