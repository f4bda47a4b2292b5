// SPDX-License-Identifier: Apache-2.0
#include "core/journal/replay.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace yoda {

using namespace journal;

namespace {

constexpr std::size_t max_reasons = 10'000;
constexpr std::size_t max_reason_bytes = 500;
constexpr std::uint32_t max_bundle_jump = 1u << 20;

std::string print_place(JournalPlace const& place)
{
    return fmt::format("{} at {}", place.segment, place.offset);
}

/// Whether the record says something about the table (else about the run as a whole).
bool is_about_table(Record const& record)
{
    return !std::holds_alternative<LifeStarted>(record) && !std::holds_alternative<LifeEnded>(record) &&
           !std::holds_alternative<InboxApplied>(record) && !std::holds_alternative<Closed>(record);
}

}  // namespace

Replay::Replay(EventTable& table, Life checkpoint_life, std::uint64_t checkpoint_sequence)
    : table_(table),
      checkpoint_life_(checkpoint_life),
      checkpoint_sequence_(checkpoint_sequence),
      last_sequence_(checkpoint_sequence),
      bundles_(table.bundles()),
      known_bundles_(table.bundles().size(), true)
{}

void Replay::begin_life(Life life, std::uint64_t first_sequence)
{
    auto const [known, fresh] = life_begins_.try_emplace(life, first_sequence);
    if (!fresh) known->second = std::min(known->second, first_sequence);
    limit_ = UINT64_MAX;
    for (auto newer = life_begins_.upper_bound(life_); newer != life_begins_.end(); ++newer)
        limit_ = std::min(limit_, newer->second);
}

bool Replay::accept(FrameInfo const& info, JournalPlace const& place, Findings& findings)
{
    auto const refuse = [&](std::string what) {
        findings.add(FindingKind::damage, std::move(what), print_place(place),
                     "the record is left out; what it said is taken from the bundles");
        incomplete_ = true;
        return false;
    };
    if (info.life < life_)
        return refuse(fmt::format("a record of life {} after one of life {}: two writers", info.life, life_));
    if (info.life > life_) {
        life_ = info.life;
        begin_life(life_, info.sequence);
    }
    if (info.sequence >= limit_)
        return refuse(fmt::format("record {} of life {}, but a newer life had begun at {}: two writers",
                                  info.sequence, info.life, limit_));
    if (info.sequence <= seen_sequence_)
        return refuse(fmt::format("record {} after record {}: two writers, or a copied segment",
                                  info.sequence, seen_sequence_));
    auto const expected = std::max(seen_sequence_, checkpoint_sequence_) + 1;
    if (info.sequence > expected) {
        findings.add(FindingKind::damage,
                     fmt::format("records {} to {} are missing", expected, info.sequence - 1),
                     print_place(place), "what they said is taken from the bundles");
        incomplete_ = true;
    }
    seen_sequence_ = info.sequence;
    last_sequence_ = std::max(last_sequence_, info.sequence);
    return true;
}

void Replay::apply(Record const& record, FrameInfo const& info, JournalPlace const& place, Findings& findings)
{
    if (!accept(info, place, findings)) return;
    // Behind a gap the word stands without what the note did: such a note is applied
    // again, which does no harm.
    if (auto const* const note = std::get_if<InboxApplied>(&record); note && !incomplete_)
        applied_notes_.emplace(note->name);
    if (auto const* const failed = std::get_if<RangeFailed>(&record)) keep_reason(*failed);
    if (std::holds_alternative<Closed>(record)) closed_ = true;
    // A checkpoint of a holder that had been thought dead may reach into the numbers of the life after it.
    bool const is_included = info.sequence <= checkpoint_sequence_ && info.life <= checkpoint_life_;
    if (is_included || !is_about_table(record)) return;
    if (!dropped_jobs_.empty() && !std::holds_alternative<JobDropped>(record)) drop_jobs();
    ++applied_count_;
    auto why = std::visit([this](auto const& r) { return take(r); }, record);
    if (why.empty()) return;
    incomplete_ = true;
    findings.add(FindingKind::damage, std::move(why), print_place(place),
                 "that much of the record is left out; outputs are taken from the bundles");
}

std::string Replay::take(RangesFinished const& record)
{
    if (record.bundle != none) {
        if (record.bundle >= bundles_.size() || !known_bundles_[record.bundle])
            return fmt::format("{} ranges finished in bundle {}, which is unknown", record.entries.size(),
                               record.bundle);
        if (bundles_[record.bundle].epoch_life != record.epoch_life)
            return fmt::format("ranges of life {} finished in bundle {}, which holds those of life {}",
                               record.epoch_life, record.bundle, bundles_[record.bundle].epoch_life);
    }
    std::uint64_t beyond = 0;
    for (auto const& entry : record.entries) {
        if (entry.range >= table_.size()) {
            ++beyond;
            continue;
        }
        auto const burnt = table_.progress(entry.range).burnt;
        table_.set_progress(entry.range,
                            {RangeState::finished, burnt, 0, record.bundle, entry.cpu_ms, entry.wall_ms},
                            entry.hand_out);
    }
    if (beyond == 0) return {};
    return fmt::format("{} finished ranges are beyond the table's {}", beyond, table_.size());
}

std::string Replay::take(RangeFailed const& record)
{
    bool const possible = record.state == RangeState::ready || record.state == RangeState::failed ||
                          record.state == RangeState::fatal;
    if (!possible || record.range >= table_.size())
        return fmt::format("range {} of {} failed and then was {}", record.range, table_.size(),
                           print_state(record.state));
    RangeProgress progress;
    progress.state = record.state;
    progress.burnt = record.burnt;
    progress.holder = record.error_code ? record.error_code : none;
    table_.set_progress(record.range, progress, 0);
    return {};
}

void Replay::keep_reason(RangeFailed const& record)
{
    if (reasons_.size() < max_reasons || reasons_.contains(record.range))
        reasons_[record.range] = record.reason.substr(0, max_reason_bytes);
}

std::string Replay::take(OutputLost const& record)
{
    if (record.range >= table_.size())
        return fmt::format("the lost output's range {} is beyond the table's {}", record.range,
                           table_.size());
    if (auto const& old = table_.progress(record.range); old.state == RangeState::finished) {
        RangeProgress progress;
        progress.burnt = old.burnt;
        table_.set_progress(record.range, progress, 0);
    }
    return {};
}

std::string Replay::take(BundleChanged const& record)
{
    auto const next = bundles_.size();
    if (record.number > next + max_bundle_jump)
        return fmt::format("bundle {}, but there are {}", record.number, next);
    if (record.number >= next) {
        // In between stand bundles whose records are missing: no range may be in them.
        BundleState unknown;
        unknown.lost = true;
        bundles_.resize(record.number + 1, unknown);
        known_bundles_.resize(record.number + 1, false);
    }
    bundles_[record.number] = record.state;
    known_bundles_[record.number] = true;
    return {};
}

std::string Replay::take(JobDropped const& record)
{
    dropped_jobs_.insert(record.job);
    return {};
}

std::string Replay::take(FileAdded const& record)
{
    auto const count = table_.files().size();
    if (record.file > count) return fmt::format("file {} was added, but there are {}", record.file, count);
    if (record.file == count) {
        table_.add_file(record.entry);
    } else if (table_.files()[record.file] != record.entry) {
        return fmt::format("file {} was added as {}, but it is {}", record.file, record.entry.lfn,
                           table_.files()[record.file].lfn);
    }
    return {};
}

std::string Replay::take(RangeAdded const& record)
{
    if (record.range > table_.size())
        return fmt::format("range {} was added, but there are {}", record.range, table_.size());
    if (record.range < table_.size()) {  // It is in events.h5 already.
        auto const& row = table_.row(record.range);
        if (row.file != record.row.file || row.first != record.row.first || row.last != record.row.last)
            return fmt::format("range {} was added with events {}..{}, but it has {}..{}", record.range,
                               record.row.first, record.row.last, row.first, row.last);
        if (table_.state(record.range) == RangeState::dropped) table_.set_progress(record.range, {}, 0);
        return {};
    }
    if (record.row.file >= table_.files().size())
        return fmt::format("range {} was added to file {}, but there are {}", record.range, record.row.file,
                           table_.files().size());
    if (record.row.last < record.row.first)
        return fmt::format("range {} was added with events {}..{}", record.range, record.row.first,
                           record.row.last);
    auto row = record.row;
    if (table_.files()[row.file].text_ids) row.process_id = table_.add_text(record.text_id);
    table_.add_row(row);
    return {};
}

/// Finished in a bundle that is lost since: as good as ready, until the final sweep makes it so.
bool Replay::is_lost(RangeProgress const& progress) const
{
    return progress.state == RangeState::finished && progress.holder != none &&
           bundles_[progress.holder].lost;
}

/// One pass for all jobs that were dropped in a row.
void Replay::drop_jobs()
{
    std::vector<bool> files(table_.files().size());
    for (std::size_t file = 0; file < files.size(); ++file)
        files[file] = dropped_jobs_.contains(table_.files()[file].job);
    for (RangeIndex range = 0; range < table_.size(); ++range) {
        auto progress = table_.progress(range);
        bool const ended = is_ended(progress.state) && !is_lost(progress);
        if (ended || !files[table_.row(range).file]) continue;
        if (is_lost(progress)) progress = RangeProgress{RangeState::ready, progress.burnt, 0, none, 0, 0};
        if (progress.state == RangeState::sent) progress.holder = none;
        progress.state = RangeState::dropped;
        table_.set_progress(range, progress, 0);
    }
    dropped_jobs_.clear();
}

void Replay::finish()
{
    drop_jobs();
    bool const any_lost =
        std::any_of(bundles_.begin(), bundles_.end(), [](BundleState const& bundle) { return bundle.lost; });
    for (RangeIndex range = 0; any_lost && range < table_.size(); ++range) {
        auto const& old = table_.progress(range);
        if (!is_lost(old)) continue;
        RangeProgress progress;
        progress.burnt = old.burnt;
        table_.set_progress(range, progress, 0);
    }
    table_.set_bundles(bundles_);
    table_.rebuild();
    std::erase_if(reasons_,
                  [&](auto const& reason) { return table_.state(reason.first) == RangeState::finished; });
}

}  // namespace yoda
