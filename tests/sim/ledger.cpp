// SPDX-License-Identifier: Apache-2.0
#include "ledger.hpp"

#include "bundle_names.hpp"
#include "core/table/bundle_index.hpp"

namespace yoda::sim {

namespace {

template <class... Args>
[[noreturn]] void fail(std::string checker, fmt::format_string<Args...> format, Args&&... args)
{
    throw Violation{std::move(checker), fmt::format(format, std::forward<Args>(args)...)};
}

std::string print_epoch(std::uint32_t epoch)
{
    return fmt::format("{}.{}", epoch >> 16, epoch & 0xFFFF);
}

/// Of a finished range that has no output the table keeps no life.
std::uint32_t winning_epoch(EventTable const& table, RangeIndex range)
{
    return table.progress(range).holder == none ? table.row(range).winner : table.winning_epoch(range).value;
}

bool is_same_epoch(EventTable const& table, RangeIndex range, Verdict const& verdict)
{
    bool const has_output = table.progress(range).holder != none;
    if (has_output != verdict.has_output) return false;
    return has_output ? table.winning_epoch(range).value == verdict.epoch
                      : table.row(range).winner == (verdict.epoch & 0xFFFF);
}

}  // namespace

void Ledger::know_ranges(std::size_t count)
{
    if (count <= latest_.size()) return;
    latest_.resize(count);
    sure_.resize(count);
    executions_.resize(count);
    harm_.resize(count);
    stored_.resize(count);
}

// ---- Payloads

void Ledger::on_payload_failure(RangeIndex range, FailKind kind)
{
    auto& harm = harm_[range];
    ++payload_failure_count_;
    if (kind == FailKind::failed) ++harm.failures;
    if (kind == FailKind::payload_death) ++harm.deaths;
    if (kind == FailKind::fatal) harm.fatal = true;
}

void Ledger::check_burnt(RangeIndex range, std::uint8_t burnt) const
{
    auto const& harm = harm_[range];
    unsigned const tries = burnt & 15u;
    unsigned const most = harm.failures + harm.deaths / sim_.plan.payload_deaths;
    if (tries > most)
        fail("tries", "range {} has burnt {} tries, its payloads failed {} times and died {} times", range,
             tries, harm.failures, harm.deaths);
}

void Ledger::check_executions(RangeIndex range, std::uint64_t bound) const
{
    if (executions_[range] > bound)
        fail("poison", "range {} was run {} times, {} are too many", range, executions_[range], bound);
}

// ---- Bundles

void Ledger::on_written(RangeIndex range, Epoch epoch, BundleOrigin const& bundle)
{
    auto& last = stored_[range];
    if (last.epoch != 0) stored_before_.emplace(range, last);
    last = {epoch.value, false, bundle};
}

void Ledger::on_durable(RangeIndex range, Epoch epoch, BundleOrigin const& bundle)
{
    if (auto& last = stored_[range]; last.epoch == epoch.value && last.bundle == bundle) {
        last.durable = true;
        return;
    }
    auto const [begin, end] = stored_before_.equal_range(range);
    for (auto it = begin; it != end; ++it) {
        if (it->second.epoch == epoch.value && it->second.bundle == bundle) it->second.durable = true;
    }
}

Ledger::Stored const* Ledger::find_stored(RangeIndex range, std::uint32_t epoch) const
{
    if (stored_[range].epoch == epoch) return &stored_[range];
    auto const [begin, end] = stored_before_.equal_range(range);
    for (auto it = begin; it != end; ++it) {
        if (it->second.epoch == epoch) return &it->second;
    }
    return nullptr;
}

void Ledger::on_sealed(BundleOrigin const& origin, File const& tar, File const& index) const
{
    auto const decoded = decode_index(index.bytes);
    if (!decoded || decoded->torn) fail("seal", "{} has no readable index", bundle_name(origin));
    if (tar.is_dirty() || index.is_dirty())
        fail("seal", "{} was sealed before it was synced", bundle_name(origin));
    if (life_ != origin.life) return;
    for (auto const& entry : decoded->entries) {
        auto const& verdict = latest_[entry.range];
        if (verdict.state == RangeState::finished && verdict.epoch == entry.epoch && verdict.bundle == origin)
            continue;
        if (damaged_bundles_.contains(bundle_name(origin))) continue;
        fail("seal", "{} was sealed with range {} epoch {}, which was not accepted", bundle_name(origin),
             entry.range, print_epoch(entry.epoch));
    }
}

// ---- Rank 0's records

void Ledger::begin_life(Life life)
{
    life_ = life;
    changes_.clear();
    unplaced_count_ = 0;
    reports_.clear();
}

void Ledger::decide(RangeIndex range, Verdict const& verdict)
{
    latest_[range] = verdict;
    changes_.push_back({range, 0, verdict});
    ++unplaced_count_;
}

void Ledger::on_record(journal::Record const& record, EventTable const& table)
{
    std::visit(
        [&](auto const& r) {
            if constexpr (requires { take(r, table); })
                take(r, table);
            else
                take(r);
        },
        record);
}

void Ledger::take(journal::RangesFinished const& finished, EventTable const& table)
{
    last_finish_ = sim_.now;
    Verdict verdict;
    verdict.state = RangeState::finished;
    if (finished.bundle != none) {
        verdict.has_output = true;
        verdict.bundle = table.bundles()[finished.bundle].origin;
    }
    for (auto const& entry : finished.entries) {
        auto const& before = latest_[entry.range];
        verdict.epoch = Epoch::make(finished.epoch_life, entry.hand_out).value;
        if (before.state != RangeState::ready)
            fail("counted twice", "range {} finishes with epoch {}, but it was {} (epoch {}) already",
                 entry.range, print_epoch(verdict.epoch), print_state(before.state),
                 print_epoch(before.epoch));
        if (verdict.has_output) {
            auto const* const stored = find_stored(entry.range, verdict.epoch);
            if (!stored || !stored->durable || stored->bundle != verdict.bundle)
                fail("output", "range {} finishes with epoch {} in {}, which does not hold it durably",
                     entry.range, print_epoch(verdict.epoch), bundle_name(verdict.bundle));
        }
        verdict.burnt = before.burnt;
        decide(entry.range, verdict);
        ++finish_count_;
        ++progress_count_;
    }
}

void Ledger::take(journal::RangeFailed const& failed)
{
    auto const& before = latest_[failed.range];
    if (before.state != RangeState::ready)
        fail("ended twice", "range {} failed, but it was {} already", failed.range,
             print_state(before.state));
    check_burnt(failed.range, failed.burnt);
    auto const& harm = harm_[failed.range];
    if (failed.state == RangeState::failed && (failed.burnt & 15u) < sim_.plan.tries)
        fail("tries", "range {} was given up with {} tries burnt", failed.range, failed.burnt & 15u);
    if (failed.state == RangeState::fatal && !harm.fatal)
        fail("tries", "range {} is fatal, but no payload said so", failed.range);
    Verdict verdict;
    verdict.state = failed.state;
    verdict.burnt = failed.burnt;
    decide(failed.range, verdict);
    ++progress_count_;
}

void Ledger::take(journal::OutputLost const& lost)
{
    Verdict verdict;
    verdict.burnt = latest_[lost.range].burnt;
    decide(lost.range, verdict);
}

void Ledger::take(journal::BundleChanged const& changed)
{
    if (!changed.state.lost) return;
    for (RangeIndex range = 0; range < range_count(); ++range) {
        auto const& before = latest_[range];
        if (before.state != RangeState::finished || !before.has_output ||
            before.bundle != changed.state.origin)
            continue;
        if (!damaged_bundles_.contains(bundle_name(before.bundle)))
            fail("output", "{} was given up as lost, though it is whole", bundle_name(before.bundle));
        Verdict verdict;
        verdict.burnt = before.burnt;
        decide(range, verdict);
    }
}

void Ledger::take(journal::RangeAdded const& added)
{
    know_ranges(added.range + std::size_t{1});
}

void Ledger::take(journal::JobDropped const& dropped, EventTable const& table)
{
    dropped_jobs_.insert(dropped.job);
    // It may know more ranges than the table has: those of a feed that was lost, and has not come anew.
    for (RangeIndex range = 0; range < std::min(range_count(), table.size()); ++range) {
        if (table.job(range) != dropped.job || latest_[range].state != RangeState::ready) continue;
        Verdict verdict;
        verdict.state = RangeState::dropped;
        verdict.burnt = latest_[range].burnt;
        decide(range, verdict);
        ++progress_count_;
    }
}

void Ledger::on_appended(std::uint64_t position)
{
    for (std::size_t i = changes_.size() - unplaced_count_; i < changes_.size(); ++i)
        changes_[i].position = position;
    unplaced_count_ = 0;
}

void Ledger::on_journal_synced(std::uint64_t position)
{
    while (changes_.size() > unplaced_count_ && changes_.front().position <= position) {
        sure_[changes_.front().range] = changes_.front().verdict;
        changes_.pop_front();
    }
}

void Ledger::on_finished_received(Rank from, Finished const& finished)
{
    reports_[from].push_back({finished.sequence, {finished.entries.begin(), finished.entries.end()}});
}

void Ledger::on_accepted_sent(Rank to, std::uint32_t sequence)
{
    auto& reports = reports_[to];
    while (!reports.empty() && reports.front().sequence <= sequence) {
        for (auto const& entry : reports.front().entries) {
            auto const epoch = Epoch::make(life_, entry.hand_out).value;
            auto const& latest = latest_[entry.range];
            if (latest.state != RangeState::finished || latest.epoch != epoch) continue;
            auto const& sure = sure_[entry.range];
            if (sure.state != RangeState::finished || sure.epoch != epoch)
                fail("acknowledged", "range {} epoch {} is acknowledged before its record is durable",
                     entry.range, print_epoch(epoch));
        }
        reports.pop_front();
    }
}

// ---- Recovery

void Ledger::check_one_recovered(EventTable const& table, RangeIndex range) const
{
    auto const& sure = sure_[range];
    auto const& latest = latest_[range];
    auto const& progress = table.progress(range);
    auto const state = progress.state;
    check_burnt(range, progress.burnt);
    bool const finished = state == RangeState::finished;
    bool const may_be_lost = sure.has_output && damaged_bundles_.contains(bundle_name(sure.bundle));
    auto const was = [&](Verdict const& verdict) {
        return verdict.state == state && (!finished || is_same_epoch(table, range, verdict));
    };
    auto const print = [&] {
        return fmt::format(
            "range {} is {} (epoch {}) after recovery; sure was {} (epoch {}), latest {} (epoch {})", range,
            print_state(state), finished ? print_epoch(winning_epoch(table, range)) : "-",
            print_state(sure.state), print_epoch(sure.epoch), print_state(latest.state),
            print_epoch(latest.epoch));
    };
    if (was(sure) && state != RangeState::ready) return;
    // Without the journal's word any output that lies whole in a bundle may count.
    bool const is_found =
        finished && progress.holder != none && find_stored(range, winning_epoch(table, range));
    if (records_lost_) {
        // Its job was killed, and that it had finished before was forgotten: nobody will ask for it.
        if (state == RangeState::dropped) return;
        if (sure.state == RangeState::finished && sure.has_output && !finished && !may_be_lost)
            fail("lost", "{}", print());
        if (finished && progress.holder != none && !is_found) fail("invented", "{}", print());
        return;
    }
    if (is_ended(sure.state) && !was(latest) && !may_be_lost) fail("lost", "{}", print());
    if (is_ended(sure.state)) {
        if (!finished || is_found) return;
        fail("invented", "{}", print());
    }
    if (state == RangeState::ready) {
        if ((progress.burnt & 15u) < (sure.burnt & 15u))
            fail("tries", "range {} had burnt {} tries for sure, after recovery {}", range, sure.burnt & 15u,
                 progress.burnt & 15u);
        return;
    }
    // The tail that was not synced may have a hole: that it finished may be gone, and its job's end be there.
    if (state == RangeState::dropped && dropped_jobs_.contains(table.job(range))) return;
    if (!was(latest) && !is_found) fail("invented", "{}", print());
}

void Ledger::check_recovered(EventTable const& table, Disk const& disk) const
{
    check_counts(table);
    for (RangeIndex range = 0; range < std::min(range_count(), table.size()); ++range)
        check_one_recovered(table, range);
    for (RangeIndex range = table.size(); range < range_count(); ++range) {
        if (is_ended(sure_[range].state)) fail("lost", "range {} had ended, and is not in the table", range);
    }
    check_outputs(table, disk);
}

void Ledger::adopt_recovered(EventTable const& table)
{
    // Ranges of a feed that was not durable are as if they had never been: the note will add them anew.
    for (RangeIndex range = table.size(); range < range_count(); ++range) latest_[range] = sure_[range] = {};
    for (RangeIndex range = 0; range < std::min(range_count(), table.size()); ++range) {
        auto const& progress = table.progress(range);
        Verdict verdict;
        verdict.state = progress.state;
        verdict.burnt = progress.burnt;
        if (progress.state == RangeState::finished) {
            verdict.epoch = winning_epoch(table, range);
            verdict.has_output = progress.holder != none;
            if (verdict.has_output) verdict.bundle = table.bundles()[progress.holder].origin;
        }
        if (latest_[range].state != RangeState::finished && progress.state == RangeState::finished)
            ++finish_count_;
        latest_[range] = sure_[range] = verdict;
    }
}

// ---- The end

void Ledger::check_counts(EventTable const& table) const
{
    StateCounts counts{};
    for (RangeIndex range = 0; range < table.size(); ++range)
        ++counts[static_cast<std::size_t>(table.state(range))];
    if (counts != table.counts()) fail("counts", "the table's counts are not those of its rows");
}

void Ledger::check_outputs(EventTable const& table, Disk const& disk) const
{
    std::vector<std::vector<RangeIndex>> claims(table.bundles().size());
    for (RangeIndex range = 0; range < table.size(); ++range) {
        auto const& progress = table.progress(range);
        if (progress.state == RangeState::finished && progress.holder != none)
            claims[progress.holder].push_back(range);
    }
    std::unordered_map<std::uint64_t, BundleEntry const*> entries;
    for (BundleNumber number = 0; number < claims.size(); ++number) {
        if (claims[number].empty()) continue;
        auto const& origin = table.bundles()[number].origin;
        auto const names = bundle_names(origin);
        auto const* tar = disk.find(Folder::bundles, names.tar);
        auto const* index = disk.find(Folder::bundles, names.index);
        if (!tar) tar = disk.find(Folder::bundles, names.open_tar);
        if (!index) index = disk.find(Folder::bundles, names.open_index);
        if (damaged_bundles_.contains(bundle_name(origin))) continue;
        if (!tar || !index)
            fail("lost", "{} holds {} ranges and is gone", bundle_name(origin), claims[number].size());
        auto const decoded = decode_index(index->bytes);
        if (!decoded) fail("lost", "{} has no readable index", bundle_name(origin));
        entries.clear();
        for (auto const& entry : decoded->entries) {
            auto const [found, fresh] =
                entries.try_emplace(std::uint64_t{entry.range} << 32 | entry.epoch, &entry);
            if (!fresh) fail("counted twice", "{} holds range {} twice", bundle_name(origin), entry.range);
        }
        for (auto const range : claims[number]) {
            auto const epoch = table.winning_epoch(range).value;
            auto const found = entries.find(std::uint64_t{range} << 32 | epoch);
            if (found == entries.end())
                fail("lost", "{} should hold range {} epoch {} and does not", bundle_name(origin), range,
                     print_epoch(epoch));
            auto const& entry = *found->second;
            auto const extent =
                std::lower_bound(tar->extents.begin(), tar->extents.end(), entry.begin,
                                 [](Extent const& a, std::uint64_t begin) { return a.begin < begin; });
            bool const good = extent != tar->extents.end() && extent->begin == entry.begin &&
                              extent->end == entry.end && extent->range == range && extent->epoch == epoch &&
                              extent->good && entry.members[0].adler32 == content_sum(range, epoch);
            if (!good)
                fail("lost", "the bytes of range {} in {} are not what they should be", range,
                     bundle_name(origin));
        }
    }
}

void Ledger::check_complete(EventTable const& table) const
{
    if (table.unended_count() != 0) fail("complete", "{} ranges have not ended", table.unended_count());
    for (RangeIndex range = 0; range < table.size(); ++range) {
        auto const& verdict = latest_[range];
        auto const state = table.state(range);
        if (state != verdict.state ||
            (state == RangeState::finished && !is_same_epoch(table, range, verdict)))
            fail("complete", "range {} is {} in the table, but {} by its records", range, print_state(state),
                 print_state(verdict.state));
        auto const& harm = harm_[range];
        if (state == RangeState::failed &&
            harm.failures + harm.deaths / sim_.plan.payload_deaths < sim_.plan.tries)
            fail("tries", "range {} was given up after {} failures and {} deaths", range, harm.failures,
                 harm.deaths);
    }
}

}  // namespace yoda::sim
