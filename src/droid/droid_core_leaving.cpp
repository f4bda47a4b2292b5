// The Droid core: a job or the run ends, or the allocation does.
#include "droid/droid_core.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace yoda {

void DroidCore::handle(TimePoint now, SealJob const& message, DroidEffects& effects)
{
    if (message.job >= jobs_.size()) return;
    auto& job = jobs_[message.job];
    job.done = true;
    if (job.payload != PayloadState::off) begin_ending(message.job, effects);
    if (job.running == 0 && job.storing == 0 && job.bundle != none) close_bundle(job.bundle, effects);
    work(now, effects);
}

void DroidCore::handle(TimePoint now, NothingEver const&, DroidEffects& effects)
{
    no_more_ = true;
    leave(now, effects);
}

void DroidCore::handle(TimePoint now, Limits const& message, DroidEffects& effects)
{
    worker_deadline_ =
        message.time_left_ms == none ? TimePoint::never() : now + Duration::from_ms(message.time_left_ms);
    event_time_us_ = message.event_time_us;
    work(now, effects);
}

void DroidCore::handle(TimePoint now, Drain const& message, DroidEffects& effects)
{
    worker_deadline_ = now + Duration::from_ms(message.time_left_ms);
    draining_ = true;
    leave(now, effects);
}

/// There is too little disk to start anything, and nothing is left here that would free some.
void DroidCore::give_up_paused(TimePoint now, DroidEffects& effects)
{
    auto const is_at_work = [](Job const& job) { return job.running > 0 || job.storing > 0; };
    if (std::any_of(jobs_.begin(), jobs_.end(), is_at_work)) return;
    auto const reason = fmt::format(
        "no range could be started for {:.0f} s: {} MB of work space are free, "
        "disk.free_running asks for more",
        (now - unpaused_).s(), free_bytes_ / 1'000'000);
    for (JobIndex index = 0; index < jobs_.size(); ++index) {
        auto& job = jobs_[index];
        if (job.given_up || job.queued_count == 0) continue;
        job.given_up = true;
        give_back_queue(job, job.queued_count, effects);
        effects.send(Trouble{index, code::no_local_space, reason});
        begin_ending(index, effects);
    }
}

/// Workers' deadline: what still runs goes back at no cost.
void DroidCore::kill_rest(DroidEffects& effects)
{
    killed_rest_ = true;
    std::vector<HandOut> left;
    visit_running([&](HandOut what, JobIndex, TimePoint) { left.push_back(what); });
    for (auto const& what : left) end_flight(flights_.find(what.range));
    if (!left.empty()) effects.send(GivenBack{left});
    for (JobIndex i = 0; i < jobs_.size(); ++i) {
        if (jobs_[i].payload == PayloadState::off) continue;
        jobs_[i].payload = PayloadState::ending;
        effects.stop_payload(i, true);
    }
}

void DroidCore::leave(TimePoint now, DroidEffects& effects)
{
    for (JobIndex i = 0; i < jobs_.size(); ++i) {
        give_back_queue(jobs_[i], jobs_[i].queued_count, effects);
        begin_ending(i, effects);
    }
    check_leaving(now, effects);
}

void DroidCore::check_leaving(TimePoint now, DroidEffects& effects)
{
    if (gone_ || !(no_more_ || draining_)) return;
    for (auto const& job : jobs_) {
        if (job.payload != PayloadState::off || job.running > 0 || job.storing > 0) return;
    }
    std::vector<std::uint32_t> open;
    for (auto const& [sequence, bundle] : bundles_) {
        if (!bundle.closing) open.push_back(sequence);
    }
    for (auto const sequence : open) close_bundle(sequence, effects);
    if (!bundles_.empty() || !reports_.empty()) return;
    gone_ = true;
    count_busy(now);
    send_heartbeat(now, effects);  // The last figures count too.
    effects.send(Goodbye{});
}

}  // namespace yoda
