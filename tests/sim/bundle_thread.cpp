// SPDX-License-Identifier: Apache-2.0
#include "bundle_thread.hpp"

#include "droid/bundle_writer.hpp"
#include "ledger.hpp"

namespace yoda::sim {

namespace {

BundleWriterSetup const writing;

}  // namespace

BundleThread::BundleThread(Sim& sim, Ledger& ledger, ProcessId self, Life life, Rank rank,
                           BundleListener& listener)
    : sim_(sim), ledger_(ledger), self_(self), life_(life), rank_(rank), listener_(listener)
{}

void BundleThread::store(std::uint32_t sequence, RangeOutput const& output, std::uint64_t bytes, bool is_bad)
{
    Order order;
    order.is_bad = is_bad;
    order.sequence = sequence;
    order.job = output.job;
    order.what = output.what;
    order.bytes = bytes;
    order.cpu_ms = output.cpu_ms;
    order.wall_ms = output.wall_ms;
    order.range_id = output.range_id;
    orders_.push_back(std::move(order));
    begin();
}

void BundleThread::seal(JobIndex job, std::uint32_t sequence, std::vector<HandOut> const& rejected)
{
    Order order;
    order.is_seal = true;
    order.sequence = sequence;
    order.job = job;
    order.rejected = rejected;
    orders_.push_back(std::move(order));
    begin(true);
}

void BundleThread::hurry()
{
    if (!orders_.empty() || unsynced_count_ > 0) begin(true);
}

void BundleThread::wait(Step next, Duration time)
{
    step_ = next;
    due_ = sim_.now + time;
    sim_.at(due_, self_, EventKind::writer);
}

void BundleThread::begin(bool hurry)
{
    in_a_hurry_ |= hurry;
    if (step_ != Step::idle && step_ != Step::share) return;
    busy_since_ = sim_.now;
    wait(Step::gather, {});
}

void BundleThread::step()
{
    if (sim_.now < due_) return;
    if (sim_.now < frozen_until_) {
        due_ = frozen_until_;
        return sim_.at(due_, self_, EventKind::writer);
    }
    switch (step_) {
        case Step::idle:
            return;
        case Step::share:
            busy_since_ = sim_.now;
            in_a_hurry_ = true;
            [[fallthrough]];
        case Step::gather:
            current_.clear();
            current_.swap(orders_);
            next_ = 0;
            return next_group();
        case Step::sync_tars:
            return sync_tars();
        case Step::sync_indexes:
            return sync_indexes();
        case Step::seal_names:
            return seal_names();
        case Step::seal_folder:
            return seal_folder();
        case Step::seal_manifest:
            return seal_manifest();
    }
}

/// All stores up to the next seal: written at once, synced together, and with what comes soon.
void BundleThread::next_group()
{
    while (next_ < current_.size() && !current_[next_].is_seal) carry_out(current_[next_++]);
    bool const is_due = next_ < current_.size() || in_a_hurry_ || unsynced_count_ >= writing.much_unsynced ||
                        sim_.now - last_sync_ >= writing.sync_interval;
    if (touched_.empty()) return group_done();
    if (!is_due) {
        busy_since_ = TimePoint::never();
        return wait(Step::share, writing.sync_interval - (sim_.now - last_sync_));
    }
    in_a_hurry_ = false;
    last_sync_ = sim_.now;
    wait(Step::sync_tars, sim_.sync_time());
}

BundleThread::Bundle* BundleThread::open(JobIndex job, std::uint32_t sequence)
{
    if (failed_.contains(sequence)) return nullptr;
    if (auto const found = open_.find(sequence); found != open_.end()) return &found->second;
    Bundle bundle;
    bundle.origin = {ledger_.panda_id(job), job, life_, rank_, sequence};
    auto const names = bundle_names(bundle.origin);
    bool const made = sim_.disk.create(self_, Folder::bundles, names.open_tar, true, bundle.tar) &&
                      sim_.disk.create(self_, Folder::bundles, names.open_index, false, bundle.index) &&
                      sim_.disk.append(self_, bundle.index, encode_index_header(bundle.origin));
    auto& opened = open_.emplace(sequence, std::move(bundle)).first->second;
    if (!made) {
        remove_open_files(opened);
        fail(sequence, "it cannot be made");
        return nullptr;
    }
    return &opened;
}

void BundleThread::carry_out(Order const& order)
{
    auto* const bundle = open(order.job, order.sequence);
    if (!bundle || !bundle->trouble.empty()) return;
    if (!bundle->touched) {
        bundle->touched = true;
        touched_.push_back(order.sequence);
    }
    if (order.is_bad) return listener_.output_bad(order.what);
    auto const epoch = Epoch::make(life_, order.what.hand_out);
    BundleEntry entry;
    entry.range = order.what.range;
    entry.epoch = epoch.value;
    entry.begin = sim_.disk.file(bundle->tar).tar_bytes;
    entry.end = entry.begin + tar_block_bytes + padded(order.bytes);
    entry.cpu_ms = order.cpu_ms;
    entry.wall_ms = order.wall_ms;
    entry.range_id = order.range_id;
    entry.members.push_back({"out." + order.range_id, entry.begin + tar_block_bytes, order.bytes,
                             content_sum(entry.range, entry.epoch)});
    if (!sim_.disk.append_extent(self_, bundle->tar,
                                 {entry.begin, entry.end, entry.range, entry.epoch, true})) {
        bundle->trouble = "no space";
        in_a_hurry_ = true;
        return;
    }
    ledger_.on_written(entry.range, epoch, bundle->origin);
    encode_index_entry(entry, bundle->new_entries);
    bundle->unsynced.push_back({order.what, entry.end});
    ++unsynced_count_;
    ++bundle->entry_count;
}

void BundleThread::sync_tars()
{
    for (auto const sequence : touched_) {
        auto& bundle = open_.at(sequence);
        if (!bundle.named) {
            bundle.named =
                sim_.disk.sync(self_, bundle.index) && sim_.disk.sync_folder(self_, Folder::bundles);
            if (!bundle.named) {
                bundle.unsynced.clear();
                bundle.trouble = "it cannot be made";
            }
        }
        if (bundle.unsynced.empty()) continue;
        bool const good =
            sim_.disk.sync(self_, bundle.tar) && sim_.disk.append(self_, bundle.index, bundle.new_entries);
        bundle.new_entries.clear();
        if (good) continue;
        bundle.trouble = "its tar cannot be synced";
        bundle.unsynced.clear();
    }
    wait(Step::sync_indexes, sim_.sync_time());
}

void BundleThread::sync_indexes()
{
    for (auto const sequence : touched_) {
        auto& bundle = open_.at(sequence);
        bundle.touched = false;
        if (!bundle.unsynced.empty()) {
            if (sim_.disk.sync(self_, bundle.index)) {
                auto const entries = std::exchange(bundle.unsynced, {});
                for (auto const& entry : entries)
                    ledger_.on_durable(entry.what.range, Epoch::make(life_, entry.what.hand_out),
                                       bundle.origin);
                listener_.stored(bundle.origin.job, sequence, entries);
            } else {
                bundle.trouble = "its index cannot be synced";
            }
        }
        if (!bundle.trouble.empty()) fail(sequence, bundle.trouble);
    }
    touched_.clear();
    unsynced_count_ = 0;
    busy_since_ = sim_.now;
    group_done();
}

void BundleThread::group_done()
{
    if (next_ < current_.size()) return begin_seal(current_[next_++]);
    step_ = Step::idle;
    busy_since_ = TimePoint::never();
    current_.clear();
    next_ = 0;
    if (!orders_.empty()) return begin();
    in_a_hurry_ = false;
}

void BundleThread::fail(std::uint32_t sequence, std::string why)
{
    auto const job = open_.at(sequence).origin.job;
    open_.erase(sequence);
    failed_.insert(sequence);
    listener_.bundle_failed(job, sequence, why);
}

void BundleThread::remove_open_files(Bundle const& bundle)
{
    auto const names = bundle_names(bundle.origin);
    sim_.disk.remove(self_, Folder::bundles, names.open_index);
    sim_.disk.remove(self_, Folder::bundles, names.open_tar);
    sim_.disk.sync_folder(self_, Folder::bundles);
}

// ---- Sealing

void BundleThread::begin_seal(Order const& order)
{
    auto* const bundle = open(order.job, order.sequence);
    if (!bundle) return next_group();
    sealing_ = {order.sequence, !order.rejected.empty(), bundle->tar, bundle->index, bundle->entry_count};
    if (bundle->entry_count == 0) {
        remove_open_files(*bundle);
        return seal_done(0, 0);
    }
    if (sealing_.is_copy) {
        if (!copy_without(*bundle, order.rejected)) return fail_sealing("it cannot be copied");
        if (sealing_.entry_count == 0) {
            remove_open_files(*bundle);
            return seal_done(0, 0);
        }
    }
    auto const end = sim_.disk.file(sealing_.tar).tar_bytes;
    if (!sim_.disk.append_extent(self_, sealing_.tar, {end, end + tar_end_bytes, none, 0, true}))
        return fail_sealing("no space");
    wait(Step::seal_names, sim_.sync_time());
}

bool BundleThread::copy_without(Bundle& bundle, std::vector<HandOut> const& rejected)
{
    auto const names = bundle_names(bundle.origin);
    auto const index = decode_index(sim_.disk.file(bundle.index).bytes);
    if (!index) return false;
    if (!sim_.disk.create(self_, Folder::bundles, names.tar + ".new", true, sealing_.tar)) return false;
    if (!sim_.disk.create(self_, Folder::bundles, names.index + ".new", false, sealing_.index)) return false;
    std::string bytes = encode_index_header(bundle.origin);
    sealing_.entry_count = 0;
    std::uint64_t at = 0;
    for (auto entry : index->entries) {
        bool const is_out = std::any_of(rejected.begin(), rejected.end(), [&](HandOut const& what) {
            return what.range == entry.range && Epoch::make(life_, what.hand_out).value == entry.epoch;
        });
        if (is_out) continue;
        auto const length = entry.end - entry.begin;
        entry.begin = at;
        entry.end = at += length;
        entry.members[0].data_offset = entry.begin + tar_block_bytes;
        if (!sim_.disk.append_extent(self_, sealing_.tar,
                                     {entry.begin, entry.end, entry.range, entry.epoch, true}))
            return false;
        encode_index_entry(entry, bytes);
        ++sealing_.entry_count;
    }
    if (sealing_.entry_count > 0) return sim_.disk.append(self_, sealing_.index, bytes);
    sim_.disk.remove(self_, Folder::bundles, names.tar + ".new");
    return sim_.disk.remove(self_, Folder::bundles, names.index + ".new");
}

void BundleThread::seal_names()
{
    auto const names = bundle_names(open_.at(sealing_.sequence).origin);
    std::string const from_index = sealing_.is_copy ? names.index + ".new" : names.open_index;
    std::string const from_tar = sealing_.is_copy ? names.tar + ".new" : names.open_tar;
    bool const good = sim_.disk.sync(self_, sealing_.tar) && sim_.disk.sync(self_, sealing_.index) &&
                      sim_.disk.rename(self_, Folder::bundles, from_index, names.index) &&
                      sim_.disk.rename(self_, Folder::bundles, from_tar, names.tar);
    if (!good) return fail_sealing("it cannot be renamed");
    wait(Step::seal_folder, sim_.sync_time());
}

void BundleThread::seal_folder()
{
    auto const& origin = open_.at(sealing_.sequence).origin;
    auto const names = bundle_names(origin);
    BundleManifest manifest;
    manifest.origin = origin;
    manifest.bundle = names.tar;
    manifest.bytes = sim_.disk.file(sealing_.tar).tar_bytes;
    manifest.entry_count = sealing_.entry_count;
    manifest.index_bytes = sim_.disk.file(sealing_.index).bytes.size();
    FileId file = 0;
    auto const part = fmt::format("{}.{}.part", names.manifest, self_);
    bool const good = sim_.disk.sync_folder(self_, Folder::bundles) &&
                      sim_.disk.create(self_, Folder::bundles, part, false, file) &&
                      sim_.disk.append(self_, file, print_manifest(manifest)) &&
                      sim_.disk.sync(self_, file) &&
                      sim_.disk.rename(self_, Folder::bundles, part, names.manifest);
    if (!good) return fail_sealing("its manifest cannot be written");
    wait(Step::seal_manifest, sim_.sync_time());
}

void BundleThread::seal_manifest()
{
    if (!sim_.disk.sync_folder(self_, Folder::bundles)) return fail_sealing("its folder cannot be synced");
    auto const& bundle = open_.at(sealing_.sequence);
    if (sealing_.is_copy) remove_open_files(bundle);
    ledger_.on_sealed(bundle.origin, sim_.disk.file(sealing_.tar), sim_.disk.file(sealing_.index));
    seal_done(sealing_.entry_count, sim_.disk.file(sealing_.tar).tar_bytes);
}

void BundleThread::seal_done(std::uint32_t entry_count, std::uint64_t bytes)
{
    auto const job = open_.at(sealing_.sequence).origin.job;
    open_.erase(sealing_.sequence);
    listener_.sealed(job, sealing_.sequence, bytes, entry_count);
    busy_since_ = sim_.now;
    next_group();
}

void BundleThread::fail_sealing(std::string why)
{
    fail(sealing_.sequence, std::move(why));
    next_group();
}

}  // namespace yoda::sim
