// SPDX-License-Identifier: Apache-2.0
// The Droid before its first range and after its last: what rank 0 has told becomes folders, limits, inputs
// and a core; in the end all of it goes.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "core/base/checksum.hpp"
#include "droid/athenamp/factory.hpp"
#include "droid/droid.hpp"
#include "sys/base/allocation.hpp"
#include "sys/base/files.hpp"
#include "sys/process/environment.hpp"

namespace yoda {

namespace {

/// Free space is looked at so often before it is taken for granted that there is too little.
constexpr double looks_at_a_full_disk = 10;
constexpr Duration set_up_nap = Duration::from_ms(20);

}  // namespace

/// All that must be known to work is known.
void Droid::set_up()
{
    if (auto status = try_set_up(); !status) {
        // Rank 0 hears why: it may be the same on every node.
        auto const trouble_code =
            status.error().kind == ErrorKind::no_space ? code::no_local_space : code::setup_failure;
        frames_.set_header({life_, 0});
        frames_.put(Hello{host_, static_cast<std::uint32_t>(::getpid()), 1});
        for (JobIndex job = 0; job < jobs_.size(); ++job)
            frames_.put(Trouble{job, trouble_code, status.error().text()});
        frames_.put(Goodbye{});
        send_frames();
        give_up(status.error().text());
    }
}

Status Droid::try_set_up()
{
    auto jobs = parse_jobs(documents_[static_cast<std::size_t>(DocumentKind::jobs)]);
    if (!jobs) return jobs.error();
    jobs_ = *std::move(jobs);
    auto payload =
        parse_payload_config(documents_[static_cast<std::size_t>(DocumentKind::payload)], "payload.cfg");
    if (!payload) return payload.error();
    payload_ = *std::move(payload);
    if (auto read =
            read_config(config_, documents_[static_cast<std::size_t>(DocumentKind::config)], "yoda.cfg");
        !read)
        return read;

    if (payload_.channel == ChannelKind::athenamp && !athenamp::is_built_in())
        return Error{ErrorKind::usage, "the payload's channel is athenamp",
                     "this yoda was built without AthenaMP (YODA_ATHENAMP=OFF)", "use a yoda that has it"};
    auto node = find_cores();
    if (!node) return node.error();
    auto const cores = share_cores(node->cores, welcome_.node_index, welcome_.node_count);
    auto const worker_count = config_.payload_workers > 0
                                  ? static_cast<std::uint32_t>(config_.payload_workers)
                                  : static_cast<std::uint32_t>(cores.size());
    if (!node->remark.empty())
        log_.warning("fewer_cores", {{"cores", node->cores.size()}, {"why", node->remark}});
    log_.info("droid_set_up", {{"workers", worker_count},
                               {"cores", cores.size()},
                               {"node_index", welcome_.node_index},
                               {"node_count", welcome_.node_count}});
    if (auto made = make_work_folder(); !made) return made;
    if (payload_.channel == ChannelKind::athenamp) {
        do_in_set_up([&log = log_] {
            if (auto const count = athenamp::remove_stale_sockets(); count > 0)
                log.info("stale_channels_removed", {{"count", count}});
        });
    }

    auto environment = clean_environment(current_environment());
    for (auto const& variable : payload_.environment) {
        auto const equals = variable.find('=');
        set_variable(environment, variable.substr(0, equals), variable.substr(equals + 1));
    }
    std::vector<JobPolicy> policies;
    for (JobIndex job = 0; job < jobs_.size(); ++job) {
        PayloadSetup setup;
        setup.job = job;
        setup.definition = jobs_[job];
        setup.payload = payload_;
        setup.environment = environment;
        set_variable(setup.environment, "PandaID", std::to_string(jobs_[job].panda_id()));
        // A run that was made before keeps the names of its outputs to its end (ADR 0014).
        if (jobs_[job].run_id() != 0 || payload_.channel == ChannelKind::athenamp) {
            auto outputs = OutputNames::make(jobs_[job], payload_);
            if (!outputs && jobs_[job].run_id() != 0) return outputs.error();
            if (outputs) setup.outputs = *std::move(outputs);
        }
        auto const& outputs = setup.outputs.outputs();
        if (outputs.size() == 1) set_variable(setup.environment, "YODA_OUT_LFN", outputs[0].lfn);
        for (auto const& output : outputs)
            if (!output.name.empty())
                set_variable(setup.environment, "YODA_OUT_LFN_" + output.name, output.lfn);
        setup.work_folder = fmt::format("{}/job_{}", work_folder_, job);
        setup.log_prefix = fmt::format("{}/payload_{}_{}", folder_.logs(), transport_.rank(), job);
        setup.cores = cores;
        // Without a core for each worker binding would make some share and leave others idle.
        setup.bind = config_.payload_bind && worker_count <= cores.size();
        setup.stop_grace = Duration::from_s(config_.payload_stop_grace_s);
        setup.rank = static_cast<unsigned>(transport_.rank());
        setup.stage_folder =
            fmt::format("{}/yoda_inputs_{}_{}", std::filesystem::path(work_folder_).parent_path().string(),
                        jobs_[job].panda_id(), ::geteuid());
        setup.range_limit = Duration::from_s(config_.range_time_limit_s);
        setup.meter = meter_;
        if (config_.range_silence_s > 0) setup.silence = Duration::from_s(config_.range_silence_s);
        setups_.push_back(std::move(setup));

        JobPolicy policy;
        policy.null_payload = payload_.channel == ChannelKind::null;
        policy.has_output = payload_.output != OutputKind::nothing;
        policy.range_limit = Duration::from_s(config_.range_time_limit_s);
        if (payload_.channel == ChannelKind::athenamp) {
            policy.requests_wait = false;
            policy.fixed_workers = true;
            policy.finalisation = Duration::from_s(payload_.finalisation_s) * worker_count;
        }
        policies.push_back(policy);
    }
    channels_.resize(jobs_.size());
    open_inputs();

    WatchLimits limits;
    limits.silence = Duration::from_s(config_.range_silence_s);
    limits.memory_bytes = config_.payload_memory_bytes;
    limits.log_bytes = config_.payload_stdout_bytes;
    limits.folder_bytes = config_.disk_work_folder_bytes;
    limits.free_bytes = config_.disk_free_running_bytes;
    watch_.emplace(limits, work_folder_, *meter_);
    memory_.emplace(fmt::format("{}/memory_{}_{}.json", folder_.logs(), life_, transport_.rank()));
    next_watch_ = now_;

    BundleWriterSetup writing;
    writing.bundle_folder = folder_.bundles();
    writing.work_root = work_folder_;
    writing.life = life_;
    writing.rank = transport_.rank();
    for (auto const& job : jobs_)
        writing.jobs.push_back({job.panda_id(), job.task_id(), job.jobset_id(), job.run_id()});
    writer_ = std::make_unique<BundleWriter>(std::move(writing), clock_);
    poller_.add(writer_->event_fd(), [this] { take_news(); });

    DroidPolicy policy;
    policy.worker_count = worker_count;
    policy.bundle_limit_bytes = config_.bundle_size_bytes;
    policy.bundle_limit_age = Duration::from_s(config_.bundle_time_gap_s);
    policy.heartbeat = Duration::from_s(config_.droid_heartbeat_s);
    policy.silence = Duration::from_s(config_.yoda_silence_s);
    policy.payload_starts = static_cast<unsigned>(config_.payload_starts);
    policy.pause_limit = Duration::from_s(config_.disk_check_interval_s) * looks_at_a_full_disk;
    if (auto status = set_up_node(); !status) return status;
    now_ = clock_.now();
    core_.emplace(policy, std::move(policies), now_);
    watch_->check(now_, {});  // Before anything is started: how much space is free.
    core_->set_paused(watch_->disk_is_low());
    frames_.set_header({life_, core_->generation()});
    core_->say_hello(host_, static_cast<std::uint32_t>(::getpid()), *this);
    begin_inputs();
    return {};
}

Status Droid::make_work_folder()
{
    std::string parent = config_.work_folder;
    if (parent.empty()) parent = read_allocation().scratch;
    if (parent.empty()) parent = "/tmp";
    if (auto made = make_folders(parent); !made) return made;
    work_folder_ = work_folder_path(parent, host_, transport_.rank(), ::getpid());
    do_in_set_up([parent, host = host_, own = work_folder_, &log = log_] {
        std::error_code ignored;  // It cannot be made then, and that is told.
        std::filesystem::remove_all(own, ignored);
        for (auto const& stale : remove_stale_work_folders(parent, host))
            log.info("stale_work_folder_removed", {{"folder", stale}});
    });
    std::error_code code;
    if (!std::filesystem::create_directory(work_folder_, code))
        return os_error("create folder", work_folder_, code ? code.value() : EEXIST);
    std::filesystem::permissions(work_folder_, std::filesystem::perms::owner_all, code);
    auto const free = free_bytes(work_folder_);
    if (!free) return free.error();
    if (*free < config_.disk_free_at_start_bytes && payload_.channel != ChannelKind::null)
        return Error{ErrorKind::no_space, fmt::format("too little work space in {}", parent),
                     fmt::format("{} MB are free, disk.free_at_start is {} MB", *free / 1'000'000,
                                 config_.disk_free_at_start_bytes / 1'000'000),
                     "free some, set work.folder to another disk, or lower disk.free_at_start"};
    return {};
}

/// Rank 0 takes nobody for dead whose set-up is long.
void Droid::say_alive()
{
    if (clock_.now() < next_sign_) return;
    next_sign_ = clock_.now() + Duration::from_s(config_.droid_heartbeat_s);
    frames_.set_header({life_, 0});
    frames_.put(Heartbeat{});
    send_frames();
}

/// What dead Droids have left may be much. After node.time_limit the rest of it goes while we work.
void Droid::do_in_set_up(std::function<void()> errand)
{
    if (before_errand_) set_up_errands_.add(before_errand_);
    set_up_errands_.add(std::move(errand));
    TimePoint const deadline = clock_.now() + Duration::from_s(config_.node_time_limit_s);
    while (!set_up_errands_.wait(set_up_nap)) {
        say_alive();
        if (clock_.now() > deadline) return log_.warning("still_tidying", {{"folder", work_folder_}});
    }
}

Status Droid::set_up_node()
{
    NodeHooksSetup setup;
    setup.setup = config_.setup_command;
    setup.cleanup = config_.cleanup_command;
    setup.folder = work_folder_;
    setup.log_path = fmt::format("{}/node_{}.log", folder_.logs(), transport_.rank());
    setup.shared_folder =
        fmt::format("{}/yoda_node_{:08x}_{}", std::filesystem::path(work_folder_).parent_path().string(),
                    adler32(std::filesystem::absolute(folder_.path()).string()), life_);
    setup.alone = welcome_.node_count <= 1;
    setup.limit = Duration::from_s(config_.node_time_limit_s);
    hooks_.emplace(std::move(setup), spawner_, clock_);
    return hooks_->begin([this] { say_alive(); });
}

void Droid::write_memory()
{
    if (auto const written = memory_->write(); !written) log_.warning("no_memory_log", written.error());
}

void Droid::end_all()
{
    if (work_folder_.empty()) return;
    if (memory_) write_memory();
    for (auto& channel : channels_) channel.reset();
    writer_.reset();
    inputs_.reset();
    if (hooks_) {
        if (auto status = hooks_->end(); !status) log_.warning("cleanup_failed", status.error());
    }
    // Of a Droid that was stopped payloads may live: first they go, then what they write to.
    if (auto stopped = spawner_.stop(Duration::from_s(10)); !stopped)
        log_.warning("spawner_did_not_end", stopped.error());
    std::error_code code;
    std::filesystem::remove_all(work_folder_, code);
    work_folder_.clear();
}

}  // namespace yoda
