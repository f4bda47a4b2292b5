#include "app/rank_zero_life.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>

#include "app/command_line.hpp"
#include "app/progress.hpp"
#include "core/config.hpp"
#include "core/payload_config.hpp"
#include "sys/allocation.hpp"
#include "sys/clock.hpp"
#include "sys/event_file.hpp"
#include "sys/files.hpp"
#include "sys/journal_file.hpp"
#include "sys/run_folder.hpp"
#include "yoda/rank_zero.hpp"

namespace yoda {

namespace {

constexpr Duration flush_limit = Duration::from_s(60);

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
    if (allocation.end_unix_s > 0) return Duration::from_s(static_cast<double>(allocation.end_unix_s - unix_s));
    return Duration::max();
}

double default_silence_s(std::vector<Job> const& jobs, Duration walltime)
{
    double silence_s = 12 * 3600;
    for (auto const& job : jobs) {
        if (auto const limit = job.number("maxCpuCount", 0); limit > 0)
            silence_s = std::min(silence_s, static_cast<double>(limit));
    }
    if (walltime < Duration::max()) silence_s = std::min(silence_s, walltime.s() / 4);
    return silence_s;
}

DispatchPolicy make_policy(Config const& config, TimePoint now, Duration left, bool closed, bool deterministic)
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

Result<LifeEnd> live(YodaOptions const& options, Transport& transport, Log& log)
{
    SystemClock const clock;
    RunFolder const folder(options.run);
    auto config = read_settings(options, folder);
    if (!config) return config.error();
    auto const jobs_text = read_file(folder.jobs());
    if (!jobs_text) return jobs_text.error();
    auto jobs = parse_jobs(*jobs_text);
    if (!jobs) return jobs.error();
    auto const payload_text = read_file(folder.payload_config());
    if (!payload_text) return payload_text.error();
    auto payload = parse_payload_config(*payload_text, folder.payload_config());
    if (!payload) return payload.error();

    auto loaded = load_event_file(folder.path(), {static_cast<unsigned>(config->range_tries),
                                                  static_cast<unsigned>(config->range_payload_deaths)});
    if (!loaded) return loaded.error();
    loaded->table.start_life(1);

    auto const allocation = read_allocation();
    auto const left = time_left(*config, allocation, clock.unix_ns() / 1'000'000'000);
    if (left.ns <= 0)
        return Error{ErrorKind::usage, "no walltime is left", "the allocation has ended", "resume in a new job"};
    config->walltime_s = left < Duration::max() ? left.s() : 0;
    if (config->range_silence_s == 0) config->range_silence_s = default_silence_s(*jobs, left);

    auto journal = JournalFile::open(folder.journal(), loaded->table.life(),
                                     {Duration::from_s(config->journal_commit_interval_s), config->journal_queue_bytes});
    if (!journal) return journal.error();
    auto poller = Poller::make();
    if (!poller) return poller.error();

    std::vector<std::int64_t> panda_ids;
    for (auto const& job : *jobs) panda_ids.push_back(job.panda_id());
    TimePoint const now = clock.now();
    Dispatcher dispatcher(std::move(loaded->table), panda_ids, transport.rank_count(),
                          make_policy(*config, now, left, !config->run_open, payload->deterministic));

    RankZeroParts parts{folder, loaded->info.run_id, *config, *jobs, {*jobs_text, *payload_text, print_config(*config)},
                        {},     1,                   {},      {},    false};
    char host[256] = {};
    ::gethostname(host, sizeof host - 1);
    parts.facts.run = options.run;
    parts.facts.host = host;
    parts.facts.pid = ::getpid();
    parts.facts.batch_job = allocation.batch_job;
    parts.facts.begun = now;
    parts.facts.begun_unix_s = clock.unix_ns() / 1'000'000'000;

    RankZero zero(std::move(parts), std::move(dispatcher), **journal, transport, *poller, clock, log);
    Progress progress(options.quiet);
    while (!zero.over()) {
        bool const busy = zero.step();
        if (auto const at = clock.now(); progress.due(at)) progress.show(at, zero.status());
        if (busy) continue;
        if (transport.fd() >= 0) {
            poller->wait(Duration::from_ms(20));
        } else {
            auto const nap = zero.nap();
            poller->wait(nap);
            if (nap.ns == 0) ::sched_yield();
        }
    }
    zero.flush(flush_limit);
    bool const everybody_alive = !zero.anybody_lost();
    tell_stop(transport, zero.dispatcher().table().life(), everybody_alive);
    zero.write_status(true);
    progress.finish(zero.status());
    return LifeEnd{zero.exit_code(), everybody_alive};
}

}  // namespace

LifeEnd live_as_rank_zero(YodaOptions const& options, Transport& transport, Log& log)
{
    auto end = live(options, transport, log);
    if (end) return *end;
    int const code = report_error(end.error());
    tell_stop(transport, 0, true);
    return {code, true};
}

}  // namespace yoda
