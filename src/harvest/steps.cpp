// SPDX-License-Identifier: Apache-2.0
#include "harvest/steps.hpp"

#include <algorithm>

#include "harvest/panda/fetch/fetch_guard.hpp"
#include "harvest/panda/fetch/queue_config.hpp"
#include "harvest/panda/report/log_upload.hpp"
#include "harvest/panda/run/measured_time.hpp"
#include "harvest/panda/wire/settings.hpp"
#include "sys/base/files.hpp"

namespace yoda {

Result<FetchCommandSummary> fetch_step(FetchChoice const& choice, HarvestConfig const& config,
                                       StepTools const& tools)
{
    HarvestConfig full = config;
    if (auto const status = load_queue(full, tools.http, tools.clock, tools.log); !status)
        return status.error();
    if (auto const seed = full.text("fetch.job_seed"); seed == "std")
        return Error{ErrorKind::usage, "the queue takes no event-service jobs", "its jobseed is std",
                     "choose another queue (panda.site)"};
    auto options = make_fetch_options(full, choice.run, tools.clock, tools.log);
    if (!options) return options.error();
    options->apply_overwrites = [&full, &tools](std::int64_t panda_id, auto const& settings,
                                                FetchOptions& changed) {
        for (auto const& warning : apply_overwrites(full, settings, panda_id))
            tools.log.warning("overwrite_queuedata", {{"what", warning}});
        set_run_texts(full, changed);
    };
    // What the queue or a person says goes before what was measured.
    if (auto& capacity = options->capacity; capacity.walltime_s > 0 && capacity.seconds_per_event <= 0)
        if (auto const measured = find_measured_time(choice.run)) {
            capacity.seconds_per_event = measured->seconds_per_event;
            tools.log.info("event_time_measured",
                           {{"seconds", measured->seconds_per_event}, {"by", measured->run}});
        }
    options->payload = choice.payload;
    options->task_id = choice.task_id;
    options->range_limit = choice.range_limit;
    options->settle_for_less = choice.settle_for_less;
    return fetch_run(*options, tools.http, tools.clock, tools.log);
}

Result<std::vector<std::string>> hold_step(std::string const& folder, ConfigSources const& sources,
                                           StepTools const& tools)
{
    auto guard = FetchGuard::open(FetchGuard::folder_of(folder));
    if (!guard) return guard.error();
    if (!guard->holds_any()) return guard->alarms();
    auto const config = load_config(sources, {});
    if (!config) return config.error();
    auto const panda = make_panda_settings(*config);
    PandaClient client(tools.http, tools.clock, tools.log, panda.server, panda.credentials);
    if (auto const status = client.check(); !status) return status.error();
    auto const sent = guard->send_heartbeats(client, common_job_fields(panda), panda.heartbeat_s,
                                             tools.clock.unix_ns() / 1'000'000'000, tools.log);
    if (!sent) return sent.error();
    return guard->alarms();
}

Status release_step(std::string const& folder, std::int64_t panda_id, ConfigSources const& sources,
                    StepTools const& tools, std::function<void(std::string const&)> const& tell)
{
    auto guard = FetchGuard::open(FetchGuard::folder_of(folder));
    if (!guard) return guard.error();
    auto const config = load_config(sources, {});
    if (!config) return config.error();
    auto const panda = make_panda_settings(*config);
    PandaClient client(tools.http, tools.clock, tools.log, panda.server, panda.credentials);
    if (auto const status = client.check(); !status) return status;
    if (auto const* const job = guard->find(panda_id); job != nullptr && job->state == HeldState::held)
        tell(job->loss());
    return guard->release(panda_id, client, common_job_fields(panda), tools.log);
}

Result<FeedSummary> feed_step(std::string const& run, std::int64_t range_count, ConfigSources const& sources,
                              StepTools const& tools)
{
    if (auto const status = PandaFolder(run).adopt_workplace(); !status) return status.error();
    if (!PandaFolder(run).is_there()) return FeedSummary{};
    auto const config = load_config(sources, run);
    if (!config) return config.error();
    FeedOptions options;
    options.run = run;
    options.panda = make_panda_settings(*config);
    options.range_count = range_count;
    options.capacity = make_job_capacity(*config);
    if (auto& capacity = options.capacity; capacity.seconds_per_event <= 0)
        if (auto const measured = find_measured_time(run))
            capacity.seconds_per_event = measured->seconds_per_event;
    options.chunk = static_cast<std::int64_t>(std::max<std::uint64_t>(config->count("fetch.chunk"), 1));
    return feed_run(options, tools.http, tools.clock, tools.log);
}

Result<PushSummary> push_step(PushChoice const& choice, ConfigSources const& sources, StepTools const& tools)
{
    auto const runs = find_runs(choice.folders);
    if (!runs) return runs.error();
    PushSummary all;
    for (auto const& run : *runs) {
        if (tools.stop && tools.stop->load()) break;
        if (auto const status = PandaFolder(run).adopt_workplace(); !status) return status.error();
        auto const config = load_config(sources, run);
        if (!config) return config.error();
        auto options = make_push_options(*config, run, tools.clock, tools.log);
        if (!options) return options.error();
        std::vector<std::string> log_activities;
        for (auto const* const activity : {"pl", "logs"})
            if (options->stores.contains(activity)) log_activities.emplace_back(activity);
        options->folders = {run};
        options->dry_run = choice.dry_run;
        options->progress = choice.progress;
        options->stop = tools.stop;
        options->find_logs = [&](std::string const& folder) {
            return find_wanted_logs(folder, log_activities, tools.clock.unix_ns() / 1'000'000'000);
        };
        // Without PanDA nobody is waited for.
        if (!PandaFolder(run).is_there()) options->stage.report = false;
        auto const summary = push(*options, tools.log, tools.clock);
        if (!summary) return summary.error();
        all.add(*summary);
    }
    return all;
}

Result<ReportSummary> report_step(std::string const& run, std::optional<BatchFacts> const& facts,
                                  ConfigSources const& sources, StepTools const& tools)
{
    if (auto const status = PandaFolder(run).adopt_workplace(); !status) return status.error();
    if (!PandaFolder(run).is_there()) {
        ReportSummary nothing;
        nothing.all_ended = true;
        return nothing;
    }
    auto const config = load_config(sources, run);
    if (!config) return config.error();
    ReportOptions options;
    options.run = run;
    options.panda = make_panda_settings(*config);
    options.facts = facts;
    options.stop = tools.stop;
    if (config->yes("push.remove_dropped")) {
        auto const push_options = make_push_options(*config, run, tools.clock, tools.log);
        if (!push_options) return push_options.error();
        options.remove_from = push_options->stores;
    }
    return report_run(options, tools.http, tools.clock, tools.log);
}

}  // namespace yoda
