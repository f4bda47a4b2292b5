// SPDX-License-Identifier: Apache-2.0
// The truth about a world, kept beside the code under test and never shown to it, and the promises that are
// checked against it at every step.
//
// Of each range it keeps two verdicts: the latest one that rank 0 recorded, and the one that is sure, since
// its record has been synced. A crash may undo what is not sure, and nothing else.
#pragma once

#include <deque>
#include <set>
#include <unordered_map>
#include <vector>

#include "core/journal/journal_format.hpp"
#include "core/messages/messages.hpp"
#include "core/table/event_table.hpp"
#include "disk.hpp"
#include "sim.hpp"

namespace yoda::sim {

struct Verdict {
    RangeState state = RangeState::ready;  ///< ready: not ended
    std::uint8_t burnt = 0;                ///< as in RangeProgress
    bool has_output = false;               ///< finished: it lies in `bundle`
    std::uint32_t epoch = 0;               ///< finished: the winner
    BundleOrigin bundle;
};

class Ledger {
  public:
    explicit Ledger(Sim& sim) : sim_(sim) {}

    std::int64_t panda_id(JobIndex job) const { return 5'000'000'000 + job; }
    /// There are at least so many ranges.
    void know_ranges(std::size_t count);
    RangeIndex range_count() const { return static_cast<RangeIndex>(latest_.size()); }

    // What payloads did.
    void on_executed(RangeIndex range)
    {
        ++executions_[range];
        ++execution_count_;
    }
    void on_payload_failure(RangeIndex range, FailKind kind);

    // What bundles hold: written, and then synced.
    void on_written(RangeIndex range, Epoch epoch, BundleOrigin const& bundle);
    void on_durable(RangeIndex range, Epoch epoch, BundleOrigin const& bundle);
    /// A Droid has made a bundle final.
    void on_sealed(BundleOrigin const& origin, File const& tar, File const& index) const;
    /// Its data was damaged from outside: its ranges may be run again.
    void on_bundle_damaged(BundleOrigin const& origin) { damaged_bundles_.insert(bundle_name(origin)); }

    // What rank 0 decided: told with each journal record, in order, after the table has changed.
    void on_record(journal::Record const& record, EventTable const& table);
    /// All records since the last call end at this position of this life's journal.
    void on_appended(std::uint64_t position);
    void on_journal_synced(std::uint64_t position);
    void on_finished_received(Rank from, Finished const& finished);
    /// Accepted is about to leave: everything it speaks of must survive a crash.
    void on_accepted_sent(Rank to, std::uint32_t sequence);

    void begin_life(Life life);
    void end_life() { life_ = 0; }
    Life life() const { return life_; }
    /// A table as recovery made it from what is on this disk.
    void check_recovered(EventTable const& table, Disk const& disk) const;
    /// From now on what recovery found is the truth.
    void adopt_recovered(EventTable const& table);

    /// Every finished range lies whole, once, in the bundle that the table names: merge would find it there.
    void check_outputs(EventTable const& table, Disk const& disk) const;
    void check_complete(EventTable const& table) const;
    void check_counts(EventTable const& table) const;
    /// No range of poison was run more often than this.
    void check_executions(RangeIndex range, std::uint64_t bound) const;

    /// Part of the journal that had been synced is gone: records before may be undone, outputs may not.
    void allow_lost_records() { records_lost_ = true; }
    bool records_lost() const { return records_lost_; }

    std::uint64_t finish_count() const { return finish_count_; }
    TimePoint last_finish() const { return last_finish_; }
    std::uint64_t payload_failure_count() const { return payload_failure_count_; }
    std::uint64_t progress_count() const { return progress_count_; }
    std::uint64_t execution_count() const { return execution_count_; }

  private:
    struct Stored {
        std::uint32_t epoch = 0;
        bool durable = false;
        BundleOrigin bundle;
    };
    struct Change {
        RangeIndex range;
        std::uint64_t position;  ///< of its record; 0: not placed yet
        Verdict verdict;
    };
    struct Report {
        std::uint32_t sequence;
        std::vector<FinishedEntry> entries;
    };
    void decide(RangeIndex range, Verdict const& verdict);
    void take(journal::RangesFinished const& finished, EventTable const& table);
    void take(journal::RangeFailed const& failed);
    void take(journal::OutputLost const& lost);
    void take(journal::BundleChanged const& changed);
    void take(journal::RangeAdded const& added);
    void take(journal::JobDropped const& dropped, EventTable const& table);
    template <class Other>
    void take(Other const&)
    {}
    Stored const* find_stored(RangeIndex range, std::uint32_t epoch) const;
    void check_burnt(RangeIndex range, std::uint8_t burnt) const;
    void check_one_recovered(EventTable const& table, RangeIndex range) const;

    Sim& sim_;
    Life life_ = 0;
    std::vector<Verdict> latest_;
    std::vector<Verdict> sure_;
    std::set<JobIndex> dropped_jobs_;  ///< as far as was recorded, synced or not
    std::deque<Change> changes_;       ///< recorded and not sure yet, oldest first
    std::size_t unplaced_count_ = 0;
    std::vector<std::uint32_t> executions_;
    struct Harm {
        std::uint16_t failures = 0;
        std::uint16_t deaths = 0;
        bool fatal = false;
    };
    std::vector<Harm> harm_;
    std::vector<Stored> stored_;                                 ///< the last one of each range
    std::unordered_multimap<RangeIndex, Stored> stored_before_;  ///< the others
    std::unordered_map<Rank, std::deque<Report>> reports_;       ///< received, not accepted yet
    std::set<std::string> damaged_bundles_;
    bool records_lost_ = false;
    std::uint64_t finish_count_ = 0;
    std::uint64_t payload_failure_count_ = 0;
    TimePoint last_finish_;
    std::uint64_t progress_count_ = 0;
    std::uint64_t execution_count_ = 0;
};

}  // namespace yoda::sim
