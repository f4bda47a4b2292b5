// Rank 0 as a pure state machine: (state, now, input) -> effects. Owns the event table and all dispatch
// policy.
//
//   Droid:  absent -Hello-> alive -silence or exit-> lost -speaks again-> resetting -Hello-> alive
//           alive -Goodbye-> gone
//   Run:    working -all ended and closed-> finishing -all Droids gone or lost-> over
//           working -drain-> draining -all Droids gone or lost, or the deadline-> over
//
// Reads no clock, sends nothing, opens nothing. The caller runs the effects in order; what goes through
// accept() leaves only when every record before it is durable.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "core/codec.hpp"
#include "core/event_table.hpp"
#include "core/journal_format.hpp"
#include "core/messages.hpp"
#include "core/time.hpp"
#include "core/time_histogram.hpp"

namespace yoda {

struct DispatchPolicy {
    std::uint32_t batch = 0;                      ///< ranges a grant; 0: sized from measured times
    std::uint32_t window = 2;                     ///< grants of a fixed batch in flight
    Duration ask_interval = Duration::from_s(3);  ///< how much work a Droid should hold
    Duration silence = Duration::from_s(120);     ///< a Droid that says nothing for so long is lost
    TimePoint end = TimePoint::never();           ///< of the allocation
    TimePoint begin;                              ///< of this life
    Duration walltime = Duration::max();          ///< whole allocation, to scale the leads
    Duration drain_lead =
        Duration::from_s(600);  ///< without measured times nothing is started in the last so-much
    Duration seal_lead =
        Duration::from_s(60);   ///< kept free at the end for sealing; at most 2 % of the walltime
    bool second_copies = true;  ///< near the end, of the oldest running ranges
    bool closed = true;         ///< no more ranges will come
};

/// What the dispatcher wants done, in order. Recording fake: tests/support.
class DispatcherEffects {
  public:
    virtual ~DispatcherEffects() = default;
    virtual void send(Rank to, Message const& message) = 0;
    virtual void send_grant(Rank to, RangeRun const& run, std::string_view text_id) = 0;
    /// Accepted{sequence} to `to`, once all records so far are durable.
    virtual void accept(Rank to, std::uint32_t sequence) = 0;
    virtual void record(journal::Record const& record) = 0;
    /// For the log: constant event name, who, how many, why.
    virtual void note(std::string_view event, Rank droid, std::uint64_t count, std::string_view why) = 0;
};

enum class DroidState : std::uint8_t { absent, alive, lost, resetting, gone };
std::string_view print_droid_state(DroidState state);

/// What rank 0 knows of one Droid.
struct DroidInfo {
    DroidState state = DroidState::absent;
    std::uint32_t generation = 0;
    TimePoint last_heard;
    std::string host;
    std::uint32_t worker_count = 0;
    std::uint32_t outstanding_count = 0;  ///< hand-outs it holds
    std::uint32_t idle_count = 0;         ///< workers without work at its last Request
    std::uint64_t finished_count = 0;
    std::uint64_t failed_count = 0;
    Heartbeat heartbeat;
    std::string trouble;             ///< why it cannot run a job's payload, if it said so
    std::vector<bool> blocked_jobs;  ///< it cannot run these jobs' payload

  private:
    friend class Dispatcher;
    struct HandedRun {
        RangeIndex begin;
        std::uint32_t count;
    };
    std::deque<HandedRun> runs;  ///< superset of what it holds, oldest first
    FileIndex file = none;       ///< works on this one
    std::vector<bool> known_files;
    double rate_per_s = 0;  ///< measured
    TimePoint rate_since;
    std::uint32_t rate_count = 0;
    std::uint32_t depth = 0;  ///< hand-outs it should hold, grown when it starves
    BundleNumber last_bundle = none;
    JobIndex last_bundle_job = none;
    std::uint32_t last_bundle_sequence = none;
    TimePoint asked_running;
    TimePoint recalled;
    bool hungry = false;        ///< stands in the list of those to feed
    bool told_nothing = false;  ///< its idle workers have had NothingNow
};

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
    /// Rank 0 has not listened until now (it was stopped, or held back by a slow disk): that was no silence
    /// of the Droids.
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
    /// 0 all finished or dropped; 1 all ended, some failed or fatal; 3 stopped early; 4 no Droid can work.
    int exit_code() const;
    std::string const& why_stopped() const { return why_stopped_; }

  private:
    void handle(TimePoint now, Rank from, Hello const& hello, DispatcherEffects& effects);
    void handle(TimePoint now, Rank from, Request const& request, DispatcherEffects& effects);
    void handle(TimePoint now, Rank from, Finished const& finished, DispatcherEffects& effects);
    void handle(TimePoint now, Rank from, Failed const& failed, DispatcherEffects& effects);
    void handle(TimePoint now, Rank from, GivenBack const& given_back, DispatcherEffects& effects);
    void handle(TimePoint now, Rank from, Running const& running, DispatcherEffects& effects);
    void handle(TimePoint now, Rank from, Heartbeat const& heartbeat, DispatcherEffects& effects);
    void handle(TimePoint now, Rank from, Sealed const& sealed, DispatcherEffects& effects);
    void handle(TimePoint now, Rank from, Trouble const& trouble, DispatcherEffects& effects);
    void handle(TimePoint now, Rank from, Goodbye const& goodbye, DispatcherEffects& effects);

    void lose_droid(Rank rank, std::string_view why, DispatcherEffects& effects);
    void take_back_all(Rank rank, DispatcherEffects& effects);
    void take_back(Rank rank, RangeIndex range, Epoch epoch, DispatcherEffects& effects);
    void reject_all(Rank from, Finished const& finished, DispatcherEffects& effects);
    void end_copies(RangeIndex range, EventTable::Copies const& copies, Rank from, Epoch epoch,
                    DispatcherEffects& effects);
    void count_rate(DroidInfo& droid, TimePoint now, std::uint32_t finished_count);
    BundleNumber find_bundle(Rank from, DroidInfo& droid, JobIndex job, std::uint32_t sequence,
                             DispatcherEffects& effects);
    void feed(TimePoint now, Rank rank, DispatcherEffects& effects);
    std::uint32_t depth_wanted(DroidInfo const& droid, TimePoint now) const;
    bool may_start(TimePoint now) const;
    void send_runs(Rank rank, DispatcherEffects& effects);
    void tell_file(DroidInfo& droid, Rank rank, FileIndex file, DispatcherEffects& effects);
    void make_hungry(Rank rank);
    void help_idle(TimePoint now, DispatcherEffects& effects);
    void recall_queued(TimePoint now, std::uint32_t wanted, DispatcherEffects& effects);
    void copy_oldest(TimePoint now, DispatcherEffects& effects);
    void seal_if_done(JobIndex job, DispatcherEffects& effects);
    void revoke(Rank rank, RangeIndex range, Epoch epoch, DispatcherEffects& effects);
    void record_failure(RangeIndex range, std::string_view reason, DispatcherEffects& effects);
    void hold_jobs_nobody_can_run(DispatcherEffects& effects);
    std::uint64_t workable_count() const;
    void check_end(TimePoint now, DispatcherEffects& effects);
    void send_limits(TimePoint now, Rank rank, DispatcherEffects& effects) const;
    TimePoint worker_deadline() const;
    TimePoint last_moment() const;
    std::uint64_t slow_event_us() const;
    /// The only place where a Droid's state changes.
    void set_state(DroidInfo& droid, DroidState state);
    bool is_working(Rank rank) const { return droids_[rank].state == DroidState::alive; }
    bool has_idle(Rank rank) const { return is_working(rank) && droids_[rank].idle_count > 0; }
    bool is_blocked(Rank rank, JobIndex job) const
    {
        auto const& blocked = droids_[rank].blocked_jobs;
        return job < blocked.size() && blocked[job];
    }

    EventTable table_;
    std::vector<std::int64_t> panda_ids_;  ///< by job
    DispatchPolicy policy_;
    std::vector<DroidInfo> droids_;
    TimeHistogram event_times_;           ///< per event, so that it scales with a range's length
    std::uint64_t workers_alive_ = 0;     ///< of Droids that are alive
    std::uint32_t waited_for_count_ = 0;  ///< Droids that are alive, resetting or have not spoken yet
    std::vector<Rank> hungry_;            ///< Droids to feed in on_batch_end
    bool ready_grew_ = false;             ///< ranges came back: feed everybody who has room
    struct OldRange {
        HandOut what;
        Rank rank;
        std::uint32_t age_ms;
    };
    std::vector<OldRange> oldest_;  ///< candidates for a second copy, as the Droids told
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
