// SPDX-License-Identifier: Apache-2.0
#include "recovering.hpp"

#include <algorithm>
#include <cstdlib>
#include <unordered_map>

#include "bundle_names.hpp"
#include "core/journal/recovery.hpp"
#include "core/journal/replay.hpp"
#include "ranges.hpp"

namespace yoda::sim {

namespace {

constexpr Rank repair_rank = 0;

/// events.h5 and state.h5.
EventTable load_checkpoint(Plan const& plan, Disk const& disk, Life& life, std::uint64_t& sequence)
{
    auto table = make_table(plan);
    for (auto const feed : disk.feeds) add_feed(table, plan, feed);
    if (!disk.checkpoint) return table;
    auto const& checkpoint = *disk.checkpoint;
    for (RangeIndex range = 0; range < checkpoint.progress.size(); ++range)
        table.set_progress(range, checkpoint.progress[range], checkpoint.winners[range]);
    table.set_bundles(checkpoint.bundles);
    table.rebuild();
    life = checkpoint.life;
    sequence = checkpoint.journal_sequence;
    return table;
}

/// Calls `visit(record, info, place)` for every frame that checks. False: something is missing. `is_last` of
/// its life: it may end in the middle of a write.
template <class Visit>
bool walk(std::string const& name, std::string_view bytes, bool is_last, Findings& findings, Visit visit)
{
    bool whole = true;
    journal::Reader reader(bytes);
    for (;;) {
        auto const offset = reader.offset();
        auto const step = reader.next();
        if (step == journal::Reader::Step::end) return whole;
        if (step == journal::Reader::Step::record) {
            visit(reader.record(), reader.info(), JournalPlace{name, offset});
            continue;
        }
        if (!reader.skip_bad()) {
            findings.add(is_last ? FindingKind::leftover : FindingKind::damage, "unfinished write", name, "");
            return whole && is_last;
        }
        whole = false;
        findings.add(FindingKind::damage, "bad block", name, "outputs are taken from the bundles");
    }
}

std::uint32_t life_of(std::string const& segment)
{
    return static_cast<std::uint32_t>(std::strtoul(segment.c_str() + segment.find('-') + 1, nullptr, 10));
}

/// As sys/run/bundle_scan.cpp looks at a bundle's files.
struct BundleFiles {
    std::string tar;                     ///< name of the one that counts; empty: there is none
    std::string index;                   ///< likewise
    std::vector<std::string> own;        ///< in the order in which they can go
    std::vector<std::string> leftovers;  ///< count in no case
};

struct Scan {
    std::vector<BundleFacts> facts;
    std::vector<BundleFiles> files;
    std::vector<std::vector<BundleEntry>> entries;
};

struct Names {
    BundleOrigin origin;  ///< but for the job
    std::set<std::string> suffixes;
};

std::map<std::string, Names> list_bundles(Disk const& disk)
{
    std::map<std::string, Names> bundles;
    for (auto const& [name, id] : disk.names(Folder::bundles)) {
        auto const dot = name.find('.');
        auto& found = bundles[name.substr(0, dot)];
        found.suffixes.insert(name.substr(dot));
        auto& origin = found.origin;
        char* at = nullptr;
        origin.panda_id =
            std::strtoll(name.c_str() + std::string_view("EventService_premerge_").size(), &at, 10);
        for (auto* const number : {&origin.life, &origin.rank, &origin.sequence})
            *number = static_cast<std::uint32_t>(std::strtoul(at + 1, &at, 10));
    }
    return bundles;
}

class Scanner {
  public:
    Scanner(Disk const& disk, EventTable const& table, std::span<std::uint64_t const> claims, bool read_all)
        : disk_(disk), table_(table), claims_(claims), read_all_(read_all)
    {}

    Scan scan()
    {
        for (auto const& [base, names] : list_bundles(disk_)) look_at(base, names);
        return std::move(scan_);
    }

  private:
    /// As parse_manifest, which takes most of the time of a scan; of a bundle looked at again it is known.
    static Result<BundleManifest> parse(std::string const& text)
    {
        constexpr std::size_t most = 10'000;
        thread_local std::unordered_map<std::string, Result<BundleManifest>> known;
        if (auto const found = known.find(text); found != known.end()) return found->second;
        if (known.size() >= most) known.clear();
        return known.emplace(text, parse_manifest(text)).first->second;
    }

    void look_at(std::string const& base, Names const& names)
    {
        BundleFacts facts;
        BundleFiles files;
        entries_.clear();
        facts.origin = names.origin;
        auto const has = [&](char const* suffix) { return names.suffixes.contains(suffix); };
        for (auto const* const suffix : {".manifest.json", ".index.part", ".index", ".tar.part", ".tar"}) {
            if (has(suffix)) files.own.push_back(base + suffix);
        }
        for (auto const& suffix : names.suffixes) {
            bool const is_open = suffix == ".tar.part" || suffix == ".index.part";
            if (suffix.ends_with(".new") || (suffix.ends_with(".part") && !is_open))
                files.leftovers.push_back(base + suffix);
        }
        auto const* const note = disk_.find(Folder::bundles, base + ".manifest.json");
        auto const manifest = note ? parse(note->bytes) : Result<BundleManifest>(Error{});
        if (manifest) {
            look_at_sealed(base, *manifest, facts, files);
        } else {
            auto const take = [&](char const* open, char const* final, std::string& place) {
                if (has(open) || has(final)) place = base + (has(open) ? open : final);
            };
            take(".tar.part", ".tar", files.tar);
            take(".index.part", ".index", files.index);
            if (!files.tar.empty()) facts.data_bytes = disk_.find(Folder::bundles, files.tar)->tar_bytes;
            read_index(facts, files);
        }
        scan_.facts.push_back(std::move(facts));
        scan_.files.push_back(std::move(files));
        scan_.entries.push_back(std::move(entries_));
    }

    void look_at_sealed(std::string const& base, BundleManifest const& manifest, BundleFacts& facts,
                        BundleFiles& files)
    {
        facts.origin = manifest.origin;
        auto const* const index = disk_.find(Folder::bundles, base + ".index");
        facts.condition = index ? BundleCondition::cleaned : BundleCondition::cut;
        if (auto const* const tar = disk_.find(Folder::bundles, base + ".tar")) {
            files.tar = base + ".tar";
            facts.data_bytes = tar->tar_bytes;
            facts.condition =
                tar->tar_bytes == manifest.bytes ? BundleCondition::sealed : BundleCondition::cut;
        }
        if (index) files.index = base + ".index";
        for (auto const* const suffix : {".tar.part", ".index.part"}) {
            if (std::erase(files.own, base + suffix) > 0) files.leftovers.push_back(base + suffix);
        }
        bool const index_is_whole = index && index->bytes.size() == manifest.index_bytes;
        if (!index_is_whole && facts.condition == BundleCondition::sealed)
            facts.condition = BundleCondition::cut;
        auto const number = table_.find_bundle(facts.origin);
        if (read_all_ || needs_entries(table_, claims_, number, facts.condition, manifest.entry_count))
            read_index(facts, files);
    }

    void read_index(BundleFacts& facts, BundleFiles const& files)
    {
        facts.entries_known = true;
        if (files.index.empty()) return;
        auto const decoded = decode_index(disk_.find(Folder::bundles, files.index)->bytes);
        if (!decoded) return;
        auto named = facts.origin;
        named.job = decoded->origin.job;
        if (decoded->origin != named) return;
        facts.origin.job = decoded->origin.job;
        for (std::uint32_t position = 0; position < decoded->entries.size(); ++position) {
            auto const& entry = decoded->entries[position];
            if (entry.range >= table_.size() || table_.job(entry.range) != facts.origin.job) continue;
            facts.entries.push_back(
                {entry.range, Epoch{entry.epoch}, entry.end, entry.cpu_ms, entry.wall_ms, position});
        }
        entries_ = decoded->entries;
    }

    Disk const& disk_;
    EventTable const& table_;
    std::span<std::uint64_t const> claims_;
    bool read_all_;
    std::vector<BundleEntry> entries_;
    Scan scan_;
};

Scan scan_bundles(Disk const& disk, EventTable const& table, std::span<std::uint64_t const> claims,
                  bool read_all)
{
    return Scanner(disk, table, claims, read_all).scan();
}

class Repair {
  public:
    Repair(Plan const& plan, Disk& disk, ProcessId who, Recovered& recovered)
        : plan_(plan), disk_(disk), who_(who), recovered_(recovered)
    {}

    void run()
    {
        auto& table = recovered_.table;
        auto const claims = count_claims(table);
        auto const scan = scan_bundles(disk_, table, claims, recovered_.incomplete);
        auto reconciled = reconcile(table, scan.facts, recovered_.findings);
        find_next_sequence();
        for (std::size_t i = 0; i < scan.facts.size(); ++i) {
            auto const& plan = reconciled.plans[i];
            if (plan.use == BundleUse::copy) copy(scan, i, reconciled);
            if (plan.use != BundleUse::keep) move(scan.files[i].own);
            move(scan.files[i].leftovers);
        }
        if (moved_any_) {
            must(disk_.sync_folder(who_, Folder::quarantine));
            must(disk_.sync_folder(who_, Folder::bundles));
        }
        RecoveryRecords records;
        records.add_lost(table, reconciled.lost);
        records.add_changed(table, reconciled.changed);
        for (auto const& plan : reconciled.plans) {
            if (plan.number != none) records.add_adopted(table, plan.number, plan.adopted);
        }
        journal::Writer writer(recovered_.life, recovered_.next_sequence);
        recovered_.records = records.encode(writer);
        recovered_.next_sequence = writer.next_sequence();
    }

  private:
    static void must(bool good)
    {
        if (!good) throw CannotOpen{};
    }

    void find_next_sequence()
    {
        auto const begin = fmt::format("_{}_0_", recovered_.life);
        for (auto const folder : {Folder::bundles, Folder::quarantine}) {
            for (auto const& [name, id] : disk_.names(folder)) {
                auto const at = name.find(begin);
                if (at == std::string::npos) continue;
                auto const number = std::strtoul(name.c_str() + at + begin.size(), nullptr, 10);
                next_sequence_ = std::max(next_sequence_, static_cast<std::uint32_t>(number) + 1);
            }
        }
    }

    void move(std::vector<std::string> const& names)
    {
        for (auto const& name : names) {
            moved_any_ = true;
            auto free = name;
            for (unsigned number = 2; disk_.find(Folder::quarantine, free); ++number)
                free = fmt::format("{}.{}", name, number);
            must(disk_.move(who_, Folder::bundles, name, Folder::quarantine, free));
            if (name.ends_with(".json")) must(disk_.sync_folder(who_, Folder::bundles));
        }
    }

    void copy(Scan const& scan, std::size_t which, Reconciled& reconciled)
    {
        auto& table = recovered_.table;
        auto const& plan = reconciled.plans[which];
        auto const& from = scan.facts[which].origin;
        BundleOrigin const origin{from.panda_id, from.job, recovered_.life, repair_rank, next_sequence_++};
        auto const* const source = disk_.find(Folder::bundles, scan.files[which].tar);
        must(source != nullptr);
        std::vector<BundleEntry> entries;
        for (auto const position : plan.kept) entries.push_back(scan.entries[which][position]);
        std::vector<EntryFact> damaged;
        auto const count = write_sealed_copy(*source, entries, origin, damaged);
        for (auto const& entry : damaged) {
            if (!table.is_winner(entry.range, entry.epoch, plan.number)) continue;
            table.lose_output(entry.range);
            reconciled.lost.push_back(entry.range);
        }
        if (count == 0) return;
        table.replace_bundle(plan.number, origin);
        auto& changed = reconciled.changed;
        if (std::find(changed.begin(), changed.end(), plan.number) == changed.end())
            changed.push_back(plan.number);
    }

    /// As sys/bundle/sealed_copy.cpp does it. Returns how many entries the copy has.
    std::uint64_t write_sealed_copy(File const& source, std::vector<BundleEntry> const& entries,
                                    BundleOrigin const& origin, std::vector<EntryFact>& damaged)
    {
        auto const names = bundle_names(origin);
        FileId tar = 0;
        FileId index = 0;
        FileId manifest_file = 0;
        disk_.remove(who_, Folder::bundles, names.tar + ".new");  // O_TRUNC, as it were.
        disk_.remove(who_, Folder::bundles, names.index + ".new");
        must(disk_.create(who_, Folder::bundles, names.tar + ".new", true, tar));
        std::string bytes = encode_index_header(origin);
        BundleManifest manifest;
        for (auto entry : entries) {
            auto const extent =
                std::lower_bound(source.extents.begin(), source.extents.end(), entry.begin,
                                 [](Extent const& a, std::uint64_t b) { return a.begin < b; });
            bool const whole = extent != source.extents.end() && extent->begin == entry.begin &&
                               extent->end == entry.end && extent->good && extent->range == entry.range &&
                               extent->epoch == entry.epoch;
            if (!whole) {
                damaged.push_back({entry.range, Epoch{entry.epoch}, 0, 0, 0, 0});
                continue;
            }
            auto const length = entry.end - entry.begin;
            entry.begin = disk_.file(tar).tar_bytes;
            entry.end = entry.begin + length;
            entry.members[0].data_offset = entry.begin + tar_block_bytes;
            must(disk_.append_extent(who_, tar, {entry.begin, entry.end, entry.range, entry.epoch, true}));
            encode_index_entry(entry, bytes);
            ++manifest.entry_count;
        }
        if (manifest.entry_count == 0) {
            disk_.remove(who_, Folder::bundles, names.tar + ".new");
            return 0;
        }
        auto const end = disk_.file(tar).tar_bytes;
        must(disk_.append_extent(who_, tar, {end, end + tar_end_bytes, none, 0, true}));
        must(disk_.sync(who_, tar));
        must(disk_.create(who_, Folder::bundles, names.index + ".new", false, index));
        must(disk_.append(who_, index, bytes));
        must(disk_.sync(who_, index));
        must(disk_.rename(who_, Folder::bundles, names.index + ".new", names.index));
        must(disk_.rename(who_, Folder::bundles, names.tar + ".new", names.tar));
        must(disk_.sync_folder(who_, Folder::bundles));
        manifest.origin = origin;
        manifest.bundle = names.tar;
        manifest.bytes = disk_.file(tar).tar_bytes;
        manifest.index_bytes = bytes.size();
        auto const part = fmt::format("{}.{}.part", names.manifest, who_);
        must(disk_.create(who_, Folder::bundles, part, false, manifest_file));
        must(disk_.append(who_, manifest_file, print_manifest(manifest)));
        must(disk_.sync(who_, manifest_file));
        must(disk_.rename(who_, Folder::bundles, part, names.manifest));
        must(disk_.sync_folder(who_, Folder::bundles));
        return manifest.entry_count;
    }

    Plan const& plan_;
    Disk& disk_;
    ProcessId who_;
    Recovered& recovered_;
    std::uint32_t next_sequence_ = 0;
    bool moved_any_ = false;
};

}  // namespace

Recovered read_table(Plan const& plan, Disk const& disk, std::string_view tail)
{
    Recovered recovered;
    Life checkpoint_life = 0;
    std::uint64_t checkpoint_sequence = 0;
    recovered.table = load_checkpoint(plan, disk, checkpoint_life, checkpoint_sequence);
    auto const base_size = recovered.table.size();
    Replay replay(recovered.table, checkpoint_life, checkpoint_sequence);

    Findings ignored;
    auto const each = [&](Findings& findings, auto visit) {
        bool whole = true;
        auto const& names = disk.names(Folder::journal);
        for (auto name = names.begin(); name != names.end(); ++name) {
            auto const next = std::next(name);
            bool const is_last = next == names.end() || life_of(next->first) != life_of(name->first);
            whole &= walk(name->first, disk.file(name->second).bytes, is_last, findings, visit);
        }
        return walk("tail", tail, true, findings, visit) && whole;
    };
    each(ignored, [&](journal::Record const&, journal::FrameInfo const& info, JournalPlace const&) {
        replay.begin_life(info.life, info.sequence);
    });
    recovered.incomplete =
        !each(recovered.findings,
              [&](journal::Record const& record, journal::FrameInfo const& info, JournalPlace const& place) {
                  replay.apply(record, info, place, recovered.findings);
              });
    replay.finish();
    recovered.life = static_cast<Life>(std::max<Life>(replay.life(), disk.lease_life) + 1);
    recovered.next_sequence = replay.next_sequence();
    for (auto const& [name, id] : disk.names(Folder::journal))
        recovered.life = std::max(recovered.life, static_cast<Life>(life_of(name) + 1));
    recovered.incomplete |= replay.incomplete();
    recovered.closed = replay.closed();
    recovered.applied_notes = replay.applied_notes();
    recovered.rows_added = recovered.table.size() > base_size;
    return recovered;
}

Recovered recover(Plan const& plan, Disk& disk, ProcessId who)
{
    auto recovered = read_table(plan, disk);
    disk.lease_life = recovered.life;
    recovered.table.start_life(recovered.life);
    Repair(plan, disk, who, recovered).run();
    return recovered;
}

}  // namespace yoda::sim
