// SPDX-License-Identifier: Apache-2.0
// The dispatcher: the end of the allocation. When ranges may still be started, when workers must stop, when
// rank 0 waits no longer.
#include "yoda/dispatcher.hpp"

#include <algorithm>

namespace yoda {

void Dispatcher::on_drain(TimePoint now, TimePoint deadline, std::string_view why, DispatcherEffects& effects)
{
    if (over_) return;
    drain_deadline_ = std::min(drain_deadline_, deadline);
    if (!draining_) drain_began_ = now;
    if (finishing_) return check_end(now, effects);  // Droids are leaving already; now there is a deadline.
    if (!draining_) why_stopped_ = why;
    draining_ = true;
    auto const left = std::max<std::int64_t>(0, (worker_deadline() - now).ms());
    effects.note("drain", 0, static_cast<std::uint64_t>(left), why);
    for (Rank rank = 1; rank < droids_.size(); ++rank) {
        if (is_working(rank)) effects.send(rank, Drain{static_cast<std::uint32_t>(left)});
    }
    check_end(now, effects);
}

TimePoint Dispatcher::worker_deadline() const
{
    auto const end = std::min(policy_.end, drain_deadline_);
    if (end == TimePoint::never()) return end;
    auto const whole = std::min(policy_.walltime, end - policy_.begin);
    // Sealing takes a moment even where 2 % of the walltime is next to nothing.
    return end -
           std::max(std::min(policy_.seal_lead, whole * 0.02), std::min(Duration::from_s(1), whole * 0.1));
}

std::uint64_t Dispatcher::slow_event_us() const
{
    return event_times_.quantile_us(0.99);
}

/// Whether a usual range started now would still finish in time.
bool Dispatcher::may_start(TimePoint now) const
{
    if (policy_.end == TimePoint::never()) return true;
    auto const left = worker_deadline() - now;
    if (event_times_.count() == 0) return left > std::min(policy_.drain_lead, policy_.walltime * 0.1);
    return left.s() > static_cast<double>(slow_event_us()) * 1e-6 * usual_events_;
}

/// When rank 0 waits for nobody any more: a little before the end, as it has a journal to close.
TimePoint Dispatcher::last_moment() const
{
    auto const end = std::min(policy_.end, drain_deadline_);
    if (end == TimePoint::never()) return end;
    auto lead = std::max(Duration{}, end - worker_deadline());
    if (drain_deadline_ != TimePoint::never()) lead = std::clamp(end - drain_began_, Duration{}, lead);
    // The next look at the clock may come late.
    return end - std::max(lead * 0.1, std::min(Duration::from_ms(250), lead * 0.5));
}

void Dispatcher::send_limits(TimePoint now, Rank rank, DispatcherEffects& effects) const
{
    Limits limits;
    if (worker_deadline() != TimePoint::never())
        limits.time_left_ms =
            static_cast<std::uint32_t>(std::clamp<std::int64_t>((worker_deadline() - now).ms(), 0, none - 1));
    if (event_times_.count() > 0)
        limits.event_time_us = static_cast<std::uint32_t>(std::min<std::uint64_t>(slow_event_us(), none - 1));
    effects.send(rank, limits);
}

}  // namespace yoda
