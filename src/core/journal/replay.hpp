// SPDX-License-Identifier: Apache-2.0
// Journal records onto an event table: the table as of the last checkpoint becomes the table as of the last
// whole record. Pure; sys/run/run_opening.cpp reads the segments.
//
//     Replay replay(table, checkpoint.life, checkpoint.journal_sequence);
//     replay.begin_life(life, first_sequence);      // for each life found, in order
//     replay.apply(record, info, place, findings);  // for each frame, in order
//     replay.finish();                              // from here on the table's counts and queues are right
//
// Rows of the checkpoint may already hold what later records say. Every record states what is, never a
// difference, so the last record wins. A finished range costs some 10 ns and no allocation.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/findings.hpp"
#include "core/journal/journal_format.hpp"
#include "core/table/event_table.hpp"

namespace yoda {

/// Where a frame stands, for findings.
struct JournalPlace {
    std::string_view segment;
    std::uint64_t offset = 0;
};

class Replay {
  public:
    /// Changes `table`, which must outlive it; nobody else may until finish().
    Replay(EventTable& table, Life checkpoint_life, std::uint64_t checkpoint_sequence);

    /// Where a life's frames begin. Frames of older lives from this number on come from a writer that was
    /// thought dead: they are refused. To be told before any frame is applied.
    void begin_life(Life life, std::uint64_t first_sequence);
    void apply(journal::Record const& record, journal::FrameInfo const& info, JournalPlace const& place,
               Findings& findings);
    void finish();

    /// Of the newest frame or the checkpoint; 0 if there is neither.
    Life life() const { return std::max(life_, checkpoint_life_); }
    std::uint64_t next_sequence() const { return last_sequence_ + 1; }
    bool closed() const { return closed_; }
    /// Notes of the inbox all of whose effects are in the table. What comes after missing
    /// records is not among them.
    std::set<std::string> const& applied_notes() const { return applied_notes_; }
    /// Last reason by range, of ranges that have not finished; the first 10,000 that failed.
    std::map<RangeIndex, std::string> const& failure_reasons() const { return reasons_; }
    std::uint64_t applied_count() const { return applied_count_; }
    /// Something is missing or was refused: bundles may hold what the table does not know.
    bool incomplete() const { return incomplete_; }

  private:
    bool accept(journal::FrameInfo const& info, JournalPlace const& place, Findings& findings);
    void keep_reason(journal::RangeFailed const& record);
    bool is_lost(RangeProgress const& progress) const;
    void drop_jobs();

    // What each kind of record does; the text is why it cannot be done, empty if it was.
    std::string take(journal::LifeStarted const&) { return {}; }
    std::string take(journal::LifeEnded const&) { return {}; }
    std::string take(journal::RangesFinished const& record);
    std::string take(journal::RangeFailed const& record);
    std::string take(journal::OutputLost const& record);
    std::string take(journal::BundleChanged const& record);
    std::string take(journal::JobDropped const& record);
    std::string take(journal::FileAdded const& record);
    std::string take(journal::RangeAdded const& record);
    std::string take(journal::InboxApplied const&) { return {}; }
    std::string take(journal::Closed const&) { return {}; }

    EventTable& table_;
    Life checkpoint_life_;
    std::uint64_t checkpoint_sequence_;
    std::uint64_t last_sequence_;
    std::uint64_t seen_sequence_ = 0;  ///< of the last frame, also of those that the checkpoint includes
    Life life_ = 0;                    ///< of the last frame
    std::map<Life, std::uint64_t> life_begins_;
    std::uint64_t limit_ = UINT64_MAX;  ///< frames of life_ count below this number
    std::vector<BundleState> bundles_;
    std::vector<bool> known_bundles_;
    std::set<JobIndex> dropped_jobs_;  ///< told, their ranges not swept yet
    std::set<std::string> applied_notes_;
    std::map<RangeIndex, std::string> reasons_;
    std::uint64_t applied_count_ = 0;
    bool closed_ = false;
    bool incomplete_ = false;
};

}  // namespace yoda
