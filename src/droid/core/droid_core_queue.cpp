// SPDX-License-Identifier: Apache-2.0
// The Droid core: the queue of ranges that rank 0 has granted, revokes or recalls.
#include "droid/core/droid_core.hpp"

#include <algorithm>

namespace yoda {

void DroidCore::handle(TimePoint now, Grant const& message, DroidEffects& effects)
{
    auto& job = jobs_[files_[message.run.file].job];
    asked_idle_ = 0;
    if (job.policy.null_payload) {
        finish_null_run(message.run, files_[message.run.file].job, effects);
        return;
    }
    job.queue.push_back({message.run, std::string(message.text_id)});
    job.queued_count += message.run.count;
    job.done = false;
    if (job.given_up || draining_ || no_more_) {
        give_back_queue(job, job.queued_count, effects);
        return;
    }
    work(now, effects);
}

void DroidCore::finish_null_run(RangeRun const& run, JobIndex job, DroidEffects& effects)
{
    for (std::uint32_t done = 0; done < run.count;) {
        auto const part = std::min<std::uint32_t>(run.count - done, max_finished_entries);
        entries_.clear();
        for (std::uint32_t i = 0; i < part; ++i)
            entries_.push_back({run.begin + done + i, run.hand_out, 0, 0});
        effects.send(Finished{next_report_++, none, job, entries_});
        done += part;
    }
}

void DroidCore::handle(TimePoint now, Revoke const& message, DroidEffects& effects)
{
    for (auto const& what : message.entries) {
        if (find_flight(what, FlightState::running)) {
            effects.kill_range(flights_.at(what.range).job, what, false);
            count_busy(now);
            end_flight(flights_.find(what.range));
            continue;
        }
        for (auto& job : jobs_) {
            auto const found = std::find_if(job.queue.begin(), job.queue.end(), [&](QueuedRun const& queued) {
                return queued.run.hand_out == what.hand_out &&
                       what.range - queued.run.begin < queued.run.count;
            });
            if (found == job.queue.end()) continue;
            RangeRun const whole = found->run;
            std::uint32_t const before = what.range - whole.begin;
            auto const after = found->run.count - before - 1;
            --job.queued_count;
            RangeRun rest = whole;
            rest.begin += before + 1;
            rest.first = whole.first_event(before + 1);
            rest.process_id = whole.process(before + 1);
            rest.count = after;
            found->run.count = before;
            auto next = found + 1;
            if (after > 0) next = job.queue.insert(next, {rest, {}});
            if (before == 0) job.queue.erase(next - 1);
            break;
        }
    }
    work(now, effects);
    check_leaving(now, effects);
}

void DroidCore::handle(TimePoint, Recall const& message, DroidEffects& effects)
{
    std::uint64_t left = message.count;
    for (auto& job : jobs_) {
        auto const before = job.queued_count;
        give_back_queue(job, left, effects);
        left -= before - job.queued_count;
    }
    if (left == message.count && !stuck_) effects.send(GivenBack{});  // Says that there was nothing to give.
}

void DroidCore::give_back_queue(Job& job, std::uint64_t most, DroidEffects& effects)
{
    hand_outs_.clear();
    while (hand_outs_.size() < most && !job.queue.empty()) {
        auto& run = job.queue.back().run;
        hand_outs_.push_back({run.begin + run.count - 1, run.hand_out});
        --job.queued_count;
        if (--run.count == 0) job.queue.pop_back();
    }
    if (!hand_outs_.empty()) effects.send(GivenBack{hand_outs_});
}

}  // namespace yoda
