// SPDX-License-Identifier: Apache-2.0
// The dispatcher: what became of a hand-out (finished, failed, given back), and the
// bundles that hold outputs.
#include "yoda/dispatcher.hpp"

namespace yoda {

void Dispatcher::handle(TimePoint now, Rank from, Finished const& finished, DispatcherEffects& effects)
{
    if (finished.job >= panda_ids_.size()) return reject_all(from, finished, effects);
    auto& droid = droids_[from];
    auto const bundle = find_bundle(from, droid, finished.job, finished.bundle_sequence, effects);
    accepted_.clear();
    rejected_.clear();
    for (auto const& entry : finished.entries) {
        Epoch const epoch = Epoch::make(table_.life(), entry.hand_out);
        auto const copies = table_.copies(entry.range);
        bool const is_of_job = entry.range < table_.size() && table_.job(entry.range) == finished.job;
        if (!is_of_job ||
            table_.finish(entry.range, epoch, bundle, entry.cpu_ms, entry.wall_ms) != Outcome::accepted) {
            // A repeat of what counts already is acknowledged like the first time.
            if (!is_of_job || !table_.is_winner(entry.range, epoch, bundle))
                rejected_.push_back({entry.range, entry.hand_out});
            continue;
        }
        accepted_.push_back(entry);
        end_copies(entry.range, copies, from, epoch, effects);
        auto const& row = table_.row(entry.range);
        event_times_.add(entry.wall_ms * 1000ull / (row.last - row.first + 1));
    }
    if (!accepted_.empty()) effects.record(journal::RangesFinished{bundle, table_.life(), accepted_});
    if (!rejected_.empty()) {
        effects.send(from, Rejected{rejected_});
        effects.note("duplicates_rejected", from, rejected_.size(),
                     "another copy had finished, or it was given up");
    }
    effects.accept(from, finished.sequence);
    droid.finished_count += accepted_.size();
    count_rate(droid, now, static_cast<std::uint32_t>(accepted_.size()));
    if (!accepted_.empty()) seal_if_done(finished.job, effects);
    if (droid.state == DroidState::alive) make_hungry(from);
}

void Dispatcher::reject_all(Rank from, Finished const& finished, DispatcherEffects& effects)
{
    rejected_.clear();
    for (auto const& entry : finished.entries) rejected_.push_back({entry.range, entry.hand_out});
    if (!rejected_.empty()) effects.send(from, Rejected{rejected_});
    effects.accept(from, finished.sequence);
    effects.note("finished_of_nothing_we_know", from, rejected_.size(), "no such job");
}

/// The range has ended by hand-out `epoch` of rank `from`: nobody holds it any more, other copies must stop.
void Dispatcher::end_copies(RangeIndex range, EventTable::Copies const& copies, Rank from, Epoch epoch,
                            DispatcherEffects& effects)
{
    for (unsigned i = 0; i < copies.count; ++i) {
        --droids_[copies.ranks[i]].outstanding_count;
        if (copies.ranks[i] != from || copies.epochs[i] != epoch)
            revoke(copies.ranks[i], range, copies.epochs[i], effects);
    }
}

void Dispatcher::handle(TimePoint, Rank from, Failed const& failed, DispatcherEffects& effects)
{
    auto const range = failed.what.range;
    auto const epoch = Epoch::make(table_.life(), failed.what.hand_out);
    auto const copies = table_.copies(range);
    auto const outcome = table_.fail(range, epoch, from, failed.kind, failed.error_code);
    if (outcome == Outcome::ignored) return;
    auto& droid = droids_[from];
    bool const is_given_back = failed.kind == FailKind::given_back;
    if (!is_given_back) ++droid.failed_count;
    if (outcome == Outcome::ended)
        end_copies(range, copies, from, epoch, effects);
    else
        --droid.outstanding_count;
    if (!is_given_back || outcome == Outcome::ended) record_failure(range, failed.reason, effects);
    ready_grew_ = true;
    if (outcome == Outcome::ended) seal_if_done(table_.job(range), effects);
    make_hungry(from);
}

void Dispatcher::record_failure(RangeIndex range, std::string_view reason, DispatcherEffects& effects)
{
    auto const& progress = table_.progress(range);
    journal::RangeFailed record;
    record.range = range;
    record.state = progress.state == RangeState::sent ? RangeState::ready : progress.state;
    record.burnt = progress.burnt;
    record.error_code = progress.state != RangeState::sent && progress.holder != none
                            ? static_cast<std::uint16_t>(progress.holder)
                            : std::uint16_t{0};
    record.reason = reason;
    effects.record(record);
    effects.note(is_ended(progress.state) ? "range_gave_up" : "range_failed", 0, range, reason);
}

void Dispatcher::handle(TimePoint, Rank from, GivenBack const& given_back, DispatcherEffects& effects)
{
    for (auto const& what : given_back.entries)
        take_back(from, what.range, Epoch::make(table_.life(), what.hand_out), effects);
    if (given_back.entries.empty()) return;  // It had nothing to give: asking again at once would not help.
    droids_[from].recalled = TimePoint{};
    ready_grew_ = true;
}

void Dispatcher::take_back(Rank rank, RangeIndex range, Epoch epoch, DispatcherEffects& effects)
{
    auto const outcome = table_.give_back(range, epoch, rank);
    if (outcome == Outcome::ignored) return;
    --droids_[rank].outstanding_count;
    if (outcome != Outcome::ended) return;
    record_failure(range, "no try left", effects);  // They were used up while this copy still ran.
    seal_if_done(table_.job(range), effects);
}

BundleNumber Dispatcher::find_bundle(Rank from, DroidInfo& droid, JobIndex job, std::uint32_t sequence,
                                     DispatcherEffects& effects)
{
    if (sequence == none) return none;
    if (sequence == droid.last_bundle_sequence && job == droid.last_bundle_job) return droid.last_bundle;
    BundleOrigin const origin{panda_ids_[job], job, table_.life(), from, sequence, table_.run_id()};
    auto const known = table_.find_bundle(origin);
    droid.last_bundle = known != none ? known : table_.bundle(origin);
    droid.last_bundle_sequence = sequence;
    droid.last_bundle_job = job;
    if (known == none)
        effects.record(journal::BundleChanged{droid.last_bundle, table_.bundles()[droid.last_bundle]});
    return droid.last_bundle;
}

void Dispatcher::handle(TimePoint, Rank from, Sealed const& sealed, DispatcherEffects& effects)
{
    if (sealed.job >= panda_ids_.size()) return;
    auto const number = table_.find_bundle(
        {panda_ids_[sealed.job], sealed.job, table_.life(), from, sealed.bundle_sequence, table_.run_id()});
    if (number == none) return;
    table_.seal_bundle(number);
    effects.record(journal::BundleChanged{number, table_.bundles()[number]});
    effects.note("bundle_sealed", from, sealed.entry_count, bundle_name(table_.bundles()[number].origin));
}

void Dispatcher::on_bundle_lost(TimePoint now, BundleOrigin const& origin, DispatcherEffects& effects)
{
    auto const number = table_.find_bundle(origin);
    if (number == none || table_.bundles()[number].lost) return;
    auto const lost = table_.lose_bundle(number);
    effects.record(journal::BundleChanged{number, table_.bundles()[number]});
    effects.note("bundle_lost", 0, lost.size(), bundle_name(origin));
    if (origin.job < job_sealed_.size()) job_sealed_[origin.job] = false;
    ready_grew_ = true;
    // What a killed job has lost is not made again.
    if (table_.job_counts(origin.job)[static_cast<std::size_t>(RangeState::dropped)] > 0)
        on_job_killed(now, origin.job, effects);
}

}  // namespace yoda
