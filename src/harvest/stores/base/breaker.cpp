// SPDX-License-Identifier: Apache-2.0
#include "harvest/stores/base/breaker.hpp"

#include <algorithm>

namespace yoda {

bool Breaker::allows_locked(TimePoint now) const
{
    if (stop_reason_) return false;
    if (open_count_ == 0) return now >= closed_from_;
    return now >= closed_from_ && !trial_running_;
}

bool Breaker::allows(TimePoint now) const
{
    std::scoped_lock const lock(mutex_);
    return allows_locked(now);
}

bool Breaker::try_enter(TimePoint now)
{
    std::scoped_lock const lock(mutex_);
    if (!allows_locked(now)) return false;
    if (open_count_ > 0) trial_running_ = true;
    return true;
}

void Breaker::on_success()
{
    std::scoped_lock const lock(mutex_);
    ever_succeeded_ = true;
    failure_count_ = 0;
    open_count_ = 0;
    trial_running_ = false;
}

void Breaker::on_failure(TimePoint now, Duration retry_after)
{
    std::scoped_lock const lock(mutex_);
    ++failure_count_;
    trial_running_ = false;
    // Requests that were under way when it opened fail too; they are one opening, not many.
    bool const already_open = open_count_ > 0 && now < closed_from_;
    closed_from_ = std::max(closed_from_, now + std::min(retry_after, policy_.longest_pause));
    if (failure_count_ < policy_.open_after || already_open) return;
    Duration pause = policy_.first_pause;
    for (unsigned i = 0; i < open_count_ && pause < policy_.longest_pause; ++i) pause = pause * 2;
    ++open_count_;
    closed_from_ = std::max(closed_from_, now + std::min(pause, policy_.longest_pause));
}

void Breaker::on_no_verdict()
{
    std::scoped_lock const lock(mutex_);
    trial_running_ = false;
}

void Breaker::stop(Error reason)
{
    std::scoped_lock const lock(mutex_);
    if (!stop_reason_) stop_reason_ = std::move(reason);
}

std::optional<Error> Breaker::stopped() const
{
    std::scoped_lock const lock(mutex_);
    return stop_reason_;
}

bool Breaker::ever_succeeded() const
{
    std::scoped_lock const lock(mutex_);
    return ever_succeeded_;
}

unsigned Breaker::failures_in_a_row() const
{
    std::scoped_lock const lock(mutex_);
    return failure_count_;
}

}  // namespace yoda
