// SPDX-License-Identifier: Apache-2.0
#include "core/journal/recovery.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <tuple>

namespace yoda {

namespace {

constexpr std::size_t entries_a_record = 16'384;

bool has_manifest(BundleCondition condition)
{
    return condition == BundleCondition::sealed || condition == BundleCondition::cleaned;
}

/// Recovery names its copies so.
bool is_copy_of(BundleOrigin const& copy, BundleOrigin const& original)
{
    return copy.rank == 0 && copy != original && copy.life >= original.life && copy.job == original.job &&
           copy.panda_id == original.panda_id;
}

class Reconciler {
  public:
    Reconciler(EventTable& table, std::span<BundleFacts const> facts, Findings& findings)
        : table_(table),
          facts_(facts),
          findings_(findings),
          bundles_(table.bundles()),
          claims_(count_claims(table)),
          fact_of_(bundles_.size(), none),
          changed_(bundles_.size(), false),
          superseded_(facts.size(), false),
          proven_(table.size(), false)
    {
        result_.plans.resize(facts.size());
    }

    Reconciled run()
    {
        sort();
        find_numbers();
        complete_interrupted_copies();
        prove();
        lose_unproven();
        for (auto const fact : order_) adopt(fact);
        for (auto const fact : order_) settle(fact);
        for (BundleNumber number = 0; number < bundles_.size(); ++number) {
            if (changed_[number]) result_.changed.push_back(number);
        }
        table_.set_bundles(std::move(bundles_));
        return std::move(result_);
    }

  private:
    void sort();
    void find_numbers();
    void complete_interrupted_copies();
    void prove();
    void lose_unproven();
    void adopt(std::uint32_t fact);
    void settle(std::uint32_t fact);
    void report_twice(std::uint32_t fact, EntryFact const& entry);
    BundleNumber add_bundle(std::uint32_t fact, Life epoch_life);

    bool is_whole(std::uint32_t fact, EntryFact const& entry) const
    {
        return facts_[fact].condition == BundleCondition::cleaned || entry.end <= facts_[fact].data_bytes;
    }
    /// Whether the table says that this very hand-out finished the range; `number` is the bundle it names.
    bool is_winner(EntryFact const& entry, BundleNumber& number) const
    {
        if (entry.range >= table_.size()) return false;
        auto const& progress = table_.progress(entry.range);
        if (progress.state != RangeState::finished || progress.holder == none) return false;
        number = progress.holder;
        return table_.row(entry.range).winner == entry.epoch.hand_out() &&
               bundles_[number].epoch_life == entry.epoch.life();
    }
    std::string name(std::uint32_t fact) const { return bundle_name(facts_[fact].origin); }

    EventTable& table_;
    std::span<BundleFacts const> facts_;
    Findings& findings_;
    std::vector<BundleState> bundles_;
    std::vector<std::uint64_t> claims_;
    std::vector<std::uint32_t> fact_of_;  ///< by bundle number
    std::vector<bool> changed_;           ///< by bundle number
    std::vector<std::uint32_t> order_;    ///< of facts: what is sealed first, then by name
    std::vector<bool> superseded_;        ///< facts whose sealed copy counts instead
    std::vector<bool> proven_;            ///< by range
    Reconciled result_;
};

void Reconciler::sort()
{
    order_.resize(facts_.size());
    std::iota(order_.begin(), order_.end(), 0u);
    auto const key = [this](std::uint32_t fact) {
        auto const& origin = facts_[fact].origin;
        return std::tuple(!has_manifest(facts_[fact].condition), origin.job, origin.life, origin.rank,
                          origin.sequence);
    };
    std::sort(order_.begin(), order_.end(),
              [&](std::uint32_t a, std::uint32_t b) { return key(a) < key(b); });
}

void Reconciler::find_numbers()
{
    for (auto const fact : order_) {
        auto const number = table_.find_bundle(facts_[fact].origin);
        if (number == none || bundles_[number].origin != facts_[fact].origin) continue;
        result_.plans[fact].number = number;
        fact_of_[number] = fact;
    }
}

/// A sealed bundle that the table does not know but that holds all that the table believes in another one,
/// which is open or gone: an earlier recovery made it and ended before its journal said so.
void Reconciler::complete_interrupted_copies()
{
    for (auto const fact : order_) {
        if (result_.plans[fact].number != none || !has_manifest(facts_[fact].condition)) continue;
        BundleNumber original = none;
        std::uint64_t matched = 0;
        for (auto const& entry : facts_[fact].entries) {
            BundleNumber number = none;
            if (!is_whole(fact, entry) || !is_winner(entry, number)) continue;
            if (original == none) original = number;
            if (number == original) ++matched;
        }
        if (original == none || matched != claims_[original] || bundles_[original].lost) continue;
        if (!is_copy_of(facts_[fact].origin, bundles_[original].origin)) continue;
        auto const old = fact_of_[original];
        if (old != none && has_manifest(facts_[old].condition)) continue;
        findings_.add(FindingKind::leftover,
                      "it is the copy of a bundle, made by a recovery that was interrupted", name(fact),
                      fmt::format("it takes the place of {}", bundle_name(bundles_[original].origin)));
        if (old != none) {
            superseded_[old] = true;
            result_.plans[old].number = none;
        }
        bundles_[original].origin = facts_[fact].origin;
        bundles_[original].sealed = true;
        changed_[original] = true;
        fact_of_[original] = fact;
        result_.plans[fact].number = original;
    }
}

void Reconciler::prove()
{
    for (auto const fact : order_) {
        auto& plan = result_.plans[fact];
        if (plan.number == none || bundles_[plan.number].lost) continue;
        for (auto const& entry : facts_[fact].entries) {
            BundleNumber number = none;
            if (!is_whole(fact, entry) || !is_winner(entry, number) || number != plan.number) continue;
            if (proven_[entry.range]) continue;
            proven_[entry.range] = true;
            plan.kept.push_back(entry.position);
        }
    }
}

void Reconciler::lose_unproven()
{
    enum class Trust : std::uint8_t { all, proven, nothing };
    std::vector<Trust> trust(bundles_.size(), Trust::all);
    std::vector<std::uint64_t> lost_counts(bundles_.size());
    for (BundleNumber number = 0; number < bundles_.size(); ++number) {
        auto const fact = fact_of_[number];
        if (fact == none)
            trust[number] = Trust::nothing;
        else if (facts_[fact].entries_known)
            trust[number] = Trust::proven;
    }
    for (RangeIndex range = 0; range < table_.size(); ++range) {
        auto const& progress = table_.progress(range);
        if (progress.state != RangeState::finished || progress.holder == none) continue;
        auto const number = progress.holder;
        if (trust[number] == Trust::all || (trust[number] == Trust::proven && proven_[range])) continue;
        ++lost_counts[number];
        if (trust[number] == Trust::proven) result_.lost.push_back(range);
        table_.lose_output(range);
    }
    for (BundleNumber number = 0; number < bundles_.size(); ++number) {
        if (lost_counts[number] == 0) continue;
        bool const gone = trust[number] == Trust::nothing;
        if (gone) bundles_[number].lost = changed_[number] = true;
        findings_.add(
            FindingKind::damage,
            gone ? std::string("there is no such bundle")
                 : fmt::format("{} of {} outputs are not whole in it", lost_counts[number], claims_[number]),
            bundle_name(bundles_[number].origin),
            fmt::format("{} finished ranges are looked for in other bundles, or run again",
                        lost_counts[number]));
    }
}

BundleNumber Reconciler::add_bundle(std::uint32_t fact, Life epoch_life)
{
    bundles_.push_back({facts_[fact].origin, epoch_life, has_manifest(facts_[fact].condition), false});
    fact_of_.push_back(fact);
    changed_.push_back(true);
    return static_cast<BundleNumber>(bundles_.size() - 1);
}

void Reconciler::adopt(std::uint32_t fact)
{
    auto& plan = result_.plans[fact];
    if (superseded_[fact] || (plan.number != none && bundles_[plan.number].lost)) return;
    std::uint64_t foreign_count = 0;
    for (auto const& entry : facts_[fact].entries) {
        if (entry.range >= table_.size()) {
            ++foreign_count;
            continue;
        }
        if (!is_whole(fact, entry)) continue;
        if (table_.state(entry.range) != RangeState::ready) {
            report_twice(fact, entry);
            continue;
        }
        if (plan.number == none) plan.number = add_bundle(fact, entry.epoch.life());
        if (bundles_[plan.number].epoch_life != entry.epoch.life()) {
            ++foreign_count;
            continue;
        }
        table_.adopt(entry.range, entry.epoch, plan.number, entry.cpu_ms, entry.wall_ms);
        plan.kept.push_back(entry.position);
        plan.adopted.push_back({entry.range, entry.epoch.hand_out(), entry.cpu_ms, entry.wall_ms});
    }
    if (foreign_count > 0)
        findings_.add(
            FindingKind::damage,
            fmt::format("{} entries of ranges or lives that this bundle cannot have", foreign_count),
            name(fact), "they are left out");
    if (!plan.adopted.empty())
        findings_.add(
            FindingKind::leftover,
            fmt::format("{} outputs are whole in it that the journal does not name", plan.adopted.size()),
            name(fact), "their ranges are finished");
}

/// The range has ended: with the very same hand-out in another bundle only if somebody copied one.
void Reconciler::report_twice(std::uint32_t fact, EntryFact const& entry)
{
    BundleNumber number = none;
    if (!is_winner(entry, number) || number == result_.plans[fact].number) return;
    auto const& other = bundles_[number].origin;
    auto const is_repair = [](BundleOrigin const& origin) { return origin.rank == 0; };
    bool const copied = is_repair(other) != is_repair(facts_[fact].origin);
    findings_.add(copied ? FindingKind::leftover : FindingKind::damage,
                  fmt::format("range {} ({}) is in it and in {}, from one hand-out", entry.range,
                              table_.range_id(entry.range), bundle_name(other)),
                  name(fact), "what is in the other one counts");
}

void Reconciler::settle(std::uint32_t fact)
{
    auto& plan = result_.plans[fact];
    auto const condition = facts_[fact].condition;
    if (condition == BundleCondition::cut)
        findings_.add(FindingKind::damage,
                      fmt::format("its tar, {} bytes, or its index is not what its manifest says",
                                  facts_[fact].data_bytes),
                      name(fact), "what is whole in it is copied into a new bundle");
    if (has_manifest(condition)) {
        plan.kept.clear();
        if (plan.number != none) {
            if (!bundles_[plan.number].sealed) bundles_[plan.number].sealed = changed_[plan.number] = true;
        } else if (condition == BundleCondition::sealed) {
            findings_.add(FindingKind::leftover, "a sealed bundle in which nothing counts", name(fact),
                          "it is set aside");
            plan.use = BundleUse::set_aside;
        }
        return;
    }
    std::sort(plan.kept.begin(), plan.kept.end());
    bool const counts = plan.number != none && !bundles_[plan.number].lost && !plan.kept.empty();
    plan.use = counts ? BundleUse::copy : BundleUse::set_aside;
    if (condition == BundleCondition::open && !superseded_[fact])
        findings_.add(FindingKind::leftover,
                      fmt::format("it was left open, {} of {} outputs in it count", plan.kept.size(),
                                  facts_[fact].entries.size()),
                      name(fact), counts ? "these are sealed under a new name" : "it is set aside");
}

}  // namespace

std::vector<std::uint64_t> count_claims(EventTable const& table)
{
    std::vector<std::uint64_t> claims(table.bundles().size());
    for (RangeIndex range = 0; range < table.size(); ++range) {
        auto const& progress = table.progress(range);
        if (progress.state == RangeState::finished && progress.holder != none) ++claims[progress.holder];
    }
    return claims;
}

std::uint64_t count_open_bundles(EventTable const& table)
{
    auto const claims = count_claims(table);
    std::uint64_t count = 0;
    for (BundleNumber number = 0; number < table.bundles().size(); ++number)
        count += !table.bundles()[number].sealed && claims[number] > 0 ? 1 : 0;
    return count;
}

bool needs_entries(EventTable const& table, std::span<std::uint64_t const> claims, BundleNumber number,
                   BundleCondition condition, std::uint64_t entry_count)
{
    if (!has_manifest(condition) || number == none) return true;
    return !table.bundles()[number].lost && claims[number] != entry_count;
}

Reconciled reconcile(EventTable& table, std::span<BundleFacts const> facts, Findings& findings)
{
    return Reconciler(table, facts, findings).run();
}

void RecoveryRecords::add_lost(EventTable const& table, std::span<RangeIndex const> ranges)
{
    for (auto const range : ranges) {
        if (table.state(range) == RangeState::ready) lost_.push_back(range);
    }
}

void RecoveryRecords::add_changed(EventTable const& table, std::span<BundleNumber const> numbers)
{
    for (auto const number : numbers) bundles_.push_back({number, table.bundles()[number]});
}

void RecoveryRecords::add_adopted(EventTable const& table, BundleNumber number,
                                  std::span<FinishedEntry const> entries)
{
    Finished finished{number, table.bundles()[number].epoch_life, {}};
    for (auto const& entry : entries) {
        auto const& progress = table.progress(entry.range);
        if (progress.state != RangeState::finished || progress.holder != number) continue;
        finished.entries.push_back(entry);
        if (finished.entries.size() < entries_a_record) continue;
        finished_.push_back(finished);
        finished.entries.clear();
    }
    if (!finished.entries.empty()) finished_.push_back(std::move(finished));
}

std::string RecoveryRecords::encode(journal::Writer& writer) const
{
    std::string bytes;
    for (auto const range : lost_) writer.append(journal::OutputLost{range}, bytes);
    for (auto const& bundle : bundles_) writer.append(bundle, bytes);
    for (auto const& finished : finished_)
        writer.append(journal::RangesFinished{finished.bundle, finished.epoch_life, finished.entries}, bytes);
    return bytes;
}

}  // namespace yoda
