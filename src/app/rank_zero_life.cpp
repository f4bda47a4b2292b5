// SPDX-License-Identifier: Apache-2.0
#include "app/rank_zero_life.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "app/commands/command_line.hpp"
#include "app/progress.hpp"
#include "app/signal_meaning.hpp"
#include "core/config/config.hpp"
#include "core/config/payload_config.hpp"
#include "core/config/silence.hpp"
#include "core/journal/recovery.hpp"
#include "sys/base/allocation.hpp"
#include "sys/base/clock.hpp"
#include "sys/base/files.hpp"
#include "sys/base/run_folder.hpp"
#include "sys/base/signals.hpp"
#include "sys/journal/file.hpp"
#include "sys/journal/segments.hpp"
#include "sys/lease/keeper.hpp"
#include "sys/run/event_file.hpp"
#include "sys/run/run_opening.hpp"
#include "yoda/rank_zero.hpp"

namespace yoda {

namespace {

constexpr std::uint64_t max_status_bytes = 64u << 20;
constexpr Duration flush_limit = Duration::from_s(60);
constexpr Duration glance_interval = Duration::from_ms(20);
/// Of the second that is left when somebody has asked twice to end.
constexpr Duration last_flush_limit = Duration::from_ms(300);

std::string host_name()
{
    char name[256] = {};
    ::gethostname(name, sizeof name - 1);
    return name;
}

void tell_stop(Transport& transport, Life life, bool everybody_alive)
{
    FrameWriter frames;
    frames.set_header({life, 0});
    frames.put(Stop{everybody_alive});
    for (Rank rank = 1; rank < transport.rank_count(); ++rank) transport.send(rank, frames.frame(0));
}

Result<Config> read_settings(YodaOptions const& options, RunFolder const& folder)
{
    Config config;
    if (path_exists(folder.config())) {
        auto const text = read_file(folder.config());
        if (!text) return text.error();
        if (auto read = read_config(config, *text, folder.config()); !read) return read.error();
    }
    if (!options.config_file.empty()) {
        auto const text = read_file(options.config_file);
        if (!text) return text.error();
        if (auto read = read_config(config, *text, options.config_file); !read) return read.error();
    }
    for (auto const& [key, value] : options.settings) {
        if (auto set = set_config(config, key, value); !set) return set.error();
    }
    // Checks what only makes sense together.
    if (auto checked = read_config(config, "", "the settings"); !checked) return checked.error();
    return config;
}

/// How long this job may run, from now on; max() if nobody says.
Duration time_left(Config const& config, Allocation const& allocation, std::int64_t unix_s)
{
    if (config.walltime_s > 0) return Duration::from_s(config.walltime_s);
    // A job that runs past Slurm's own word has been given a later end that nobody knows here.
    if (allocation.end_unix_s > (allocation.end_is_told ? 0 : unix_s))
        return Duration::from_s(static_cast<double>(allocation.end_unix_s - unix_s));
    // The job has just begun.
    if (allocation.walltime_s > 0) return Duration::from_s(static_cast<double>(allocation.walltime_s));
    return Duration::max();
}

DispatchPolicy make_policy(Config const& config, TimePoint now, Duration left, bool closed,
                           bool deterministic)
{
    DispatchPolicy policy;
    policy.batch = static_cast<std::uint32_t>(config.dispatch_batch);
    policy.window = static_cast<std::uint32_t>(config.dispatch_window);
    policy.ask_interval = Duration::from_s(config.dispatch_ask_interval_s);
    policy.silence = Duration::from_s(config.droid_silence_s);
    policy.begin = now;
    if (left < Duration::max()) {
        policy.end = now + left;
        policy.walltime = left;
    }
    policy.drain_lead = Duration::from_s(config.walltime_drain_s);
    policy.seal_lead = Duration::from_s(config.walltime_seal_s);
    policy.second_copies = config.dispatch_second_copies && deterministic;
    policy.closed = closed;
    return policy;
}

/// A run that takes ranges while it runs stays open until harvest has said "closed"; that
/// note stays in the inbox.
bool was_closed(RunFolder const& folder)
{
    auto const names = list_folder(folder.inbox());
    if (!names) return false;  // Rank 0 finds the note as soon as it can.
    for (auto const& name : *names) {
        if (name.ends_with("-closed.json") && path_exists(folder.outbox() + "/" + name)) return true;
    }
    return false;
}

/// Until the process is gone: the first one may come for a second time at our very end.
Result<SignalWatch>& watch_signals()
{
    static auto signals = [] {
        std::vector<int> numbers{SIGUSR1, SIGTERM, SIGXCPU, SIGINT};
        if (!is_ignored(SIGHUP)) numbers.push_back(SIGHUP);
        return SignalWatch::start(numbers, exit_again);
    }();
    return signals;
}

/// Whether one of them ends the process now.
bool catch_signals(RankZero& zero, SignalWatch& signals, SignalMeanings& meanings, Config const& config,
                   Clock const& clock, Log& log)
{
    while (auto const caught = signals.take()) {
        log.info("signal", {{"signal", print_signal(caught->number)}, {"sender", caught->sender}});
        auto const now = clock.now();
        auto const meaning = meanings.on(now, *caught, zero.dispatcher().draining());
        if (meaning == SignalMeaning::repeat) continue;
        bool const has_notice = meaning == SignalMeaning::drain;
        auto const deadline = now + (has_notice ? Duration::from_s(config.walltime_notice_s) : Duration{0});
        zero.drain(std::min(zero.dispatcher().policy().end, deadline),
                   "signal " + print_signal(caught->number));
        if (meaning == SignalMeaning::end) return true;
    }
    return false;
}

enum class WorkEnd { over, lease_lost, signal };

/// Rounds until the life is over.
WorkEnd work(RankZero& zero, LeaseKeeper& lease, SignalWatch& signals, Poller& poller, Config const& config,
             Progress& progress, Clock const& clock, Log& log)
{
    std::optional<WorkEnd> end;
    poller.add(lease.event_fd(), [&] {
        end = WorkEnd::lease_lost;
        poller.remove(lease.event_fd());
    });
    SignalMeanings meanings;
    poller.add(signals.fd(), [&] {
        if (catch_signals(zero, signals, meanings, config, clock, log) && !end) end = WorkEnd::signal;
    });
    TimePoint next_glance = zero.now();
    while (!zero.over() && !end) {
        bool const busy = zero.step();
        if (zero.now() >= next_glance) {
            next_glance = zero.now() + glance_interval;
            if (progress.due(zero.now())) progress.show(zero.now(), zero.status());
            if (auto const warning = lease.take_warning()) log.warning("lease", *warning);
            // However much the Droids have to say, signals and the lease are heard too.
            if (busy) poller.wait(Duration{0});
        }
        if (!busy) zero.rest();
    }
    return end.value_or(WorkEnd::over);
}

/// Bundles of Droids that died stay open: with all ranges ended nobody would come to seal them.
Status seal_leftovers(RunFolder const& folder, EventTable const& table, TablePolicy policy,
                      Clock const& clock, Log& log)
{
    if (table.unended_count() > 0 || count_open_bundles(table) == 0) return {};
    auto const unix_s = clock.unix_ns() / 1'000'000'000;
    auto opened = open_run(folder, {OpenMode::take_over, policy, table.life(), unix_s, false});
    if (!opened) return opened.error();
    log.info("leftovers_sealed", {{"findings", opened->findings.count()}});
    return save_recovery(folder, *opened, unix_s, host_name());
}

Result<std::unique_ptr<LeaseKeeper>> take_lease(RunFolder const& folder, Clock const& clock, Log& log)
{
    auto lease =
        acquire_lease(folder.lock(), describe_holder("yoda", read_allocation().batch_job, clock), {}, clock,
                      [&](std::optional<LeaseRecord> const& record) {
                          log.warning("waiting_for_lock", {{"holder", record ? record->holder.host : "?"}});
                      });
    if (!lease) return lease.error();
    return LeaseKeeper::start(*std::move(lease), {});
}

/// Why no life could begin, for those who do not see stderr: what status.json had stays, but for the end.
void write_refusal(RunFolder const& folder, Error const& error, int code, Clock const& clock)
{
    auto status = nlohmann::ordered_json::object();
    if (auto const text = read_file(folder.status(), max_status_bytes); text) {
        auto told = nlohmann::ordered_json::parse(*text, nullptr, false);
        if (told.is_object()) status = std::move(told);
    }
    if (status.empty()) status["version"] = 1;
    status["run"] = folder.path();
    status["state"] = "ended";
    status["host"] = host_name();
    status["pid"] = ::getpid();
    status["updated_unix_s"] = clock.unix_ns() / 1'000'000'000;
    status["exit_code"] = code;
    status["why_stopped"] = error.text();
    auto const text = status.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
    if (auto written = replace_file(folder.status(), text); !written)
        std::fprintf(stderr, "warning: %s\n", written.error().text().c_str());
}

/// From the settings to the last word, with the run's lease in hand.
Result<LifeEnd> live(YodaOptions const& options, RunFolder const& folder, LeaseKeeper& keeper,
                     SignalWatch& signals, Transport& transport, Log& log)
{
    SystemClock const clock;
    auto config = read_settings(options, folder);
    if (!config) return config.error();
    auto const jobs_text = read_file(folder.jobs());
    if (!jobs_text) return jobs_text.error();
    auto const payload_text = read_payload_text(folder);
    if (!payload_text) return payload_text.error();
    auto const payload = parse_payload_config(*payload_text, folder.payload_config());
    if (!payload) return payload.error();

    auto const allocation = read_allocation();
    auto const left = time_left(*config, allocation, clock.unix_ns() / 1'000'000'000);
    if (left.ns <= 0)
        return Error{ErrorKind::usage, "no walltime is left", "the allocation has ended",
                     "resume in a new job"};

    TablePolicy const table_policy{static_cast<unsigned>(config->range_tries),
                                   static_cast<unsigned>(config->range_payload_deaths)};
    auto opened =
        open_run(folder, {OpenMode::take_over, table_policy, 0, clock.unix_ns() / 1'000'000'000, false});
    if (!opened) return opened.error();
    keeper.set_life(opened->life);
    if (opened->findings.count() > 0) log.warning("recovered", {{"findings", opened->findings.print()}});
    config->walltime_s = left < Duration::max() ? left.s() : 0;
    if (config->range_silence_s == 0) config->range_silence_s = default_silence(opened->jobs, left).s();

    if (auto added = log.add_file(folder.logs() + "/yoda.log"); !added)
        log.warning("no_log_file", added.error());
    if (!allocation.batch_job.empty())
        log.info("allocation", {{"job", allocation.batch_job},
                                {"nodes", allocation.node_count},
                                {"left_s", left < Duration::max() ? nlohmann::json(left.s()) : nullptr}});
    auto journal = JournalFile::open(
        folder.journal(), opened->life,
        {Duration::from_s(config->journal_commit_interval_s), config->journal_queue_bytes, {}});
    if (!journal) return journal.error();
    auto poller = Poller::make();
    if (!poller) return poller.error();

    std::vector<std::int64_t> panda_ids;
    for (auto const& job : opened->jobs) panda_ids.push_back(job.panda_id());
    TimePoint const now = clock.now();
    bool const closed = !config->run_open || opened->closed || was_closed(folder);
    auto const& counts = opened->table.counts();
    auto const ended_before = opened->table.size() - counts[0] - counts[1];

    RankZeroParts parts;
    parts.folder = folder;
    parts.info = opened->info;
    parts.config = *config;
    parts.jobs = opened->jobs;
    parts.documents = {*jobs_text, *payload_text, print_config(*config)};
    parts.applied_notes = opened->applied_notes;
    parts.next_sequence = opened->next_sequence;
    parts.failures = opened->failure_reasons;
    parts.event_file_rows = opened->event_file_rows;
    parts.checkpoint_soon = opened->wants_checkpoint;
    parts.facts.run = options.run;
    parts.facts.host = host_name();
    parts.facts.pid = ::getpid();
    parts.facts.batch_job = allocation.batch_job;
    parts.facts.begun = now;
    parts.facts.begun_unix_s = clock.unix_ns() / 1'000'000'000;
    parts.facts.finished_before = ended_before;

    Dispatcher dispatcher(std::move(opened->table), panda_ids, transport.rank_count(),
                          make_policy(*config, now, left, closed, payload->deterministic));
    RankZero zero(std::move(parts), std::move(dispatcher), **journal, transport, *poller, clock, log);
    zero.begin(opened->records);
    Progress progress(options.quiet);
    auto const& table = zero.dispatcher().table();
    auto const how = work(zero, keeper, signals, *poller, *config, progress, clock, log);
    if (how == WorkEnd::lease_lost) {
        // Another process holds the run now, or the run is gone: write nothing more to it. Nobody waits for
        // a Droid, which may be dead without having been missed yet.
        tell_stop(transport, table.life(), false);
        return LifeEnd{report_error(keeper.status().error()), false};
    }
    bool const ends_now = how == WorkEnd::signal;
    zero.end(ends_now ? last_flush_limit : flush_limit);
    bool const everybody_alive = !zero.anybody_lost();
    tell_stop(transport, table.life(), everybody_alive);
    if (ends_now) {
        zero.write_status(true);  // The journal has all the rest.
        return LifeEnd{zero.exit_code(), everybody_alive, ends_now};
    }
    auto const sequence = zero.last_sequence();
    Status saved;
    if (zero.rows_were_added()) saved = write_event_file(folder.path(), table, opened->info);
    if (saved) saved = write_state_file(folder.path(), table, opened->info.run_id, {sequence, table.life()});
    if (saved)
        saved = remove_segments(folder.journal(), table.life(), 0);  // Of older lives: all is in state.h5.
    if (saved) saved = seal_leftovers(folder, table, table_policy, clock, log);
    if (!saved) log.warning("last_checkpoint_failed", saved.error());  // The journal has it all.
    zero.write_status(true);
    progress.finish(zero.status());
    return LifeEnd{zero.exit_code(), everybody_alive};
}

}  // namespace

LifeEnd live_as_rank_zero(YodaOptions const& options, Transport& transport, Log& log)
{
    SystemClock const clock;
    RunFolder const folder(options.run);
    auto const refuse = [&](Error const& error) {
        tell_stop(transport, 0, true);
        return LifeEnd{report_error(error), true};
    };
    if (auto whole = check_run_folder(folder); !whole) return refuse(whole.error());
    auto& signals = watch_signals();
    if (!signals) return refuse(signals.error());
    auto keeper = take_lease(folder, clock, log);
    if (!keeper) return refuse(keeper.error());
    auto const end = live(options, folder, **keeper, *signals, transport, log);
    if (end) return *end;
    auto const refused = refuse(end.error());
    // Write no refusal when another process holds the run by now.
    if ((*keeper)->status()) write_refusal(folder, end.error(), refused.exit_code, clock);
    return refused;
}

}  // namespace yoda
