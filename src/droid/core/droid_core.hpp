// SPDX-License-Identifier: Apache-2.0
// A Droid as a pure state machine: grants in, work for the payload's workers out; outputs in, Finished out
// once the bundle is durable. Reads no clock, starts nothing, writes nothing.
//
//   range:    queued -answer-> running -output-> storing -durable-> reported -Accepted-> gone
//             queued -Recall, Revoke, Drain-> gone      running -failure, kill-> gone
//   payload:  off -ranges wait-> starting -ready-> up -nothing to do-> ending -ended-> off
//   bundle:   open -large, old, job done-> closing -all its entries accepted or rejected-> sealing -> sealed
//   Droid:    working -NothingEver, Drain-> leaving -payloads ended, all sealed-> gone
//
// Requests: a payload's worker asks for a range (a request), and is answered with one or with the end word.
// Which worker that is and how it is told is the channel's business.
//
// One class, one state; what it does is spread over droid_core_*.cpp by
// idea, in the order of the private members.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/base/time.hpp"
#include "core/messages/codec.hpp"
#include "core/messages/messages.hpp"
#include "core/table/range_run.hpp"
#include "droid/core/droid_effects.hpp"
#include "droid/core/droid_policy.hpp"
#include "droid/core/range_work.hpp"

namespace yoda {

class DroidCore {
  public:
    DroidCore(DroidPolicy policy, std::vector<JobPolicy> jobs, TimePoint now);

    /// The first words.
    void say_hello(std::string_view host, std::uint32_t pid, DroidEffects& effects);

    // From rank 0. Error: malformed for us (an unknown job or file).
    Status on_message(TimePoint now, Message const& message, DroidEffects& effects);

    // From payloads.
    void on_payload_up(TimePoint now, JobIndex job, DroidEffects& effects);
    void on_request(TimePoint now, JobIndex job, RequestId request, DroidEffects& effects);
    /// That worker is still busy, but not for long. False: not answered, and forgotten.
    bool on_request_ahead(TimePoint now, JobIndex job, RequestId request, DroidEffects& effects);
    /// That worker is gone: nobody waits for an answer any more.
    void on_request_gone(JobIndex job, RequestId request);
    void on_output(TimePoint now, RangeOutput output, DroidEffects& effects);
    void on_failure(TimePoint now, HandOut what, FailKind kind, std::uint16_t error_code,
                    std::string_view reason, DroidEffects& effects);
    /// A worker has ended (after the end word or by itself): its core is free.
    void on_worker_ended(TimePoint now, JobIndex job, DroidEffects& effects);
    /// Nothing of the payload is left. `error_code` 0: it ended as it should.
    void on_payload_ended(TimePoint now, JobIndex job, std::uint16_t error_code, std::string_view reason,
                          DroidEffects& effects);

    // From the bundle writer.
    struct Stored {
        HandOut what;
        std::uint64_t bundle_bytes = 0;  ///< of the bundle so far
    };
    void on_stored(TimePoint now, JobIndex job, std::uint32_t sequence, std::vector<Stored> const& stored,
                   DroidEffects& effects);
    void on_output_bad(TimePoint now, HandOut what, std::uint16_t error_code, std::string_view reason,
                       DroidEffects& effects);
    void on_sealed(TimePoint now, JobIndex job, std::uint32_t sequence, std::uint64_t bytes,
                   std::uint32_t entry_count, DroidEffects& effects);
    /// The bundle could not be written or sealed (full or broken disk): what it has not reported goes back.
    void on_bundle_failed(TimePoint now, JobIndex job, std::uint32_t sequence, std::string_view reason,
                          DroidEffects& effects);

    void on_tick(TimePoint now, std::uint64_t free_bytes, DroidEffects& effects);

    /// The job's inputs are not on the node yet: its payload does not start, its ranges wait.
    void hold_job(JobIndex job) { jobs_[job].held = true; }
    void release_job(TimePoint now, JobIndex job, DroidEffects& effects);

    /// While the disk is short of space, or slow, no range is started; what runs goes on.
    void set_paused(bool paused) { paused_ = paused; }
    /// The disk has not answered for so long that it may be frozen: the Droid keeps silent.
    /// Then rank 0 gives its ranges to others in time; what is durable when the disk is back
    /// counts as that of any Droid that was silent.
    void set_stuck(bool stuck) { stuck_ = stuck; }

    bool gone() const { return gone_; }
    bool yoda_is_silent(TimePoint now) const { return now - last_heard_ > policy_.silence; }
    std::uint32_t generation() const { return generation_; }
    std::uint32_t running_count() const { return running_count_; }
    std::uint64_t queued_count() const;
    DroidFile const* file(FileIndex file) const;
    /// For watchers: calls `visit(HandOut, JobIndex, started)` for each running range.
    template <class Visit>
    void visit_running(Visit visit) const
    {
        for (auto const& [range, flight] : flights_) {
            if (flight.state == FlightState::running)
                visit(HandOut{range, flight.hand_out}, flight.job, flight.since);
        }
    }

  private:
    enum class FlightState : std::uint8_t { running, storing, reported };
    struct Flight {
        std::uint16_t hand_out = 0;
        FlightState state = FlightState::running;
        JobIndex job = 0;
        std::uint32_t bundle = none;
        TimePoint since;
        RangeOutput output;
    };
    struct QueuedRun {
        RangeRun run;
        std::string text_id;
    };
    enum class PayloadState : std::uint8_t { off, starting, up, ending };
    struct Job {
        JobPolicy policy;
        std::deque<QueuedRun> queue;
        std::uint64_t queued_count = 0;
        std::deque<RequestId> requests;
        PayloadState payload = PayloadState::off;
        std::uint32_t workers = 0;  ///< that it has, or has been promised
        std::uint32_t running = 0;
        std::uint32_t storing = 0;
        unsigned starts = 0;  ///< in a row without a finished range
        bool given_up = false;
        bool held = false;            ///< its inputs are not here yet
        bool done = false;            ///< SealJob came
        std::uint32_t bundle = none;  ///< the one open for new entries
    };
    struct Bundle {
        JobIndex job = 0;
        TimePoint opened;
        std::uint64_t bytes = 0;
        std::uint32_t pending = 0;   ///< entries on their way to the disk
        std::uint32_t reported = 0;  ///< entries whose Accepted is awaited
        bool closing = false;
        bool sealing = false;
        std::vector<HandOut> rejected;
    };
    struct Report {
        std::uint32_t sequence;
        std::uint32_t bundle;
        std::vector<HandOut> entries;
    };

    // Who it is and what it says of itself (droid_core.cpp).
    void handle(TimePoint now, FileInfo const& message, DroidEffects& effects);
    void handle(TimePoint now, AskRunning const& message, DroidEffects& effects);
    void handle(TimePoint now, Reset const& message, DroidEffects& effects);
    void greet_again(DroidEffects& effects);
    void send_heartbeat(TimePoint now, DroidEffects& effects);
    void count_busy(TimePoint now);

    // The queue (droid_core_queue.cpp).
    void handle(TimePoint now, Grant const& message, DroidEffects& effects);
    void handle(TimePoint now, Revoke const& message, DroidEffects& effects);
    void handle(TimePoint now, Recall const& message, DroidEffects& effects);
    void finish_null_run(RangeRun const& run, JobIndex job, DroidEffects& effects);
    void give_back_queue(Job& job, std::uint64_t most, DroidEffects& effects);

    // Queue, workers and payloads brought together (droid_core_work.cpp).
    void handle(TimePoint now, NothingNow const& message, DroidEffects& effects);
    void work(TimePoint now, DroidEffects& effects);
    void serve(TimePoint now, JobIndex job, DroidEffects& effects);
    bool start_next(TimePoint now, JobIndex job, RequestId request, DroidEffects& effects);
    static QueuedRun take_first(Job& job);
    bool bring_startable_forward(Job& job);
    bool in_time(TimePoint now, Job const& job) const;
    bool may_start(TimePoint now, Job const& job) const;
    WorkItem make_item(RangeRun const& run, std::string const& text_id) const;
    void ask_if_idle(DroidEffects& effects);
    void end_requests(JobIndex job, DroidEffects& effects);
    void begin_ending(JobIndex job, DroidEffects& effects);

    // What payloads work on (droid_core_payloads.cpp).
    Flight* find_flight(HandOut what, FlightState state);
    void end_flight(std::unordered_map<RangeIndex, Flight>::iterator flight);
    void drop_flight(RangeIndex range, bool must_stop, DroidEffects& effects);
    void fail_slow_ranges(TimePoint now, DroidEffects& effects);

    // Bundles (droid_core_bundles.cpp).
    void handle(TimePoint now, Accepted const& message, DroidEffects& effects);
    void handle(TimePoint now, Rejected const& message, DroidEffects& effects);
    void close_old_bundles(TimePoint now, DroidEffects& effects);
    void close_bundle(std::uint32_t sequence, DroidEffects& effects);
    void seal_if_settled(std::uint32_t sequence, DroidEffects& effects);

    // Leaving (droid_core_leaving.cpp).
    void handle(TimePoint now, SealJob const& message, DroidEffects& effects);
    void handle(TimePoint now, NothingEver const& message, DroidEffects& effects);
    void handle(TimePoint now, Limits const& message, DroidEffects& effects);
    void handle(TimePoint now, Drain const& message, DroidEffects& effects);
    void give_up_paused(TimePoint now, DroidEffects& effects);
    void kill_rest(DroidEffects& effects);
    void leave(TimePoint now, DroidEffects& effects);
    void check_leaving(TimePoint now, DroidEffects& effects);

    DroidPolicy policy_;
    std::vector<Job> jobs_;
    std::vector<DroidFile> files_;
    std::unordered_map<RangeIndex, Flight> flights_;
    std::map<std::uint32_t, Bundle> bundles_;
    std::deque<Report> reports_;  ///< Finished messages whose Accepted is awaited
    std::uint32_t next_bundle_ = 0;
    std::uint32_t next_report_ = 1;
    std::uint32_t generation_ = 0;
    std::string host_;
    std::uint32_t pid_ = 0;
    TimePoint last_heard_;
    TimePoint last_heartbeat_;
    TimePoint next_slow_ = TimePoint::never();  ///< no running range reaches its limit before
    TimePoint worker_deadline_ = TimePoint::never();
    std::uint32_t event_time_us_ = none;
    bool no_more_ = false;  ///< NothingEver
    bool draining_ = false;
    bool killed_rest_ = false;  ///< the deadline came
    bool gone_ = false;
    std::uint32_t asked_idle_ = 0;  ///< idle workers that rank 0 knows of
    unsigned bundle_failures_ = 0;
    bool paused_ = false;
    bool stuck_ = false;
    bool was_stuck_ = false;  ///< at the last tick
    bool hello_due_ = false;  ///< after a Reset that came while it was stuck
    TimePoint unpaused_;      ///< when it last was not
    std::uint32_t free_workers_;
    std::uint32_t running_count_ = 0;
    TimePoint counted_;
    std::int64_t busy_ns_ = 0;
    std::int64_t alive_ns_ = 0;
    std::uint64_t cpu_ms_ = 0;
    std::uint64_t free_bytes_ = 0;
    std::vector<FinishedEntry> entries_;  // scratch
    std::vector<HandOut> hand_outs_;
};

}  // namespace yoda
