// SPDX-License-Identifier: Apache-2.0
// One job's payload on one Droid, with its channel: how long ranges take, who fails, hangs and
// dies. Behaves as droid/channel/worker_channel.cpp does (requests may wait), or as AthenaMP does
// (yampl: one unanswered request at a time, and while there is one no output gets through; a worker
// that dies is replaced; the end word ends all).
#pragma once

#include <deque>
#include <unordered_map>
#include <vector>

#include "droid/core/droid_core.hpp"
#include "sim.hpp"

namespace yoda::sim {

class Payload {
  public:
    Payload(Sim& sim, Ledger& ledger, ProcessId self, Life life, JobIndex job);

    // What the Droid core orders.
    void start(std::uint32_t worker_count);
    void add_workers(std::uint32_t count);
    void answer(RequestId request, WorkItem const& item);
    void end(RequestId request);
    void kill_range(HandOut what);
    void stop(bool at_once);

    /// Its event has come.
    void on_event(std::uint64_t data, DroidCore& core, DroidEffects& effects);
    bool is_bad_output(HandOut what) const;
    std::uint32_t busy_count() const;

  private:
    enum class Action : std::uint8_t { up, ask, done, worker_gone, judge, gone, next_request };
    enum class Fate : std::uint8_t { output, bad_output, failure, fatal, worker_death, payload_death, hang };
    struct Worker {
        enum class State : std::uint8_t { dead, free, asking, busy } state = State::free;
        std::uint16_t serial = 0;  ///< events of older ones are void
        Fate fate = Fate::output;
        RequestId request = 0;
        HandOut what;
        std::string range_id;
        Duration time;
    };
    PayloadPlan const& plan() const { return sim_.plan.payloads[job_]; }
    void schedule(Duration after, Action action, std::uint32_t worker = 0, std::uint16_t serial = 0);
    Fate draw_fate(HandOut what) const;
    Duration draw_time(HandOut what) const;
    void ask(std::uint32_t number, DroidCore& core, DroidEffects& effects);
    void finish(std::uint32_t number, DroidCore& core, DroidEffects& effects);
    void free_worker(std::uint32_t number);
    void release_outputs(DroidCore& core, DroidEffects& effects);
    void end_if_idle();
    void die(std::uint16_t error_code, char const* reason, DroidCore& core, DroidEffects& effects);
    Duration moment() { return Duration::from_s(1e-4) * sim_.machine.unit(); }

    Sim& sim_;
    Ledger& ledger_;
    ProcessId self_;
    Life life_;
    JobIndex job_;
    bool running_ = false;
    bool up_ = false;
    bool stopping_ = false;
    bool said_end_ = false;            ///< AthenaMP: no more requests
    bool going_ = false;               ///< its end is under way
    bool killed_ = false;              ///< by order: what it had in hand is no fault of it
    std::uint32_t unheard_count_ = 0;  ///< AthenaMP: ranges whose worker died
    std::uint16_t run_ = 0;            ///< number of the start
    std::uint32_t wanted_workers_ = 0;
    std::vector<Worker> workers_;
    std::uint32_t living_ = 0;
    std::unordered_map<RequestId, std::uint32_t> requests_;
    RequestId next_request_ = 1;
    std::deque<std::uint32_t> waiting_to_ask_;  ///< AthenaMP: behind the one that has asked
    std::deque<RangeOutput> held_outputs_;      ///< AthenaMP: behind an unanswered request
    std::deque<HandOut> judged_;                ///< ranges of workers that died
    std::uint64_t start_count_ = 0;
};

}  // namespace yoda::sim
