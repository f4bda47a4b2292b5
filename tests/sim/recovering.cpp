#include "recovering.hpp"

#include <algorithm>
#include <cstdlib>

#include "bundle_names.hpp"
#include "core/recovery.hpp"
#include "core/replay.hpp"
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

/// Calls `visit(record, info, place)` for every frame that checks.
template <class Visit>
void walk(std::string const& name, std::string_view bytes, Findings& findings, Visit visit)
{
    journal::Reader reader(bytes);
    for (;;) {
        auto const offset = reader.offset();
        auto const step = reader.next();
        if (step == journal::Reader::Step::end) return;
        if (step == journal::Reader::Step::record) {
            visit(reader.record(), reader.info(), JournalPlace{name, offset});
            continue;
        }
        if (!reader.skip_bad()) {
            findings.add(FindingKind::leftover, "torn tail", name, "it is cut");
            return;
        }
        findings.add(FindingKind::damage, "bad block", name, "outputs are taken from the bundles");
    }
}

struct BundleFiles {
    std::string tar;  ///< name in the folder; empty: there is none
    std::string index;
    std::string manifest;
    std::vector<std::string> others;  ///< what a crash left behind
};

/// What is in the bundle folder, by bundle.
std::map<std::string, BundleFiles> list_bundles(Disk const& disk)
{
    std::map<std::string, BundleFiles> bundles;
    for (auto const& [name, id] : disk.names(Folder::bundles)) {
        auto const dot = name.find('.');
        auto& files = bundles[name.substr(0, dot)];
        auto const ending = name.substr(dot);
        auto const take = [&](std::string& place) {
            if (!place.empty())
                files.others.push_back(std::exchange(place, name));
            else
                place = name;
        };
        // In order of name: ".index" comes before ".index.part", which counts as long as there is no
        // manifest.
        if (ending == ".tar" || ending == ".tar.part")
            take(files.tar);
        else if (ending == ".index" || ending == ".index.part")
            take(files.index);
        else if (ending == ".manifest.json")
            files.manifest = name;
        else
            files.others.push_back(name);
    }
    return bundles;
}

struct Scan {
    std::vector<BundleFacts> facts;
    std::vector<BundleFiles> files;
    std::vector<std::vector<BundleEntry>> entries;
    std::vector<std::string> leftovers;
};

Scan scan_bundles(Disk const& disk, EventTable const& table, std::span<std::uint64_t const> claims)
{
    Scan scan;
    for (auto& [base, files] : list_bundles(disk)) {
        auto const* const tar = files.tar.empty() ? nullptr : disk.find(Folder::bundles, files.tar);
        auto const* const index = files.index.empty() ? nullptr : disk.find(Folder::bundles, files.index);
        auto const* const note =
            files.manifest.empty() ? nullptr : disk.find(Folder::bundles, files.manifest);
        auto const decoded = index ? decode_index(index->bytes) : Result<BundleIndex>(Error{});
        auto const manifest = note ? parse_manifest(note->bytes) : Result<BundleManifest>(Error{});
        BundleFacts facts;
        if (decoded) {
            facts.origin = decoded->origin;
        } else {
            scan.leftovers.insert(scan.leftovers.end(), files.others.begin(), files.others.end());
            for (auto const& name : {files.tar, files.index, files.manifest}) {
                if (!name.empty()) scan.leftovers.push_back(name);
            }
            continue;
        }
        facts.data_bytes = tar ? tar->tar_bytes : 0;
        if (manifest)
            facts.condition = !tar                                ? BundleCondition::cleaned
                              : manifest->bytes == tar->tar_bytes ? BundleCondition::sealed
                                                                  : BundleCondition::cut;
        auto const number = table.find_bundle(facts.origin);
        facts.entries_known =
            needs_entries(table, claims, number, facts.condition, manifest ? manifest->entry_count : 0);
        if (facts.entries_known) {
            std::uint32_t position = 0;
            for (auto const& entry : decoded->entries)
                facts.entries.push_back(
                    {entry.range, Epoch{entry.epoch}, entry.end, entry.cpu_ms, entry.wall_ms, position++});
        }
        scan.facts.push_back(std::move(facts));
        scan.files.push_back(std::move(files));
        scan.entries.push_back(decoded->entries);
    }
    return scan;
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
        auto const scan = scan_bundles(disk_, table, claims);
        auto reconciled = reconcile(table, scan.facts, recovered_.findings);
        for (std::size_t i = 0; i < scan.facts.size(); ++i) {
            auto const& plan = reconciled.plans[i];
            if (plan.use == BundleUse::copy) copy(scan, i, reconciled);
        }
        disk_.sync_folder(who_, Folder::bundles);
        for (std::size_t i = 0; i < scan.facts.size(); ++i) {
            auto const& files = scan.files[i];
            for (auto const& name : files.others) set_aside(name);
            if (reconciled.plans[i].use == BundleUse::keep) continue;
            for (auto const& name : {files.tar, files.index, files.manifest}) {
                if (!name.empty()) set_aside(name);
            }
        }
        for (auto const& name : scan.leftovers) set_aside(name);
        disk_.sync_folder(who_, Folder::bundles);
        disk_.sync_folder(who_, Folder::quarantine);

        RecoveryRecords records;
        records.add_lost(table, reconciled.lost);
        records.add_changed(table, reconciled.changed);
        for (auto const& plan : reconciled.plans) {
            if (!plan.adopted.empty()) records.add_adopted(table, plan.number, plan.adopted);
        }
        journal::Writer writer(recovered_.life, recovered_.next_sequence);
        recovered_.records = records.encode(writer);
        recovered_.next_sequence = writer.next_sequence();
    }

  private:
    void set_aside(std::string const& name)
    {
        disk_.move(who_, Folder::bundles, name, Folder::quarantine,
                   fmt::format("{}.{}", name, recovered_.life));
    }

    /// write_sealed_copy() of sys/sealed_copy.cpp, and what is to be done about entries that cannot be read.
    void copy(Scan const& scan, std::size_t which, Reconciled& reconciled)
    {
        auto& table = recovered_.table;
        auto const& plan = reconciled.plans[which];
        auto const& from = scan.facts[which].origin;
        BundleOrigin const origin{from.panda_id, from.job, recovered_.life, repair_rank, next_sequence_++};
        auto const names = bundle_names(origin);
        auto const* const source = disk_.find(Folder::bundles, scan.files[which].tar);
        FileId tar = 0;
        FileId index = 0;
        FileId manifest_file = 0;
        disk_.create(who_, Folder::bundles, names.tar + ".new", true, tar);
        disk_.create(who_, Folder::bundles, names.index + ".new", false, index);
        std::string bytes = encode_index_header(origin);
        BundleManifest manifest;
        std::vector<Extent> const extents = source ? source->extents : std::vector<Extent>{};
        for (auto const position : plan.kept) {
            auto entry = scan.entries[which][position];
            auto const extent =
                std::lower_bound(extents.begin(), extents.end(), entry.begin,
                                 [](Extent const& a, std::uint64_t b) { return a.begin < b; });
            bool const whole = extent != extents.end() && extent->begin == entry.begin &&
                               extent->end == entry.end && extent->good && extent->range == entry.range &&
                               extent->epoch == entry.epoch;
            if (!whole) {
                if (table.state(entry.range) == RangeState::finished &&
                    table.progress(entry.range).holder == plan.number)
                    table.lose_output(entry.range);
                reconciled.lost.push_back(entry.range);
                continue;
            }
            auto const length = entry.end - entry.begin;
            entry.begin = disk_.file(tar).tar_bytes;
            entry.end = entry.begin + length;
            entry.members[0].data_offset = entry.begin + tar_block_bytes;
            disk_.append_extent(who_, tar, {entry.begin, entry.end, entry.range, entry.epoch, true});
            encode_index_entry(entry, bytes);
            ++manifest.entry_count;
        }
        if (manifest.entry_count == 0) {
            disk_.remove(who_, Folder::bundles, names.tar + ".new");
            disk_.remove(who_, Folder::bundles, names.index + ".new");
            return;
        }
        auto const end = disk_.file(tar).tar_bytes;
        disk_.append_extent(who_, tar, {end, end + tar_end_bytes, none, 0, true});
        disk_.append(who_, index, bytes);
        disk_.sync(who_, tar);
        disk_.sync(who_, index);
        disk_.rename(who_, Folder::bundles, names.index + ".new", names.index);
        disk_.rename(who_, Folder::bundles, names.tar + ".new", names.tar);
        disk_.sync_folder(who_, Folder::bundles);
        manifest.origin = origin;
        manifest.bundle = names.tar;
        manifest.bytes = disk_.file(tar).tar_bytes;
        manifest.index_bytes = bytes.size();
        disk_.create(who_, Folder::bundles, names.manifest + ".part", false, manifest_file);
        disk_.append(who_, manifest_file, print_manifest(manifest));
        disk_.sync(who_, manifest_file);
        disk_.rename(who_, Folder::bundles, names.manifest + ".part", names.manifest);
        disk_.sync_folder(who_, Folder::bundles);
        table.replace_bundle(plan.number, origin);
        reconciled.changed.push_back(plan.number);
    }

    Plan const& plan_;
    Disk& disk_;
    ProcessId who_;
    Recovered& recovered_;
    std::uint32_t next_sequence_ = 0;
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
        for (auto const& [name, id] : disk.names(Folder::journal))
            walk(name, disk.file(id).bytes, findings, visit);
        walk("tail", tail, findings, visit);
    };
    each(ignored, [&](journal::Record const&, journal::FrameInfo const& info, JournalPlace const&) {
        replay.begin_life(info.life, info.sequence);
    });
    each(recovered.findings,
         [&](journal::Record const& record, journal::FrameInfo const& info, JournalPlace const& place) {
             replay.apply(record, info, place, recovered.findings);
         });
    replay.finish();
    recovered.life = static_cast<Life>(std::max<Life>(replay.life(), disk.lease_life) + 1);
    recovered.next_sequence = replay.next_sequence();
    recovered.closed = disk.closed || replay.closed();
    recovered.applied_notes = replay.applied_notes();
    recovered.applied_notes.insert(disk.noted.begin(), disk.noted.end());
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
