// SPDX-License-Identifier: Apache-2.0
// The Droid core: brings queues, workers and payloads together.
#include "droid/core/droid_core.hpp"

#include <algorithm>

namespace yoda {

namespace {

/// How long a request that holds back outputs may wait while ranges cannot be started for want of disk.
constexpr Duration request_patience = Duration::from_s(60);

}  // namespace

/// Brings queues, workers and payloads together after anything has changed.
void DroidCore::work(TimePoint now, DroidEffects& effects)
{
    for (JobIndex i = 0; i < jobs_.size(); ++i) serve(now, i, effects);
    if (draining_ || no_more_) return;
    for (JobIndex i = 0; i < jobs_.size(); ++i) {
        auto& job = jobs_[i];
        if (job.queued_count == 0 || job.given_up || job.held || job.policy.null_payload) continue;
        if (free_workers_ == 0 || (job.policy.fixed_workers && free_workers_ < policy_.worker_count)) {
            // Its turn comes when workers of jobs that have nothing to do are done.
            for (JobIndex other = 0; other < jobs_.size(); ++other) {
                if (other == i || jobs_[other].queued_count > 0 || jobs_[other].payload != PayloadState::up)
                    continue;
                if (job.policy.fixed_workers || jobs_[other].policy.fixed_workers)
                    begin_ending(other, effects);
                else
                    end_requests(other, effects);
            }
            continue;
        }
        if (job.payload == PayloadState::off) {
            if (!job.policy.requests_wait && !may_start(now, job)) continue;
            job.workers = free_workers_;
            free_workers_ = 0;
            job.payload = PayloadState::starting;
            ++job.starts;
            effects.start_payload(i, job.workers);
        } else if (job.payload == PayloadState::up && !job.policy.fixed_workers) {
            auto const more =
                static_cast<std::uint32_t>(std::min<std::uint64_t>(free_workers_, job.queued_count));
            job.workers += more;
            free_workers_ -= more;
            effects.add_workers(i, more);
        }
    }
    ask_if_idle(effects);
}

void DroidCore::serve(TimePoint now, JobIndex index, DroidEffects& effects)
{
    auto& job = jobs_[index];
    while (!job.requests.empty() && !job.queue.empty() && job.payload == PayloadState::up) {
        // Off the list first: an answer that cannot be given makes the channel ask anew, from within.
        RequestId const request = job.requests.front();
        job.requests.pop_front();
        if (!start_next(now, index, request, effects)) {
            job.requests.push_front(request);
            break;
        }
    }
    // What is queued may not be started: waiting for that would hold back the outputs of the whole node.
    bool const too_late = !job.queue.empty() && !in_time(now, job);
    bool const paused_long = paused_ && now - unpaused_ > request_patience;
    if (!job.policy.requests_wait && !job.requests.empty() && job.payload == PayloadState::up &&
        (too_late || paused_long))
        begin_ending(index, effects);
    if (job.payload == PayloadState::ending) end_requests(index, effects);
}

bool DroidCore::start_next(TimePoint now, JobIndex index, RequestId request, DroidEffects& effects)
{
    auto& job = jobs_[index];
    if (!may_start(now, job) || !bring_startable_forward(job)) return false;
    auto const next = take_first(job);
    WorkItem const item = make_item(next.run, next.text_id);

    count_busy(now);
    Flight flight;
    flight.hand_out = item.what.hand_out;
    flight.job = index;
    flight.since = now;
    flights_.emplace(item.what.range, std::move(flight));
    next_slow_ = std::min(next_slow_, now + job.policy.range_limit);
    ++job.running;
    ++running_count_;
    effects.answer(request, item);
    return true;
}

/// The queue's first range, as a run of one.
DroidCore::QueuedRun DroidCore::take_first(Job& job)
{
    auto& run = job.queue.front().run;
    QueuedRun first = job.queue.front();
    first.run.count = 1;
    run.first += run.stride;
    run.process_id += run.process_stride;
    ++run.begin;
    --job.queued_count;
    if (--run.count == 0) job.queue.pop_front();
    return first;
}

/// A range of which an older hand-out is still on its way to the disk (rank 0 had given this Droid up) waits
/// until rank 0 has decided about that one: others go first. Given back, it would come again at once.
bool DroidCore::bring_startable_forward(Job& job)
{
    for (auto left = job.queued_count; left > 0; --left) {
        if (!flights_.contains(job.queue.front().run.begin)) return true;
        auto held_up = take_first(job);
        ++job.queued_count;
        job.queue.push_back(std::move(held_up));
    }
    return false;
}

/// Whether the job's next range would, started now, probably end before workers must be done.
bool DroidCore::in_time(TimePoint now, Job const& job) const
{
    auto const events = job.queue.front().run.events;
    if (worker_deadline_ == TimePoint::never()) return true;
    auto const needed_ns =
        event_time_us_ == none ? 0 : static_cast<std::int64_t>(event_time_us_) * 1000 * events;
    return (worker_deadline_ - now).ns > needed_ns + job.policy.finalisation.ns;
}

bool DroidCore::may_start(TimePoint now, Job const& job) const
{
    return !job.queue.empty() && !paused_ && in_time(now, job);
}

WorkItem DroidCore::make_item(RangeRun const& run, std::string const& text_id) const
{
    auto const& file = files_[run.file];
    WorkItem item;
    item.what = {run.begin, run.hand_out};
    item.job = file.job;
    item.range.id =
        !text_id.empty()
            ? text_id
            : RangeId{file.task_id, file.panda_id, file.file_id, run.process_id, run.attempt}.text();
    item.range.start_event = run.first;
    item.range.last_event = run.last_event(0);
    item.range.lfn = file.lfn;
    item.range.guid = file.guid;
    item.range.scope = file.scope;
    item.pfn = file.pfn;
    return item;
}

void DroidCore::release_job(TimePoint now, JobIndex job, DroidEffects& effects)
{
    jobs_[job].held = false;
    work(now, effects);
}

/// Tells rank 0 how many workers have nothing to do, whenever they have become more.
void DroidCore::ask_if_idle(DroidEffects& effects)
{
    if (draining_ || no_more_ || stuck_) return;
    std::uint64_t idle = free_workers_;
    for (auto const& job : jobs_) {
        if (job.queued_count > 0) return;
        if (job.payload == PayloadState::up) idle += job.requests.size();
    }
    if (idle <= asked_idle_) return;
    asked_idle_ = static_cast<std::uint32_t>(idle);
    effects.send(Request{asked_idle_});
}

void DroidCore::handle(TimePoint now, NothingNow const&, DroidEffects& effects)
{
    for (JobIndex i = 0; i < jobs_.size(); ++i) {
        auto& job = jobs_[i];
        // Its unanswered request would hold back the outputs of the whole node; later ranges start it anew.
        if (!job.policy.requests_wait && job.payload == PayloadState::up && !job.requests.empty() &&
            job.queued_count == 0)
            begin_ending(i, effects);
    }
    check_leaving(now, effects);
}

void DroidCore::end_requests(JobIndex index, DroidEffects& effects)
{
    auto& requests = jobs_[index].requests;
    while (!requests.empty()) {
        RequestId const request = requests.front();
        requests.pop_front();
        effects.end(index, request);
    }
}

void DroidCore::begin_ending(JobIndex index, DroidEffects& effects)
{
    auto& job = jobs_[index];
    if (job.payload == PayloadState::off) return;
    end_requests(index, effects);
    if (job.payload == PayloadState::ending) return;
    job.payload = PayloadState::ending;
    effects.stop_payload(index, false);
}

}  // namespace yoda
