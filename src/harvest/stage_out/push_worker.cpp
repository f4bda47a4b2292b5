// SPDX-License-Identifier: Apache-2.0
#include "harvest/stage_out/push_worker.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "core/base/checksum.hpp"
#include "core/config/output_names.hpp"
#include "harvest/panda/report/log_upload.hpp"
#include "harvest/stage_out/push_bundle.hpp"
#include "harvest/stage_out/push_cleanup.hpp"
#include "harvest/stores/base/digest.hpp"
#include "harvest/stores/base/file_sums.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace {

constexpr std::size_t failure_limit = 20;

ObjectOwner owner_of(StageRecord const& record)
{
    return {record.panda_id, record.task_id, record.scope};
}

bool is_bundle(StageRecord const& record)
{
    return record.path == "bundles/" + record.name;
}

}  // namespace

void PushShared::note_failure(std::string const& name, std::string const& reason)
{
    std::scoped_lock const lock(mutex);
    ++summary.failed_count;
    if (summary.failures.size() < failure_limit) summary.failures.push_back({name, reason});
}

PushWorker::PushWorker(PushShared& shared, StageFolder& folder) : shared_(shared), folder_(folder) {}

StoreConfig const* PushWorker::config_of(std::string const& activity, StageRecord const& record) const
{
    if (activity == "es_events")
        if (auto const own = shared_.job_stores.find(record.panda_id); own != shared_.job_stores.end())
            return &own->second;
    auto const found = shared_.options->stores.find(activity);
    return found == shared_.options->stores.end() ? nullptr : &found->second;
}

Result<Store*> PushWorker::store_of(std::string const& activity, StageRecord const& record)
{
    auto const* const config = config_of(activity, record);
    if (!config)
        return Error{ErrorKind::usage, "no store for " + record.name,
                     "none is configured for the activity " + activity, "configure one (docs/stores.md)"};
    auto url = store_url_for(*config, owner_of(record));
    if (!url) return url.error();
    // A store whose URLs are signed for one job is of no use to another.
    auto const whose = config->presigned_url ? fmt::format(" {}", record.panda_id) : std::string{};
    auto& store = stores_[activity + " " + url->text() + whose];
    if (!store) {
        auto made = make_store(*config, owner_of(record), shared_.context);
        if (!made) return made.error();
        store = *std::move(made);
    }
    return store.get();
}

bool PushWorker::works(std::string const& activity, StageRecord const& record)
{
    auto const* const config = config_of(activity, record);
    if (!config) return false;
    auto const url = store_url_for(*config, owner_of(record));
    if (!url) return false;
    auto const breaker = shared_.context.breakers->of(url->endpoint());
    return !breaker->stopped() && breaker->allows(shared_.clock->now());
}

bool PushWorker::any_store_works()
{
    auto const fails = [&](StoreConfig const& config) {
        auto const url = parse_store_url(config.url);
        if (!url) return true;
        auto const breaker = shared_.context.breakers->of(url->endpoint());
        return breaker->stopped() || breaker->failures_in_a_row() >= shared_.options->give_up_after;
    };
    for (auto const& [activity, config] : shared_.options->stores)
        if (!fails(config)) return true;
    for (auto const& [job, config] : shared_.job_stores)
        if (!fails(config)) return true;
    return false;
}

ObjectSpec PushWorker::spec_of(StageRecord const& record) const
{
    ObjectSpec spec;
    spec.key = record.key;
    spec.path = folder_.run_folder() + "/" + record.path;
    spec.offset = record.offset;
    spec.bytes = record.bytes;
    spec.adler32 = record.adler32;
    spec.md5 = record.md5;
    spec.token = record.token;
    spec.resume = record.resume;
    spec.proof = record.proof;
    return spec;
}

PutHooks PushWorker::hooks_for(Claim& claim)
{
    PutHooks hooks;
    hooks.keep_resume = [&](std::string const& resume) {
        claim.record.resume = resume;
        if (Status const status = claim.save(); !status) {
            shared_.log->warning("state_not_saved", status.error());
            if (status.error().kind == ErrorKind::busy) shared_.claims_lost = true;
        }
    };
    hooks.moved = [&](std::uint64_t bytes) { shared_.sent_bytes += bytes; };
    return hooks;
}

Result<StageRecord> PushWorker::new_record(std::string const& name)
{
    auto manifest = read_manifest(folder_.run_folder(), name);
    StageRecord record;
    if (!manifest) {
        if (manifest.error().kind != ErrorKind::bad_input) return manifest.error();
        // Staged all the same, so that it is one harvest that puts it aside.
        record.name = name;
        record.path = "bundles/" + name;
        return record;
    }
    record = make_bundle_record(*manifest);
    record.token = random_hex(8);
    record.split = shared_.options->one_object_per_output;
    // Already says where it goes, which saves a write; whoever finds it so asks the store first.
    if (!record.split) (void)choose_target(record);
    return record;
}

void PushWorker::work(std::string const& name, bool is_new)
{
    std::optional<StageRecord> made;
    if (is_new) {
        auto record = new_record(name);
        auto const added = record ? folder_.add(*record) : Result<bool>(record.error());
        if (!added) {
            shared_.log->warning("bundle_not_staged", added.error());
            return shared_.note_failure(name, added.error().text());
        }
        if (!*added) return;
        made = *std::move(record);
    }
    auto claimed = folder_.claim(name);
    if (!claimed) {
        shared_.log->warning("record_unreadable", claimed.error());
        return shared_.note_failure(name, claimed.error().text());
    }
    if (!*claimed) return;
    Claim claim = **std::move(claimed);
    is_fresh_ = made == claim.record;
    steps(claim);
}

void PushWorker::steps(Claim& claim)
{
    StageRecord& record = claim.record;
    auto const& policy = shared_.options->stage;
    if (record.split && record.stage == Stage::sealed) {
        if (Status const status = stage_outputs(record);
            !status && status.error().kind == ErrorKind::bad_input)
            return lose(claim, status.error());
        else if (!status)
            return fail(claim, status.error());
    }
    if (is_log_record(record) && record.bytes == 0 &&
        next_step(record, policy, shared_.unix_s()) == Step::upload) {
        Status status =
            make_log(folder_.run_folder(), record, *shared_.clock, [&] { return shared_.stopping(); });
        if (status) status = claim.save();
        if (!status && status.error().kind == ErrorKind::bad_input) return give_up_log(claim, status.error());
        if (!status) return fail(claim, status.error());
    }
    for (;;) {
        Status status;
        switch (next_step(record, policy, shared_.unix_s())) {
            case Step::upload:
                status = upload(claim);
                break;
            case Step::check:
                status = check(claim);
                break;
            case Step::clean: {
                {
                    std::scoped_lock const lock(shared_.mutex);
                    shared_.to_clean.push_back(std::move(claim));
                }
                // The main thread cleans; on a slow disk all must help, else what waits fills the memory.
                clean_waiting(folder_.run_folder(), 4 * clean_batch, shared_);
                return;
            }
            case Step::wait:
            case Step::nothing: {
                if (record.stage == Stage::sealed || record.stage == Stage::verified) {
                    std::scoped_lock const lock(shared_.mutex);
                    ++shared_.summary.waiting_count;
                }
                if (status = claim.release(policy); !status) break;
                return;
            }
        }
        if (status) continue;
        if (status.error().kind == ErrorKind::busy) {
            shared_.log->warning("claim_lost", status.error());
            shared_.claims_lost = true;
            return;
        }
        bool const ours_is_bad =
            status.error().kind == ErrorKind::bad_input && record.stage == Stage::uploading;
        if (ours_is_bad && (is_bundle(record) || record.offset > 0)) return lose(claim, status.error());
        if (ours_is_bad && is_log_record(record)) forget_log(record);
        return fail(claim, status.error());
    }
}

/// The activity whose store a file is to be tried at now.
std::string PushWorker::target_of(StageRecord const& record)
{
    auto const& options = *shared_.options;
    if (record.activity != "es_events") return record.activity;
    bool const have_failover = options.stores.contains("es_failover");
    bool const have_ordinary = options.alternative != Alternative::off && options.stores.contains("pw");
    if (options.alternative == Alternative::force) return have_ordinary ? "pw" : "es_failover";
    // Ordinary storage comes when both object stores had their chance.
    bool const tired = !have_failover || !works("es_failover", record) ||
                       record.failures.failover_count >= options.stage.failover_after;
    std::string const second = have_ordinary && tired ? "pw" : have_failover ? "es_failover" : "";
    bool const have_second = !second.empty();
    bool const away = should_fail_over(record, options.stage, works(record.activity, record), have_second,
                                       have_second && works(second, record));
    return away ? second : record.activity;
}

Status PushWorker::choose_target(StageRecord& record)
{
    std::string const target = target_of(record);
    if (target != record.activity && record.target != target)
        shared_.log->warning("failover",
                             {{"bundle", record.name}, {"to", target}, {"reason", record.reason}});
    auto store = store_of(target, record);
    if (!store) return store.error();
    auto key = object_key(*config_of(target, record), stored_name(record), owner_of(record));
    if (!key) return Error{ErrorKind::refused, key.error().what, key.error().why, key.error().fix};
    begin_upload(record, target, *key, (*store)->url(*key));
    return {};
}

Status PushWorker::upload(Claim& claim)
{
    StageRecord& record = claim.record;
    StageRecord const before = record;
    if (Status const status = choose_target(record); !status) return status;
    auto store = store_of(record.target, record);
    if (!store) return store.error();
    bool const same_place = before.stage == Stage::uploading && before.target == record.target &&
                            before.key == record.key && !is_fresh_;
    if (is_bundle(record)) {
        auto const manifest = read_manifest(folder_.run_folder(), record.name);
        if (!manifest) return manifest.error();
        auto const index = check_bundle(folder_.run_folder(), *manifest);
        if (!index) return index.error();
    } else if (!is_really_inside(folder_.run_folder(), record.path)) {
        return Error{ErrorKind::bad_input,
                     record.path + " cannot be sent",
                     "it is gone, or no plain file of this run",
                     {}};
    }
    // An upload that was begun at another store is abandoned; remove what it left there.
    if (before.stage == Stage::uploading && !is_fresh_ && !same_place)
        if (auto const old = store_of(before.target, before)) (*old)->remove_leftovers(spec_of(before));
    if (same_place) {
        // A harvest was killed here, or a try failed: what became of it is asked
        // before anything is sent again.
        auto const presence = (*store)->check(spec_of(record));
        if (!presence) return presence.error();
        if (*presence == Presence::same) return note_verified(claim);
    }
    if (!is_fresh_)
        if (Status const status = claim.save(); !status) return status;
    is_fresh_ = false;
    auto spec = spec_of(record);
    spec.repeated = same_place;
    auto result = (*store)->put(spec, hooks_for(claim));
    if (!result) return result.error();
    on_uploaded(record, std::move(result->proof));
    return result->proven ? note_verified(claim) : check(claim);
}

Result<bool> PushWorker::is_there(StageRecord const& record, Store& store, Presence presence)
{
    if (presence == Presence::same) return true;
    if (presence != Presence::unproven) return false;
    if (!shared_.options->read_back) return true;
    std::string const path =
        fmt::format("{}/stage/.{}.{}.read-back", folder_.run_folder(), record.name, ::getpid());
    if (Status const status = store.get(record.key, path); !status) return status.error();
    auto const sums = sum_file(path, 0, {record.bytes, std::max<std::uint64_t>(record.bytes, 1)}, 1);
    ::unlink(path.c_str());
    if (!sums) return sums.error();
    return sums->front().adler32 == record.adler32;
}

Status PushWorker::check(Claim& claim)
{
    StageRecord& record = claim.record;
    auto store = store_of(record.target, record);
    if (!store) return store.error();
    auto const presence = (*store)->check(spec_of(record));
    if (!presence) return presence.error();
    auto const there = is_there(record, **store, *presence);
    if (!there) return there.error();
    if (!*there) {
        on_not_there(record);
        return Error{
            ErrorKind::unavailable,
            record.url + " is not what was sent there",
            *presence == Presence::absent ? "the store does not have it" : "its size or checksum is another",
            {}};
    }
    return note_verified(claim);
}

Status PushWorker::note_verified(Claim& claim)
{
    StageRecord& record = claim.record;
    on_verified(record, shared_.options->stage, shared_.unix_s());
    shared_.log->debug("verified", {{"name", record.name}, {"url", record.url}, {"bytes", record.bytes}});
    // Not saved here: what follows at once, waiting or cleaning, saves it. A kill in
    // between costs one question.
    std::scoped_lock const lock(shared_.mutex);
    ++shared_.summary.verified_count;
    return {};
}

void PushWorker::lose(Claim& claim, Error const& error)
{
    std::string const& run = folder_.run_folder();
    // A bundle that another harvest finished and cleaned meanwhile looks as if it were gone.
    if (!folder_.is_ours_alone(claim.record.name)) return;
    if (!claim.record.target.empty())
        if (auto const store = store_of(claim.record.target, claim.record))
            (*store)->remove_leftovers(spec_of(claim.record));
    std::string const bundle = claim.record.path.substr(claim.record.path.rfind('/') + 1);
    if (Status const status = quarantine_bundle(run, bundle, *shared_.clock); !status)
        return fail(claim, status.error());
    shared_.log->error("bundle_lost", error);
    on_lost(claim.record, error.text());
    if (Status const status = claim.release(shared_.options->stage); !status)
        shared_.log->warning("state_not_saved", status.error());
    std::scoped_lock const lock(shared_.mutex);
    ++shared_.summary.lost_count;
    if (shared_.summary.failures.size() < failure_limit)
        shared_.summary.failures.push_back({claim.record.name, error.text()});
}

void PushWorker::fail(Claim& claim, Error const& error)
{
    std::uniform_real_distribution<double> jitter(0, 1);
    on_failure(claim.record, error, shared_.options->stage, shared_.unix_s(), jitter(random_));
    if (shared_.stopping()) claim.record.next_try_unix_s = 0;  // not its fault
    shared_.log->warning("push_failed", {{"name", claim.record.name},
                                         {"stage", print_stage(claim.record.stage)},
                                         {"reason", claim.record.reason},
                                         {"next_try_unix_s", claim.record.next_try_unix_s}});
    shared_.note_failure(claim.record.name, claim.record.reason);
    if (Status const status = claim.release(shared_.options->stage); !status)
        shared_.log->warning("state_not_saved", status.error());
}

/// Vanished or damaged: packed anew by the next try, as long as there is time for it.
void PushWorker::forget_log(StageRecord& record)
{
    ::unlink((folder_.run_folder() + "/" + record.path).c_str());
    record.bytes = 0;
    record.adler32 = 0;
    record.md5.clear();
    record.resume.clear();
}

void PushWorker::give_up_log(Claim& claim, Error const& error)
{
    on_lost(claim.record, error.text());
    shared_.log->error("log_given_up", error);
    shared_.note_failure(claim.record.name, error.text());
    if (Status const status = claim.release(shared_.options->stage); !status)
        shared_.log->warning("state_not_saved", status.error());
}

Status PushWorker::stage_outputs(StageRecord& bundle)
{
    auto const manifest = read_manifest(folder_.run_folder(), bundle.name);
    if (!manifest) return manifest.error();
    auto const index = check_bundle(folder_.run_folder(), *manifest);
    if (!index) return index.error();
    bool all_reported = true;
    for (auto const& entry : index->entries) {
        for (auto const& member : entry.members) {
            StageRecord output = make_bundle_record(*manifest);
            output.name = record_name(member.name);
            if (auto stored = object_name(member.name); stored != output.name) output.lfn = std::move(stored);
            output.offset = member.data_offset;
            output.bytes = member.bytes;
            output.adler32 = member.adler32;
            output.token = random_hex(8);
            auto const added = folder_.add(output);
            if (!added) return added.error();
            if (*added) {
                all_reported = false;
                continue;
            }
            auto const known = folder_.read(output.name);
            all_reported =
                all_reported && known && (known->stage == Stage::reported || known->stage == Stage::cleaned);
        }
    }
    if (all_reported) on_split_done(bundle, shared_.unix_s());
    return {};
}

}  // namespace yoda
