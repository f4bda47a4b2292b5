// SPDX-License-Identifier: Apache-2.0
// The Droid core: what payloads say and what becomes of their ranges, until an output goes to its bundle.
#include "droid/core/droid_core.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace yoda {

void DroidCore::on_payload_up(TimePoint now, JobIndex index, DroidEffects& effects)
{
    auto& job = jobs_[index];
    if (job.payload == PayloadState::starting) job.payload = PayloadState::up;
    work(now, effects);
}

void DroidCore::on_request(TimePoint now, JobIndex index, RequestId request, DroidEffects& effects)
{
    auto& job = jobs_[index];
    if (job.payload == PayloadState::starting) job.payload = PayloadState::up;
    job.requests.push_back(request);
    work(now, effects);
}

bool DroidCore::on_request_ahead(TimePoint now, JobIndex index, RequestId request, DroidEffects& effects)
{
    auto const& job = jobs_[index];
    // The last ranges stay where they can be recalled, for whoever is free first.
    bool const any_to_spare = job.queued_count > job.workers;
    return any_to_spare && job.payload == PayloadState::up && job.requests.empty() &&
           start_next(now, index, request, effects);
}

void DroidCore::on_request_gone(JobIndex index, RequestId request)
{
    auto& requests = jobs_[index].requests;
    requests.erase(std::remove(requests.begin(), requests.end(), request), requests.end());
}

void DroidCore::on_output(TimePoint now, RangeOutput output, DroidEffects& effects)
{
    count_busy(now);
    auto* flight = find_flight(output.what, FlightState::running);
    if (!flight) {  // Revoked, or given up, in the meantime.
        effects.discard(output);
        return;
    }
    JobIndex const index = flight->job;
    auto& job = jobs_[index];
    if (job.policy.has_output && output.paths.empty()) {
        on_failure(now, output.what, FailKind::failed, code::missing_output, "the payload named no output",
                   effects);
        return;
    }
    cpu_ms_ += output.cpu_ms;
    --job.running;
    --running_count_;
    flight->output = std::move(output);
    flight->output.job = index;
    if (!job.policy.has_output) {
        flight->state = FlightState::reported;
        job.starts = 0;
        entries_.assign(1, {flight->output.what.range, flight->output.what.hand_out, flight->output.cpu_ms,
                            flight->output.wall_ms});
        reports_.push_back({next_report_, none, {flight->output.what}});
        effects.send(Finished{next_report_++, none, index, entries_});
        return;
    }
    if (job.bundle == none) {
        job.bundle = next_bundle_++;
        Bundle bundle;
        bundle.job = index;
        bundle.opened = now;
        bundles_.emplace(job.bundle, std::move(bundle));
    }
    flight->state = FlightState::storing;
    flight->bundle = job.bundle;
    ++job.storing;
    ++bundles_.at(job.bundle).pending;
    effects.store(job.bundle, flight->output);
}

void DroidCore::on_failure(TimePoint now, HandOut what, FailKind kind, std::uint16_t error_code,
                           std::string_view reason, DroidEffects& effects)
{
    count_busy(now);
    if (!find_flight(what, FlightState::running)) return;
    end_flight(flights_.find(what.range));
    effects.send(Failed{what, kind, error_code, reason});
    check_leaving(now, effects);
}

/// Ranges that run longer than their job allows are killed and have failed.
void DroidCore::fail_slow_ranges(TimePoint now, DroidEffects& effects)
{
    if (now <= next_slow_) return;
    next_slow_ = TimePoint::never();
    std::vector<HandOut> slow;
    visit_running([&](HandOut what, JobIndex index, TimePoint since) {
        auto const last = since + jobs_[index].policy.range_limit;
        if (now > last)
            slow.push_back(what);
        else
            next_slow_ = std::min(next_slow_, last);
    });
    for (auto const& what : slow) {
        auto const limit_s = jobs_[flights_.at(what.range).job].policy.range_limit.s();
        drop_flight(what.range, true, effects);
        effects.send(Failed{what, FailKind::failed, code::looping_job,
                            fmt::format("the range ran longer than its limit of {} s", limit_s)});
    }
}

void DroidCore::on_worker_ended(TimePoint now, JobIndex index, DroidEffects& effects)
{
    auto& job = jobs_[index];
    if (job.workers > 0) {
        --job.workers;
        ++free_workers_;
    }
    work(now, effects);
    check_leaving(now, effects);
}

void DroidCore::on_payload_ended(TimePoint now, JobIndex index, std::uint16_t error_code,
                                 std::string_view reason, DroidEffects& effects)
{
    count_busy(now);
    auto& job = jobs_[index];
    job.payload = PayloadState::off;
    free_workers_ += job.workers;
    job.workers = 0;
    job.requests.clear();
    std::vector<HandOut> left;
    visit_running([&](HandOut what, JobIndex its, TimePoint) {
        if (its == index) left.push_back(what);
    });
    for (auto const& what : left) {
        end_flight(flights_.find(what.range));
        // Blame the payload even if it exited normally: it took these ranges and never reported them.
        // Without a penalty a range that kills its worker would return for ever.
        if (!killed_rest_)
            effects.send(Failed{what, FailKind::payload_death,
                                error_code != 0 ? error_code : code::athenamp_died, reason});
    }
    if (!left.empty() && killed_rest_) effects.send(GivenBack{left});
    if (error_code != 0) effects.note("payload_died", index, left.size(), reason);
    // What is being stored may count as a finished range yet.
    if (error_code != 0 && job.starts >= policy_.payload_starts && job.storing == 0 && !job.given_up) {
        job.given_up = true;
        give_back_queue(job, job.queued_count, effects);
        effects.send(Trouble{index, error_code, reason});
    }
    work(now, effects);
    check_leaving(now, effects);
}

DroidCore::Flight* DroidCore::find_flight(HandOut what, FlightState state)
{
    auto const found = flights_.find(what.range);
    bool const it =
        found != flights_.end() && found->second.hand_out == what.hand_out && found->second.state == state;
    return it ? &found->second : nullptr;
}

/// The range runs no more; what happens to it next is the caller's business.
void DroidCore::end_flight(std::unordered_map<RangeIndex, Flight>::iterator flight)
{
    auto& job = jobs_[flight->second.job];
    if (flight->second.state == FlightState::running) {
        --job.running;
        --running_count_;
    } else if (flight->second.state == FlightState::storing) {
        --job.storing;
    }
    flights_.erase(flight);
}

/// Stops a running range; nobody is told.
void DroidCore::drop_flight(RangeIndex range, bool must_stop, DroidEffects& effects)
{
    auto const flight = flights_.find(range);
    effects.kill_range(flight->second.job, {range, flight->second.hand_out}, must_stop);
    end_flight(flight);
}

}  // namespace yoda
