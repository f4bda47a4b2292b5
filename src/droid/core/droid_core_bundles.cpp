// SPDX-License-Identifier: Apache-2.0
// The Droid core: bundles, from the first output stored to the sealed file, and what rank 0 counts of them.
#include "droid/core/droid_core.hpp"

namespace yoda {

namespace {

constexpr unsigned bundle_failures_allowed = 3;

}  // namespace

void DroidCore::on_stored(TimePoint now, JobIndex index, std::uint32_t sequence,
                          std::vector<Stored> const& stored, DroidEffects& effects)
{
    auto const found = bundles_.find(sequence);
    if (found == bundles_.end()) return;
    auto& bundle = found->second;
    auto& job = jobs_[index];
    entries_.clear();
    Report report{next_report_, sequence, {}};
    auto const flush = [&] {
        if (entries_.empty()) return;
        report.sequence = next_report_++;
        effects.send(Finished{report.sequence, sequence, index, entries_});
        bundle.reported += static_cast<std::uint32_t>(report.entries.size());
        reports_.push_back(report);
        report.entries.clear();
        entries_.clear();
    };
    for (auto const& entry : stored) {
        auto* flight = find_flight(entry.what, FlightState::storing);
        YODA_CHECK(flight, "what the bundle writer stored was being stored");
        flight->state = FlightState::reported;
        --job.storing;
        --bundle.pending;
        bundle.bytes = entry.bundle_bytes;
        entries_.push_back(
            {entry.what.range, entry.what.hand_out, flight->output.cpu_ms, flight->output.wall_ms});
        report.entries.push_back(entry.what);
        if (entries_.size() == max_finished_entries) flush();
    }
    flush();
    job.starts = 0;
    if (bundle.bytes >= policy_.bundle_limit_bytes) close_bundle(sequence, effects);
    if (job.done && job.running == 0 && job.storing == 0 && job.bundle != none)
        close_bundle(job.bundle, effects);
    check_leaving(now, effects);
}

void DroidCore::handle(TimePoint now, Accepted const& message, DroidEffects& effects)
{
    while (!reports_.empty() && reports_.front().sequence <= message.sequence) {
        auto const& report = reports_.front();
        for (auto const& what : report.entries) {
            auto const flight = flights_.find(what.range);
            if (flight == flights_.end() || flight->second.hand_out != what.hand_out) continue;
            effects.discard(flight->second.output);
            flights_.erase(flight);
        }
        auto const number = report.bundle;
        auto const count = static_cast<std::uint32_t>(report.entries.size());
        reports_.pop_front();
        if (auto const bundle = bundles_.find(number); bundle != bundles_.end()) {
            bundle->second.reported -= count;
            seal_if_settled(number, effects);
        }
    }
    check_leaving(now, effects);
}

void DroidCore::handle(TimePoint, Rejected const& message, DroidEffects&)
{
    for (auto const& what : message.entries) {
        auto const flight = flights_.find(what.range);
        if (flight == flights_.end() || flight->second.hand_out != what.hand_out) continue;
        if (auto const bundle = bundles_.find(flight->second.bundle); bundle != bundles_.end())
            bundle->second.rejected.push_back(what);
    }
}

void DroidCore::on_output_bad(TimePoint now, HandOut what, std::uint16_t error_code, std::string_view reason,
                              DroidEffects& effects)
{
    auto* flight = find_flight(what, FlightState::storing);
    if (!flight) return;
    auto const bundle = flight->bundle;
    end_flight(flights_.find(what.range));
    if (auto const found = bundles_.find(bundle); found != bundles_.end()) --found->second.pending;
    auto const kind = error_code == code::es_fatal ? FailKind::fatal : FailKind::failed;
    effects.send(Failed{what, kind, error_code, reason});
    seal_if_settled(bundle, effects);
    check_leaving(now, effects);
}

void DroidCore::close_old_bundles(TimePoint now, DroidEffects& effects)
{
    for (auto& job : jobs_) {
        if (job.bundle != none && now - bundles_.at(job.bundle).opened > policy_.bundle_limit_age)
            close_bundle(job.bundle, effects);
    }
}

/// No new entries from now on; it is sealed when all that it holds is accepted or rejected.
void DroidCore::close_bundle(std::uint32_t sequence, DroidEffects& effects)
{
    auto& bundle = bundles_.at(sequence);
    bundle.closing = true;
    if (jobs_[bundle.job].bundle == sequence) jobs_[bundle.job].bundle = none;
    seal_if_settled(sequence, effects);
}

void DroidCore::seal_if_settled(std::uint32_t sequence, DroidEffects& effects)
{
    auto const found = bundles_.find(sequence);
    if (found == bundles_.end()) return;
    auto& bundle = found->second;
    if (!bundle.closing || bundle.sealing || bundle.pending > 0 || bundle.reported > 0) return;
    bundle.sealing = true;
    effects.seal(bundle.job, sequence, bundle.rejected);
}

void DroidCore::on_sealed(TimePoint now, JobIndex index, std::uint32_t sequence, std::uint64_t bytes,
                          std::uint32_t entry_count, DroidEffects& effects)
{
    bundles_.erase(sequence);
    if (entry_count > 0) effects.send(Sealed{index, sequence, bytes, entry_count});
    check_leaving(now, effects);
}

void DroidCore::on_bundle_failed(TimePoint now, JobIndex index, std::uint32_t sequence,
                                 std::string_view reason, DroidEffects& effects)
{
    auto& job = jobs_[index];
    effects.note("bundle_failed", index, sequence, reason);
    if (job.bundle == sequence) job.bundle = none;
    bundles_.erase(sequence);  // What it has reported stays on disk under its .part name: recovery seals it.
    std::vector<HandOut> lost;
    for (auto const& [range, flight] : flights_) {
        if (flight.state == FlightState::storing && flight.bundle == sequence)
            lost.push_back({range, flight.hand_out});
    }
    for (auto const& what : lost) {
        auto const flight = flights_.find(what.range);
        effects.discard(flight->second.output);
        end_flight(flight);
    }
    if (!lost.empty()) effects.send(GivenBack{lost});
    if (++bundle_failures_ >= bundle_failures_allowed && !job.given_up) {
        job.given_up = true;
        give_back_queue(job, job.queued_count, effects);
        effects.send(Trouble{index, code::no_local_space, reason});
        if (job.payload != PayloadState::off) begin_ending(index, effects);
    }
    check_leaving(now, effects);
}

}  // namespace yoda
