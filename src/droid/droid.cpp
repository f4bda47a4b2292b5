#include "droid/droid.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "core/checksum.hpp"
#include "droid/athenamp/channel.hpp"
#include "droid/command_channel.hpp"
#include "droid/worker_channel.hpp"
#include "sys/allocation.hpp"
#include "sys/environment.hpp"
#include "sys/files.hpp"

namespace yoda {

namespace {

constexpr Duration tick_interval = Duration::from_ms(50);
/// Longer than this only when the process was stopped or a disk held it up.
constexpr Duration longest_step = Duration::from_s(1);
constexpr Duration log_check_interval = Duration::from_s(1);
/// Of droid.silence, after which a writer that is at one thing makes the Droid silent.
constexpr double stuck_share = 0.5;
constexpr unsigned frames_a_round = 256;
/// Full frames leave while the Droid makes more: rank 0 has something to do meanwhile.
constexpr std::size_t frames_at_once = 2;
/// Free space is looked at so often before it is taken for granted that there is too little.
constexpr double looks_at_a_full_disk = 10;
constexpr std::size_t max_document_bytes = 1u << 30;

}  // namespace

Droid::Droid(RunFolder folder, std::string host, Spawner& spawner, Transport& transport, Poller& poller,
             Clock const& clock, Log& log)
    : folder_(std::move(folder)),
      host_(std::move(host)),
      spawner_(spawner),
      transport_(transport),
      poller_(poller),
      clock_(clock),
      log_(log),
      now_(clock.now()),
      heard_(now_),
      last_step_(now_),
      nap_(transport, poller)
{}

Droid::~Droid()
{
    end_all();
}

void Droid::begin()
{
    if (transport_.fd() >= 0) poller_.add(transport_.fd(), [] {});
    poller_.add(spawner_.fd(), [this] { take_spawn_events(); });
    frames_.put(Hello{host_, static_cast<std::uint32_t>(::getpid()), 0});
    send_frames();
    next_tick_ = now_;
}

bool Droid::step()
{
    now_ = clock_.now();
    // Whoever was stopped himself has heard nothing: what rank 0 said meanwhile is still to be read. Only the
    // time of listening counts as silence, so that it ends however often we are held up.
    if (auto const gap = now_ - last_step_; gap > longest_step) heard_ = heard_ + gap;
    last_step_ = now_;
    bool busy = false;
    Rank from = 0;
    for (unsigned i = 0; i < frames_a_round && !over_ && transport_.receive(from, frame_); ++i) {
        busy = true;
        take_frame(from, frame_);
    }
    if (now_ >= next_tick_) tick();
    send_frames();
    if (core_ && core_->gone()) over_ = true;
    if (busy) nap_.had_traffic();
    return busy;
}

void Droid::give_up(std::string why)
{
    if (over_) return;
    log_.error("droid_gives_up", {{"why", why}});
    why_ = std::move(why);
    over_ = true;
}

// ---- Messages

void Droid::take_frame(Rank from, std::string_view frame)
{
    if (from != 0) {
        if (inputs_) inputs_->take_frame(now_, from, frame);
        return;
    }
    heard_ = now_;
    if (auto opened = reader_.open(frame); !opened) {
        log_.warning("bad_frame", {{"rank", from}, {"why", opened.error().text()}});
        return;
    }
    life_ = reader_.header().life;
    while (auto const message = reader_.next()) {
        if (auto const* welcome = std::get_if<Welcome>(&*message)) {
            welcome_ = *welcome;
        } else if (auto const* part = std::get_if<Document>(&*message)) {
            take_document(*part);
        } else if (auto const* place = std::get_if<InputPlace>(&*message)) {
            keep_place(*place);
        } else if (core_) {
            if (auto taken = core_->on_message(now_, *message, *this); !taken)
                log_.warning("bad_message", {{"rank", from}, {"why", taken.error().text()}});
        } else if (auto const* stop = std::get_if<Stop>(&*message)) {
            everybody_alive_ = stop->everybody_alive;
            why_ = "rank 0 ended before the run began";  // It has said why: one voice is enough.
            log_.info("droid_not_needed", {{"why", why_}});
            over_ = true;
        } else if (std::holds_alternative<Reset>(*message)) {
            give_up("rank 0 had given this Droid up before it began");
        }
    }
    if (!reader_.error())
        log_.warning("bad_message", {{"rank", from}, {"why", reader_.error().error().text()}});
}

void Droid::take_document(Document const& part)
{
    auto const kind = static_cast<std::size_t>(part.kind);
    auto& text = documents_[kind];
    if (core_ || part.total_bytes > max_document_bytes || part.offset != text.size()) return;
    text += part.bytes;
    document_done_[kind] = text.size() == part.total_bytes;
    if (document_done_[0] && document_done_[1] && document_done_[2]) set_up();
}

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
        if (auto const count = athenamp::remove_stale_channels(); count > 0)
            log_.info("stale_channels_removed", {{"count", count}});
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
    watch_.emplace(limits, work_folder_);
    memory_.emplace(fmt::format("{}/memory_{}_{}.json", folder_.logs(), life_, transport_.rank()));
    next_watch_ = now_;

    BundleWriterSetup writing;
    writing.bundle_folder = folder_.bundles();
    writing.work_root = work_folder_;
    writing.life = life_;
    writing.rank = transport_.rank();
    for (auto const& job : jobs_) writing.jobs.push_back({job.panda_id(), job.task_id(), job.jobset_id()});
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
    for (auto const& stale : remove_stale_work_folders(parent, host_))
        log_.info("stale_work_folder_removed", {{"folder", stale}});
    work_folder_ = work_folder_path(parent, host_, transport_.rank(), ::getpid());
    std::error_code code;
    std::filesystem::remove_all(work_folder_, code);
    if (!std::filesystem::create_directory(work_folder_, code))
        return os_error("create folder", work_folder_, code.value());
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

/// Rank 0 hears from us meanwhile, and takes nobody for dead whose setup is long.
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
    TimePoint next = clock_.now();
    return hooks_->begin([&] {
        if (clock_.now() < next) return;
        next = clock_.now() + Duration::from_s(config_.droid_heartbeat_s);
        frames_.set_header({life_, 0});
        frames_.put(Heartbeat{});
        send_frames();
    });
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
    std::error_code code;
    std::filesystem::remove_all(work_folder_, code);
    work_folder_.clear();
}

// ---- Effects of the core

void Droid::send(Message const& message)
{
    frames_.set_header({life_, core_ ? core_->generation() : 0});
    frames_.put(message);
    if (frames_.count() > frames_at_once) send_frames();
}

void Droid::send_frames()
{
    for (std::size_t i = 0; i < frames_.count(); ++i) transport_.send(0, frames_.frame(i));
    frames_.clear();
}

std::unique_ptr<PayloadChannel> Droid::make_channel(PayloadSetup setup)
{
    ChannelEvents& events = *this;
    if (setup.payload.channel == ChannelKind::command)
        return std::make_unique<CommandChannel>(std::move(setup), spawner_, events);
    if (setup.payload.channel == ChannelKind::athenamp)
        return std::make_unique<athenamp::Channel>(std::move(setup), spawner_, poller_, events);
    return std::make_unique<WorkerChannel>(std::move(setup), spawner_, poller_, events);
}

void Droid::start_payload(JobIndex job, std::uint32_t worker_count)
{
    if (!channels_[job]) channels_[job] = make_channel(setups_[job]);
    log_.info("payload_starts",
              {{"job", job}, {"workers", worker_count}, {"executable", payload_.executable}});
    channels_[job]->start(now_, worker_count);
}

void Droid::add_workers(JobIndex job, std::uint32_t count)
{
    channels_[job]->add_workers(now_, count);
}

void Droid::answer(RequestId request, WorkItem const& item)
{
    channels_[item.job]->answer(now_, request, inputs_ ? with_own_copy(item) : item);
}

void Droid::end(JobIndex job, RequestId request)
{
    channels_[job]->end(request);
}

void Droid::kill_range(JobIndex job, HandOut what)
{
    channels_[job]->kill_range(what, false);
}

void Droid::stop_payload(JobIndex job, bool at_once)
{
    channels_[job]->stop(now_, at_once);
}

void Droid::store(std::uint32_t sequence, RangeOutput const& output)
{
    writer_->store(sequence, output);
}

void Droid::discard(RangeOutput const& output)
{
    if (!output.paths.empty()) writer_->discard(output.paths);
}

void Droid::seal(JobIndex job, std::uint32_t sequence, std::vector<HandOut> const& rejected)
{
    writer_->seal(job, sequence, rejected);
}

void Droid::note(std::string_view event, JobIndex job, std::uint64_t count, std::string_view why)
{
    log_.info(event, {{"job", job}, {"count", count}, {"why", why}});
}

// ---- Payloads

void Droid::payload_up(JobIndex job)
{
    core_->on_payload_up(now_, job, *this);
}
void Droid::request(JobIndex job, RequestId request)
{
    core_->on_request(now_, job, request, *this);
}
bool Droid::request_ahead(JobIndex job, RequestId request)
{
    return core_->on_request_ahead(now_, job, request, *this);
}
void Droid::request_gone(JobIndex job, RequestId request)
{
    core_->on_request_gone(job, request);
}
void Droid::output(RangeOutput output)
{
    core_->on_output(now_, std::move(output), *this);
}
void Droid::failure(HandOut what, FailKind kind, std::uint16_t error_code, std::string_view reason)
{
    core_->on_failure(now_, what, kind, error_code, reason, *this);
}
void Droid::worker_ended(JobIndex job)
{
    core_->on_worker_ended(now_, job, *this);
}
void Droid::payload_ended(JobIndex job, std::uint16_t error_code, std::string_view reason)
{
    log_.info("payload_ended", {{"job", job}, {"error_code", error_code}, {"why", reason}});
    core_->on_payload_ended(now_, job, error_code, reason, *this);
}
void Droid::note(std::string_view event, JobIndex job, std::string_view why)
{
    log_.warning(event, {{"job", job}, {"why", why}});
}
void Droid::inform(std::string_view event, JobIndex job, std::string_view what)
{
    log_.info(event, {{"job", job}, {"what", what}});
}

void Droid::take_spawn_events()
{
    now_ = clock_.now();
    if (auto polled = spawner_.poll(); !polled) return give_up(polled.error().text());
    while (auto const event = spawner_.take_event()) {
        for (auto& channel : channels_) {
            if (channel && channel->on_spawn_event(now_, *event)) break;
        }
    }
}

// ---- Bundles

void Droid::take_news()
{
    now_ = clock_.now();
    for (auto& news : writer_->take()) {
        if (auto* stored = std::get_if<BundleWriter::Stored>(&news))
            core_->on_stored(now_, stored->job, stored->sequence, stored->entries, *this);
        else if (auto* bad = std::get_if<BundleWriter::OutputBad>(&news))
            core_->on_output_bad(now_, bad->what, bad->error_code, bad->reason, *this);
        else if (auto* sealed = std::get_if<BundleWriter::Sealed>(&news))
            core_->on_sealed(now_, sealed->job, sealed->sequence, sealed->bytes, sealed->entry_count, *this);
        else if (auto* failed = std::get_if<BundleWriter::BundleFailed>(&news))
            core_->on_bundle_failed(now_, failed->job, failed->sequence, failed->reason, *this);
        else if (auto* left = std::get_if<BundleWriter::DiscardFailed>(&news))
            log_.warning("not_removed", {{"files", left->file_count}, {"why", left->reason}});
    }
}

// ---- Time

void Droid::tick()
{
    next_tick_ = now_ + tick_interval;
    if (now_ - heard_ > Duration::from_s(config_.yoda_silence_s)) return give_up("rank 0 is silent");
    if (!core_) return;
    take_spawn_events();
    for (auto& channel : channels_) {
        if (channel) channel->on_tick(now_);
    }
    if (inputs_) inputs_->tick(now_);
    watch();
    bool const stuck = now_ - writer_->busy_since() > Duration::from_s(config_.droid_silence_s * stuck_share);
    core_->set_paused(watch_->disk_is_low() || writer_->full() || stuck);
    core_->set_stuck(stuck);
    if (stuck) heard_ = now_;  // Who keeps silent gets no answers.
    core_->on_tick(now_, watch_->free_bytes(), *this);
}

void Droid::watch()
{
    if (now_ < next_watch_) return;
    auto const interval = Duration::from_s(config_.disk_check_interval_s);
    next_watch_ = now_ + std::min(interval, log_check_interval);
    for (JobIndex job = 0; job < channels_.size(); ++job) {
        if (!channels_[job]) continue;
        for (auto const& breach : watch_->check_logs(job, channels_[job]->log_paths())) {
            log_.warning("limit_broken",
                         {{"job", job}, {"error_code", breach.error_code}, {"why", breach.reason}});
            // Which of its ranges wrote so much nobody knows: it counts as the payload's death.
            channels_[job]->fail(now_, breach.error_code, breach.reason);
        }
    }
    if (now_ < next_full_watch_) return;
    next_full_watch_ = now_ + interval;
    std::vector<BusyWorker> busy;
    for (auto const& channel : channels_) {
        if (channel) channel->list_busy(busy);
    }
    memory_->sample(busy);
    if (memory_->is_worth_writing()) write_memory();
    for (auto const& breach : watch_->check(now_, busy)) {
        log_.warning(
            "limit_broken",
            {{"range", breach.what.range}, {"error_code", breach.error_code}, {"why", breach.reason}});
        channels_[breach.job]->kill_range(breach.what, true);
        core_->on_failure(now_, breach.what, FailKind::failed, breach.error_code, breach.reason, *this);
    }
}

}  // namespace yoda
