// SPDX-License-Identifier: Apache-2.0
// The dispatcher: jobs as a whole. Ranges that are added, jobs that are
// closed, killed, done, or that no Droid can run.
#include "yoda/dispatcher.hpp"

#include <fmt/format.h>

namespace yoda {

Status Dispatcher::on_more_ranges(TimePoint now, JobIndex job, std::vector<EventRange> const& ranges,
                                  std::vector<std::string> const& pfns, DispatcherEffects& effects)
{
    // Tried on a copy of nothing but the checks first, so that a bad note changes nothing.
    EventTable trial;
    if (job >= panda_ids_.size())
        return Error{ErrorKind::bad_input, "event ranges for an unknown job", fmt::format("job {}", job), {}};
    if (pfns.size() != ranges.size() || table_.size() + ranges.size() >= none - 1)
        return Error{
            ErrorKind::bad_input,
            "event ranges cannot be taken",
            fmt::format("{} ranges with {} paths, beside {}", ranges.size(), pfns.size(), table_.size()),
            {}};
    for (std::size_t i = 0; i < ranges.size(); ++i) {
        if (auto added = trial.add_range(job, ranges[i], pfns[i]); !added) return added.error();
    }
    if (auto status = trial.check_duplicates(); !status) return status;
    // A crash may have come when a part of them was in the journal: then the note is applied again.
    auto const known = table_.find_known(job, ranges);
    if (!known) return known.error();

    std::size_t file_count = table_.files().size();
    for (std::size_t i = 0; i < ranges.size(); ++i) {
        if ((*known)[i]) continue;
        auto const added = table_.add_range(job, ranges[i], pfns[i]);
        YODA_CHECK(added, "a range that passed the trial can be added");
        for (; file_count < table_.files().size(); ++file_count)
            effects.record(
                journal::FileAdded{static_cast<FileIndex>(file_count), table_.files()[file_count]});
        auto const& row = table_.row(*added);
        std::string_view text;
        if (table_.files()[row.file].text_ids) text = table_.texts()[row.process_id];
        effects.record(journal::RangeAdded{*added, row, text});
    }
    job_sealed_[job] = false;
    ready_grew_ = true;
    effects.note("ranges_added", 0, ranges.size(), "");
    on_batch_end(now, effects);
    return {};
}

void Dispatcher::on_closed(TimePoint now, DispatcherEffects& effects)
{
    if (!policy_.closed) effects.record(journal::Closed{});
    policy_.closed = true;
    for (JobIndex job = 0; job < panda_ids_.size(); ++job) seal_if_done(job, effects);
    check_end(now, effects);
}

void Dispatcher::on_job_killed(TimePoint now, JobIndex job, DispatcherEffects& effects)
{
    if (job >= panda_ids_.size()) return;
    for (RangeIndex range = 0; range < table_.size(); ++range) {
        if (table_.job(range) != job) continue;
        auto const copies = table_.copies(range);
        end_copies(range, copies, 0, {}, effects);
    }
    auto const dropped = table_.drop_job(job);
    effects.record(journal::JobDropped{job});
    effects.note("job_dropped", 0, dropped, fmt::format("PandaID {}", panda_ids_[job]));
    seal_if_done(job, effects);
    check_end(now, effects);
}

void Dispatcher::seal_if_done(JobIndex job, DispatcherEffects& effects)
{
    if (job >= job_sealed_.size() || job_sealed_[job] || !policy_.closed || table_.unended_in_job(job) > 0)
        return;
    job_sealed_[job] = true;
    for (Rank rank = 1; rank < droids_.size(); ++rank) {
        if (is_working(rank)) effects.send(rank, SealJob{job});
    }
}

/// A job that no living Droid can run waits for a better day: its ranges stay ready,
/// the run ends without them.
void Dispatcher::hold_jobs_nobody_can_run(DispatcherEffects& effects)
{
    for (JobIndex job = 0; job < panda_ids_.size(); ++job) {
        bool any_blocked = false;
        bool any_able = false;
        for (Rank rank = 1; rank < droids_.size(); ++rank) {
            auto const state = droids_[rank].state;
            bool const there =
                state == DroidState::alive || state == DroidState::resetting || state == DroidState::absent;
            any_blocked |= is_blocked(rank, job);
            any_able |= there && !is_blocked(rank, job);
        }
        if (!any_blocked || any_able || held_jobs_[job]) continue;
        held_jobs_[job] = true;
        for (auto const& droid : droids_) {
            if (!droid.trouble.empty()) why_stopped_ = droid.trouble;
        }
        effects.note("job_held", 0, table_.unended_in_job(job), why_stopped_);
    }
}

}  // namespace yoda
