// SPDX-License-Identifier: Apache-2.0
// The dispatcher: when the run is over, and how it ended.
#include "yoda/dispatcher.hpp"

#include <algorithm>

namespace yoda {

/// Ranges that have not ended and that some Droid could run.
std::uint64_t Dispatcher::workable_count() const
{
    std::uint64_t count = table_.unended_count();
    for (JobIndex job = 0; job < held_jobs_.size(); ++job) {
        if (held_jobs_[job]) count -= table_.unended_in_job(job);
    }
    return count;
}

void Dispatcher::check_end(TimePoint now, DispatcherEffects& effects)
{
    if (over_) return;
    bool const all_held =
        !held_jobs_.empty() && std::find(held_jobs_.begin(), held_jobs_.end(), false) == held_jobs_.end();
    if (!finishing_ && (policy_.closed || all_held) && workable_count() == 0) {
        finishing_ = true;
        for (Rank rank = 1; rank < droids_.size(); ++rank) {
            if (is_working(rank)) effects.send(rank, NothingEver{});
        }
    }
    bool const too_late = (draining_ || finishing_) && now > last_moment();
    if (waited_for_count_ > 0 && !too_late) return;
    over_ = true;
    if (table_.unended_count() > 0 && why_stopped_.empty())
        why_stopped_ = finishing_ ? "outputs were lost when the Droids had left" : "no Droid is left";
    effects.note("over", 0, table_.unended_count(), why_stopped_);
}

int Dispatcher::exit_code() const
{
    auto const& counts = table_.counts();
    if (table_.unended_count() == 0 && policy_.closed)
        return counts[static_cast<std::size_t>(RangeState::failed)] +
                   counts[static_cast<std::size_t>(RangeState::fatal)] >
               0;
    bool const is_held = workable_count() < table_.unended_count();
    return is_held && !draining_ ? 4 : 3;
}

}  // namespace yoda
