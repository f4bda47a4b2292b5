// SPDX-License-Identifier: Apache-2.0
// Rank 0 as a pure state machine: (state, now, input) -> effects. Owns the event
// table and all dispatch policy.
//
//   Droid:  absent -Hello-> alive -silence or exit-> lost -speaks again-> resetting -Hello-> alive
//           alive -Goodbye-> gone
//   Run:    working -all ended and closed-> finishing -all Droids gone or lost-> over
//           working -drain-> draining -all Droids gone or lost, or the deadline-> over
//
// Reads no clock, sends nothing, opens nothing. The caller runs the effects in order; what goes through
// accept() leaves only when every record before it is durable.
//
// One class, one state; what it does is spread over dispatcher_*.cpp by
// idea, in the order of the private members.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/base/time.hpp"
#include "core/base/time_histogram.hpp"
#include "core/messages/codec.hpp"
#include "core/messages/messages.hpp"
#include "core/table/event_table.hpp"
#include "yoda/dispatch_policy.hpp"
#include "yoda/dispatcher_effects.hpp"
#include "yoda/droid_info.hpp"

namespace yoda {

class Dispatcher {
  public:
    /// `rank_count` ranks in all; rank 0 holds no payload.
    Dispatcher(EventTable table, std::vector<std::int64_t> panda_ids, std::uint32_t rank_count,
               DispatchPolicy policy);

    // Inputs. `now` never goes back.
    void on_message(TimePoint now, Rank from, FrameHeader const& header, Message const& message,
                    DispatcherEffects& effects);
    /// After the last message of a poll: hands out to whoever has room.
    void on_batch_end(TimePoint now, DispatcherEffects& effects);
    void on_tick(TimePoint now, DispatcherEffects& effects);
    /// Rank 0 has not listened until now (it was stopped, or held back by a slow
    /// disk): that was no silence of the Droids.
    void on_deaf(TimePoint now);
    /// The launcher says that this rank has ended.
    void on_exit(TimePoint now, Rank rank, DispatcherEffects& effects);
    /// Stop starting ranges; workers may run until `deadline`, which leaves no time to seal.
    void on_drain(TimePoint now, TimePoint deadline, std::string_view why, DispatcherEffects& effects);
    /// Feed: ranges of a job, all or none. Error: a malformed or doubled range.
    Status on_more_ranges(TimePoint now, JobIndex job, std::vector<EventRange> const& ranges,
                          std::vector<std::string> const& pfns, DispatcherEffects& effects);
    void on_closed(TimePoint now, DispatcherEffects& effects);
    void on_job_killed(TimePoint now, JobIndex job, DispatcherEffects& effects);
    /// harvest found the bundle damaged before it was reported.
    void on_bundle_lost(TimePoint now, BundleOrigin const& origin, DispatcherEffects& effects);

    // Looking.
    bool over() const { return over_; }
    bool draining() const { return draining_; }
    bool finishing() const { return finishing_; }
    EventTable const& table() const { return table_; }
    DroidInfo const& droid(Rank rank) const { return droids_[rank]; }
    std::uint32_t rank_count() const { return static_cast<std::uint32_t>(droids_.size()); }
    TimeHistogram const& event_times() const { return event_times_; }
    DispatchPolicy const& policy() const { return policy_; }
    /// When workers must have ended, so that their bundles can still be sealed; never() without a walltime.
    TimePoint worker_deadline() const;
    /// 0 all finished or dropped; 1 all ended, some failed or fatal; 3 stopped early; 4 no Droid can work.
    int exit_code() const;
    std::string const& why_stopped() const { return why_stopped_; }

  private:
    struct OldRange {
        HandOut what;
        Rank rank;
        std::uint32_t age_ms;
    };

    // Droids (dispatcher_droids.cpp).
    void handle(TimePoint now, Rank from, Hello const& hello, DispatcherEffects& effects);
    void handle(TimePoint now, Rank from, Heartbeat const& heartbeat, DispatcherEffects& effects);
    void handle(TimePoint now, Rank from, Trouble const& trouble, DispatcherEffects& effects);
    void handle(TimePoint now, Rank from, Goodbye const& goodbye, DispatcherEffects& effects);
    void lose_droid(Rank rank, std::string_view why, DispatcherEffects& effects);
    void take_back_all(Rank rank, DispatcherEffects& effects);
    /// The only place where a Droid's state changes.
    void set_state(DroidInfo& droid, DroidState state);
    bool is_working(Rank rank) const { return droids_[rank].state == DroidState::alive; }
    bool has_idle(Rank rank) const { return is_working(rank) && droids_[rank].idle_count > 0; }
    bool is_blocked(Rank rank, JobIndex job) const
    {
        auto const& blocked = droids_[rank].blocked_jobs;
        return job < blocked.size() && blocked[job];
    }

    // Outcomes (dispatcher_outcomes.cpp).
    void handle(TimePoint now, Rank from, Finished const& finished, DispatcherEffects& effects);
    void handle(TimePoint now, Rank from, Failed const& failed, DispatcherEffects& effects);
    void handle(TimePoint now, Rank from, GivenBack const& given_back, DispatcherEffects& effects);
    void handle(TimePoint now, Rank from, Sealed const& sealed, DispatcherEffects& effects);
    void reject_all(Rank from, Finished const& finished, DispatcherEffects& effects);
    void end_copies(RangeIndex range, EventTable::Copies const& copies, Rank from, Epoch epoch,
                    DispatcherEffects& effects);
    void record_failure(RangeIndex range, std::string_view reason, DispatcherEffects& effects);
    void take_back(Rank rank, RangeIndex range, Epoch epoch, DispatcherEffects& effects);
    BundleNumber find_bundle(Rank from, DroidInfo& droid, JobIndex job, std::uint32_t sequence,
                             DispatcherEffects& effects);

    // Handing out (dispatcher_handing_out.cpp).
    void handle(TimePoint now, Rank from, Request const& request, DispatcherEffects& effects);
    void make_hungry(Rank rank);
    void count_rate(DroidInfo& droid, TimePoint now, std::uint32_t finished_count);
    std::uint32_t depth_wanted(DroidInfo const& droid, TimePoint now) const;
    void feed(TimePoint now, Rank rank, DispatcherEffects& effects);
    void send_runs(Rank rank, DispatcherEffects& effects);
    void tell_file(DroidInfo& droid, Rank rank, FileIndex file, DispatcherEffects& effects);
    void revoke(Rank rank, RangeIndex range, Epoch epoch, DispatcherEffects& effects);

    // The tail (dispatcher_tail.cpp).
    void handle(TimePoint now, Rank from, Running const& running, DispatcherEffects& effects);
    void help_idle(TimePoint now, DispatcherEffects& effects);
    void recall_queued(TimePoint now, std::uint32_t wanted, DispatcherEffects& effects);
    void copy_oldest(TimePoint now, DispatcherEffects& effects);
    std::optional<unsigned> copy_to_give_up(TimePoint now, OldRange const& younger) const;

    // Walltime (dispatcher_walltime.cpp).
    bool may_start(TimePoint now) const;
    TimePoint last_moment() const;
    std::uint64_t slow_event_us() const;
    void send_limits(TimePoint now, Rank rank, DispatcherEffects& effects) const;

    // Jobs (dispatcher_jobs.cpp) and the end (dispatcher_end.cpp).
    void seal_if_done(JobIndex job, DispatcherEffects& effects);
    void hold_jobs_nobody_can_run(DispatcherEffects& effects);
    std::uint64_t workable_count() const;
    void check_end(TimePoint now, DispatcherEffects& effects);

    EventTable table_;
    std::vector<std::int64_t> panda_ids_;  ///< by job
    DispatchPolicy policy_;
    std::vector<DroidInfo> droids_;
    TimeHistogram event_times_;           ///< per event, so that it scales with a range's length
    std::uint64_t workers_alive_ = 0;     ///< of Droids that are alive
    std::uint32_t waited_for_count_ = 0;  ///< Droids that are alive, resetting or have not spoken yet
    std::vector<Rank> hungry_;            ///< Droids to feed in on_batch_end
    bool ready_grew_ = false;             ///< ranges came back: feed everybody who has room
    std::vector<OldRange> oldest_;        ///< candidates for a second copy, as the Droids told
    struct OlderCopy {
        TimePoint since;
        unsigned given_up_count = 0;  ///< copies of this range that made room for another
    };
    std::unordered_map<RangeIndex, OlderCopy> older_copies_;  ///< of ranges with two
    TimePoint next_help_;
    std::uint32_t usual_events_ = 1;  ///< per range, of the last grant
    std::vector<bool> held_jobs_;     ///< no Droid can run their payload
    std::vector<bool> job_sealed_;
    bool draining_ = false;
    bool finishing_ = false;
    bool over_ = false;
    TimePoint drain_deadline_ = TimePoint::never();
    TimePoint drain_began_;
    TimePoint limits_sent_;
    std::string why_stopped_;
    std::vector<RangeRun> runs_;  // scratch, kept to save allocations
    std::vector<FinishedEntry> accepted_;
    std::vector<HandOut> rejected_;
};

}  // namespace yoda
