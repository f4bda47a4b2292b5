// SPDX-License-Identifier: Apache-2.0
#include "payload.hpp"

#include "ledger.hpp"

namespace yoda::sim {

namespace {

constexpr Duration judge_delay = Duration::from_ms(100);

constexpr std::uint64_t pack(std::uint8_t action, std::uint32_t worker, std::uint16_t serial,
                             std::uint16_t run)
{
    return std::uint64_t{action} | std::uint64_t{serial} << 8 | std::uint64_t{run} << 24 |
           std::uint64_t{worker} << 40;
}

}  // namespace

Payload::Payload(Sim& sim, Ledger& ledger, ProcessId self, Life life, JobIndex job)
    : sim_(sim), ledger_(ledger), self_(self), life_(life), job_(job)
{}

void Payload::schedule(Duration after, Action action, std::uint32_t worker, std::uint16_t serial)
{
    sim_.at(sim_.now + after, self_, EventKind::payload,
            pack(static_cast<std::uint8_t>(action), worker, serial, run_), static_cast<std::uint16_t>(job_));
}

// ---- What happens to a hand-out

Payload::Fate Payload::draw_fate(HandOut what) const
{
    auto const seed = mix(sim_.plan.seed, 100 + job_);
    if (to_unit(mix(seed, what.range)) < plan().poison_share) {
        switch (plan().poison) {
            case Poison::none:
                break;
            case Poison::fails:
                return Fate::failure;
            case Poison::fatal:
                return Fate::fatal;
            case Poison::kills_worker:
                return Fate::worker_death;
            case Poison::kills_payload:
                return Fate::payload_death;
            case Poison::hangs:
                return Fate::hang;
        }
    }
    double u =
        to_unit(mix(mix(seed, 7), Epoch::make(life_, what.hand_out).value * 0x100000000ull + what.range));
    auto const falls = [&](double share) {
        u -= share;
        return u < 0;
    };
    if (falls(plan().failure_share)) return Fate::failure;
    if (falls(plan().worker_death_share)) return Fate::worker_death;
    if (falls(plan().payload_death_share)) return Fate::payload_death;
    if (falls(plan().hang_share)) return Fate::hang;
    if (plan().has_output && falls(plan().bad_output_share)) return Fate::bad_output;
    return Fate::output;
}

bool Payload::is_bad_output(HandOut what) const
{
    return draw_fate(what) == Fate::bad_output;
}

std::uint32_t Payload::busy_count() const
{
    return static_cast<std::uint32_t>(std::count_if(
        workers_.begin(), workers_.end(), [](Worker const& w) { return w.state == Worker::State::busy; }));
}

Duration Payload::draw_time(HandOut what) const
{
    return hand_out_time(sim_.plan, job_, what.range, Epoch::make(life_, what.hand_out));
}

// ---- Orders

void Payload::start(std::uint32_t worker_count)
{
    running_ = true;
    up_ = stopping_ = said_end_ = going_ = killed_ = false;
    unheard_count_ = 0;
    ++run_;
    wanted_workers_ = worker_count;
    schedule(plan().start_time * (0.5 + sim_.machine.unit()), Action::up);
}

void Payload::add_workers(std::uint32_t count)
{
    for (std::uint32_t i = 0; i < count; ++i) {
        std::uint32_t number = 0;
        while (number < workers_.size() && workers_[number].state != Worker::State::dead) ++number;
        if (number == workers_.size()) workers_.emplace_back();
        free_worker(number);
        ++living_;
        schedule(moment(), Action::ask, number, workers_[number].serial);
    }
}

void Payload::free_worker(std::uint32_t number)
{
    auto& worker = workers_[number];
    worker.state = Worker::State::free;
    ++worker.serial;
}

void Payload::answer(RequestId request, WorkItem const& item)
{
    auto const found = requests_.find(request);
    if (found == requests_.end()) return;
    auto const number = found->second;
    requests_.erase(found);
    auto& worker = workers_[number];
    worker.state = Worker::State::busy;
    ++worker.serial;
    worker.what = item.what;
    worker.range_id = item.range.id;
    worker.fate = draw_fate(item.what);
    worker.time = draw_time(item.what);
    ledger_.on_executed(item.what.range);
    // It counts from the begin, since whoever kills a hanging worker need not tell us.
    bool const too_slow = worker.fate == Fate::hang || worker.time >= plan().range_limit;
    if (too_slow) ledger_.on_payload_failure(item.what.range, FailKind::failed);
    auto time = worker.time;
    if (worker.fate == Fate::failure || worker.fate == Fate::fatal || worker.fate == Fate::worker_death ||
        worker.fate == Fate::payload_death)
        time = time * to_unit(mix(item.what.range, item.what.hand_out));
    if (worker.fate != Fate::hang) schedule(time, Action::done, number, worker.serial);
    if (!plan().requests_wait) schedule({}, Action::next_request);
}

void Payload::end(RequestId request)
{
    auto const found = requests_.find(request);
    if (found == requests_.end()) return;
    auto const number = found->second;
    requests_.erase(found);
    free_worker(number);
    if (plan().requests_wait) {
        schedule(moment(), Action::worker_gone, number, workers_[number].serial);
        return;
    }
    said_end_ = true;  // The end word is for all of AthenaMP.
    schedule({}, Action::next_request);
}

void Payload::kill_range(HandOut what)
{
    for (std::uint32_t number = 0; number < workers_.size(); ++number) {
        auto& worker = workers_[number];
        if (worker.state != Worker::State::busy || worker.what != what) continue;
        free_worker(number);
        if (plan().requests_wait)
            schedule(moment(), Action::worker_gone, number, worker.serial);
        else
            schedule(moment() * 100, Action::ask, number, worker.serial);  // AthenaMP starts another.
        return;
    }
}

void Payload::stop(bool at_once)
{
    if (!running_) return;
    stopping_ = true;
    if (at_once || !up_) {
        killed_ = at_once;
        going_ = true;
        schedule(moment() * 100, Action::gone);
        return;
    }
    if (!plan().requests_wait) said_end_ = true;
    end_if_idle();
}

/// The last worker has gone and the end word has been said: the payload itself ends.
void Payload::end_if_idle()
{
    if (!running_ || !up_ || going_) return;
    bool idle = stopping_ && living_ == 0;
    if (!plan().requests_wait)
        idle = said_end_ && requests_.empty() && held_outputs_.empty() &&
               std::none_of(workers_.begin(), workers_.end(),
                            [](Worker const& w) { return w.state == Worker::State::busy; });
    if (!idle) return;
    going_ = true;
    schedule(plan().start_time * 0.2 + moment() * 100, Action::gone);
}

// ---- Events

void Payload::on_event(std::uint64_t data, DroidCore& core, DroidEffects& effects)
{
    auto const action = static_cast<Action>(data & 0xFF);
    auto const serial = static_cast<std::uint16_t>(data >> 8);
    auto const run = static_cast<std::uint16_t>(data >> 24);
    auto const number = static_cast<std::uint32_t>(data >> 40);
    if (run != run_ || !running_) return;
    bool const is_current = number < workers_.size() && workers_[number].serial == serial;
    switch (action) {
        case Action::up:
            if (going_) return;
            if (to_unit(mix(mix(sim_.plan.seed, self_), start_count_++)) < plan().start_failure_share)
                return die(code::setup_failure, "it did not start", core, effects);
            up_ = true;
            core.on_payload_up(sim_.now, job_, effects);
            add_workers(std::exchange(wanted_workers_, 0));
            return;
        case Action::ask:
            if (is_current && workers_[number].state == Worker::State::free) ask(number, core, effects);
            return;
        case Action::done:
            if (is_current && workers_[number].state == Worker::State::busy) finish(number, core, effects);
            return;
        case Action::worker_gone:
            if (!is_current || workers_[number].state == Worker::State::dead) return;
            workers_[number].state = Worker::State::dead;
            --living_;
            sim_.tell("a worker of payload {} of process {} is gone", job_, self_);
            core.on_worker_ended(sim_.now, job_, effects);
            end_if_idle();
            return;
        case Action::judge: {
            auto const what = judged_.front();
            judged_.pop_front();
            core.on_failure(sim_.now, what, FailKind::failed, code::payload_failure, "the worker died",
                            effects);
            return;
        }
        case Action::next_request:
            release_outputs(core, effects);
            if (!said_end_ && requests_.empty() && !waiting_to_ask_.empty()) {
                auto const next = waiting_to_ask_.front();
                waiting_to_ask_.pop_front();
                if (workers_[next].state == Worker::State::free)
                    ask(next, core, effects);
                else
                    schedule({}, Action::next_request);
            }
            end_if_idle();
            return;
        case Action::gone:
            // As the AthenaMP channel has it: ranges that it never spoke of again are its own fault.
            if (unheard_count_ > 0 && !killed_)
                return die(code::athenamp_died, "no word about some ranges", core, effects);
            return die(0, "it ended", core, effects);
    }
}

void Payload::ask(std::uint32_t number, DroidCore& core, DroidEffects& effects)
{
    if (!plan().requests_wait) {
        if (said_end_) return end_if_idle();
        if (!requests_.empty()) {
            waiting_to_ask_.push_back(number);
            return;
        }
    }
    auto& worker = workers_[number];
    worker.state = Worker::State::asking;
    worker.request = next_request_++;
    requests_[worker.request] = number;
    core.on_request(sim_.now, job_, worker.request, effects);
}

void Payload::finish(std::uint32_t number, DroidCore& core, DroidEffects& effects)
{
    auto& worker = workers_[number];
    auto const what = worker.what;
    auto const fate = worker.fate;
    free_worker(number);
    if (fate == Fate::payload_death) {
        ledger_.on_payload_failure(what.range, FailKind::payload_death);
        return die(code::athenamp_died, "the payload died", core, effects);
    }
    if (fate == Fate::worker_death) {
        ledger_.on_payload_failure(what.range, FailKind::failed);
        if (!plan().requests_wait) {  // Nobody tells: it is missed when the payload ends, or at its limit.
            ++unheard_count_;
            schedule(moment() * 100, Action::ask, number, worker.serial);
            return;
        }
        judged_.push_back(what);
        schedule(judge_delay, Action::judge);
        schedule({}, Action::worker_gone, number, worker.serial);
        return;
    }
    // It asks for the next one when it has told of this one.
    schedule(moment(), Action::ask, number, worker.serial);
    if (fate == Fate::failure || fate == Fate::fatal) {
        auto const kind = fate == Fate::fatal ? FailKind::fatal : FailKind::failed;
        ledger_.on_payload_failure(what.range, kind);
        core.on_failure(sim_.now, what, kind, code::payload_failure, "the payload said so", effects);
        end_if_idle();
        return;
    }
    if (fate == Fate::bad_output) ledger_.on_payload_failure(what.range, FailKind::failed);
    RangeOutput output;
    output.what = what;
    output.job = job_;
    output.range_id = worker.range_id;
    if (plan().has_output) output.paths.emplace_back("out");
    output.wall_ms = static_cast<std::uint32_t>(worker.time.ms());
    output.cpu_ms = output.wall_ms;
    held_outputs_.push_back(std::move(output));
    if (plan().requests_wait || requests_.empty()) release_outputs(core, effects);
    end_if_idle();
}

void Payload::release_outputs(DroidCore& core, DroidEffects& effects)
{
    while (!held_outputs_.empty()) {
        auto output = std::move(held_outputs_.front());
        held_outputs_.pop_front();
        core.on_output(sim_.now, std::move(output), effects);
    }
}

/// Nothing of it is left.
void Payload::die(std::uint16_t error_code, char const* reason, DroidCore& core, DroidEffects& effects)
{
    if (error_code != 0) {
        for (auto const& worker : workers_) {
            if (worker.state == Worker::State::busy)
                ledger_.on_payload_failure(worker.what.range, FailKind::payload_death);
        }
        for (auto const& output : held_outputs_)
            ledger_.on_payload_failure(output.what.range, FailKind::payload_death);
        for (auto const& what : judged_) ledger_.on_payload_failure(what.range, FailKind::payload_death);
    }
    sim_.tell("payload {} of process {} is gone, code {}", job_, self_, error_code);
    running_ = up_ = false;
    workers_.clear();
    living_ = 0;
    requests_.clear();
    waiting_to_ask_.clear();
    held_outputs_.clear();
    judged_.clear();
    core.on_payload_ended(sim_.now, job_, error_code, reason, effects);
}

}  // namespace yoda::sim
