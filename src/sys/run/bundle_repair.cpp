// SPDX-License-Identifier: Apache-2.0
#include "sys/run/bundle_repair.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "sys/base/files.hpp"
#include "sys/bundle/sealed_copy.hpp"

namespace yoda {

namespace {

/// Copies of one life are numbered past those that an interrupted recovery left, sealed or not.
Result<std::uint32_t> next_copy_sequence(RunFolder const& run, Life life)
{
    std::uint32_t next = 0;
    for (auto const& folder : {run.bundles(), run.quarantine()}) {
        auto const names = list_folder(folder);
        if (!names) return names.error();
        for (auto const& name : *names) {
            BundleOrigin origin;
            std::string_view suffix;
            if (!parse_bundle_name(name, origin, suffix) || origin.life != life || origin.rank != 0) continue;
            next = std::max(next, origin.sequence + 1);
        }
    }
    return next;
}

class Repairer {
  public:
    Repairer(RunFolder const& run, EventTable& table, BundleScan const& scan, RepairFacts const& facts,
             Reconciled& reconciled, std::uint32_t next_sequence, Findings& findings)
        : run_(run),
          table_(table),
          scan_(scan),
          facts_(facts),
          reconciled_(reconciled),
          next_sequence_(next_sequence),
          findings_(findings)
    {}

    Status repair(std::size_t bundle, BundlePlan const& plan);
    bool moved_any() const { return moved_any_; }

  private:
    Status copy(std::size_t bundle, BundlePlan const& plan);
    Result<std::vector<BundleEntry>> read_kept(std::size_t bundle, BundlePlan const& plan) const;
    Status move(std::vector<std::string> const& names);

    RunFolder const& run_;
    EventTable& table_;
    BundleScan const& scan_;
    RepairFacts const& facts_;
    Reconciled& reconciled_;
    std::uint32_t next_sequence_;
    Findings& findings_;
    bool moved_any_ = false;
};

Status Repairer::repair(std::size_t bundle, BundlePlan const& plan)
{
    if (plan.use == BundleUse::copy) {
        if (auto status = copy(bundle, plan); !status) return status;
    }
    if (plan.use != BundleUse::keep) {
        if (auto status = move(scan_.files[bundle].own); !status) return status;
    }
    return move(scan_.files[bundle].leftovers);
}

Result<std::vector<BundleEntry>> Repairer::read_kept(std::size_t bundle, BundlePlan const& plan) const
{
    auto const bytes = read_file(scan_.files[bundle].index, UINT64_MAX);
    if (!bytes) return bytes.error();
    auto index = decode_index(*bytes);
    if (!index) return index.error();
    std::vector<BundleEntry> kept;
    for (auto const position : plan.kept) {
        if (position < index->entries.size()) kept.push_back(std::move(index->entries[position]));
    }
    return kept;
}

Status Repairer::copy(std::size_t bundle, BundlePlan const& plan)
{
    auto const entries = read_kept(bundle, plan);
    if (!entries) return entries.error();
    auto origin = scan_.facts[bundle].origin;
    auto const old_name = bundle_name(origin);
    origin.life = facts_.life;
    origin.rank = 0;
    origin.sequence = next_sequence_++;
    SealFacts seal;
    seal.unix_s = facts_.unix_s;
    if (origin.job < facts_.jobs.size()) {
        seal.task_id = facts_.jobs[origin.job].task_id();
        seal.jobset_id = facts_.jobs[origin.job].jobset_id();
    }
    auto const copied = write_sealed_copy(scan_.files[bundle].tar, *entries, run_.bundles(), origin, seal);
    if (!copied) return copied.error();
    for (auto const& damaged : copied->damaged) {
        if (!table_.is_winner(damaged.range, damaged.epoch, plan.number)) continue;
        table_.lose_output(damaged.range);
        reconciled_.lost.push_back(damaged.range);
    }
    if (!copied->damaged.empty())
        findings_.add(FindingKind::damage,
                      fmt::format("{} outputs in it do not have their checksum", copied->damaged.size()),
                      old_name, "their ranges are run again");
    if (copied->manifest.entry_count == 0) return {};
    table_.replace_bundle(plan.number, origin);
    auto& changed = reconciled_.changed;
    if (std::find(changed.begin(), changed.end(), plan.number) == changed.end())
        changed.push_back(plan.number);
    return {};
}

Status Repairer::move(std::vector<std::string> const& names)
{
    for (auto const& name : names) {
        moved_any_ = true;
        if (auto status = set_aside(run_, run_.bundles() + "/" + name); !status) return status;
        // The manifest must not be there any more when the tar has gone.
        if (!name.ends_with(".json")) continue;
        if (auto status = sync_folder(run_.bundles()); !status) return status;
    }
    return {};
}

}  // namespace

Status set_aside(RunFolder const& run, std::string const& path)
{
    auto const target = run.quarantine() + "/" + std::filesystem::path(path).filename().string();
    auto free = target;
    for (unsigned number = 2; path_exists(free); ++number) free = fmt::format("{}.{}", target, number);
    return rename_file(path, free);
}

Result<RecoveryRecords> repair_bundles(RunFolder const& run, EventTable& table, BundleScan const& scan,
                                       Reconciled reconciled, RepairFacts const& facts, Findings& findings)
{
    if (auto status = make_folders(run.quarantine()); !status) return status.error();
    auto const next_sequence = next_copy_sequence(run, facts.life);
    if (!next_sequence) return next_sequence.error();
    Repairer repairer(run, table, scan, facts, reconciled, *next_sequence, findings);
    for (std::size_t i = 0; i < scan.facts.size(); ++i) {
        if (auto status = repairer.repair(i, reconciled.plans[i]); !status) return status.error();
    }
    if (repairer.moved_any()) {
        for (auto const& folder : {run.quarantine(), run.bundles()}) {
            if (auto status = sync_folder(folder); !status) return status.error();
        }
    }
    RecoveryRecords records;
    records.add_lost(table, reconciled.lost);
    records.add_changed(table, reconciled.changed);
    for (auto const& plan : reconciled.plans) {
        if (plan.number != none) records.add_adopted(table, plan.number, plan.adopted);
    }
    return records;
}

}  // namespace yoda
