// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/fetch/fetch_command.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>

#include "core/config/output_names.hpp"
#include "harvest/new/new_run_builder.hpp"
#include "harvest/panda/run/job_secrets.hpp"
#include "harvest/panda/run/turn.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace {

/// Into the folder that yoda takes.
class RunFolderSink final : public RunSink {
  public:
    explicit RunFolderSink(RunBuilder& builder) : builder_(builder) {}

    Status add_job(Job const& job) override
    {
        auto const& fields = job.fields();
        if (auto const found = fields.find("overwriteQueuedata"); found != fields.end() && found->is_object())
            for (auto const& [name, value] : found->items())
                if (value.is_string()) overwrites[job.panda_id()][name] = value.get<std::string>();
        PathsOfJob paths;
        for (auto const& input : job.inputs()) paths.by_lfn.emplace(input.lfn, input.pfn);
        paths.index = builder_.add_job(without_secrets(job));
        paths_.push_back(std::move(paths));
        return {};
    }

    Status add_range(std::size_t job, RangeView const& range) override
    {
        auto& paths = paths_[job];
        if (range.lfn != paths.last_lfn || !paths.last_pfn) {
            paths.last_lfn = range.lfn;
            // The checker let only inputs of the job through.
            paths.last_pfn = &paths.by_lfn.at(paths.last_lfn);
        }
        return builder_.add_range(paths.index, range, *paths.last_pfn);
    }

    std::map<std::int64_t, std::map<std::string, std::string>> overwrites;  ///< by PandaID

  private:
    struct PathsOfJob {
        JobIndex index{};
        std::unordered_map<std::string, std::string> by_lfn;
        std::string last_lfn;
        std::string const* last_pfn = nullptr;
    };
    RunBuilder& builder_;
    std::vector<PathsOfJob> paths_;
};

FetchWish make_wish(FetchOptions const& options)
{
    FetchWish wish;
    wish.query.site = options.panda.site;
    wish.query.source_label = options.panda.source_label;
    wish.query.node = options.panda.node;
    wish.query.computing_element = options.panda.computing_element;
    wish.query.harvester_id = options.panda.harvester_id;
    wish.query.scheduler_id = options.panda.scheduler_id;
    wish.query.resource_type = options.resource_type;
    wish.query.job_type = options.job_type;
    wish.query.working_group = options.working_group;
    wish.query.task_id = options.task_id;
    wish.query.memory_mb = options.memory_mb;
    wish.query.disk_mb = options.disk_mb;
    wish.query.remaining_time_s = options.remaining_time_s;
    wish.query.job_count = options.job_count;
    wish.limits.event_count = count_events_that_fit(options.capacity);
    wish.limits.range_count = options.range_limit;
    wish.limits.chunk = options.chunk;
    wish.scattered = options.scattered;
    wish.segment_id = options.segment_id;
    wish.job_fields = common_job_fields(options.panda);
    return wish;
}

/// What later commands need, written before the run folder gets its name.
Status write_workplace(FetchOptions const& options, std::string const& workplace, FetchSummary const& summary)
{
    for (auto const& [panda_id, ranges] : summary.refused) {
        auto const path = fmt::format("{}/refused-{}.json", workplace, panda_id);
        if (auto const status = replace_file(path, print_refused(ranges)); !status) return status;
    }
    return replace_file(workplace + "/harvest.cfg", options.run_config);
}

Status keep_secrets(std::string const& workplace, Job const& job)
{
    auto const secrets = print_secrets(job);
    if (secrets.empty()) return {};
    return replace_file(secrets_path(workplace, job.panda_id()), secrets, 0600);
}

}  // namespace

std::vector<InputSource> input_sources_from(std::vector<StoreConfig> const& stores, Duration try_time,
                                            Clock const& clock, Log& log, Breakers& breakers)
{
    std::vector<InputSource> sources;
    StoreContext context;
    context.clock = &clock;
    context.log = &log;
    context.breakers = &breakers;
    context.policy.deadline_base = context.policy.deadline_longest = try_time;
    context.policy.deadline_per_mb = {};
    for (auto const& config : stores) {
        InputSource source;
        source.name = config.name.empty() ? printable_url(config.url) : config.name;
        source.rse = config.name;
        source.get = [config, context, try_time](std::int64_t panda_id, std::string const& scope,
                                                 std::string const& lfn,
                                                 std::string const& path) -> InputSource::Try {
            ObjectOwner const owner{panda_id, 0, scope};
            auto const key = object_key(config, lfn, owner);
            if (!key) return {key.error()};
            auto const store = make_store(config, owner, context);
            if (!store) return {store.error()};
            auto const begin = context.clock->now();
            auto status = (*store)->get(*key, path);
            bool const timed_out = !status && context.clock->now() - begin >= try_time;
            return {std::move(status), timed_out};
        };
        source.direct_url = [config](std::string const& scope, std::string const& lfn) -> std::string {
            ObjectOwner const owner{0, 0, scope};
            auto const key = object_key(config, lfn, owner);
            auto const base = store_url_for(config, owner);
            if (!key || !base || base->kind != StoreKind::xrootd) return {};
            return base->text() + "/" + *key;
        };
        sources.push_back(std::move(source));
    }
    return sources;
}

std::string FetchCommandSummary::text() const
{
    std::string line = fmt::format("{} jobs, {} ranges, {} events", fetched.job_count, fetched.range_count,
                                   fetched.event_count);
    if (!fetched.ended.empty()) line += fmt::format("; {} jobs ended at once", fetched.ended.size());
    std::size_t refused = 0;
    for (auto const& [panda_id, ranges] : fetched.refused) refused += ranges.size();
    if (refused > 0) line += fmt::format("; {} ranges refused", refused);
    if (fetched.lost_range_count > 0)
        line += fmt::format("; answers with up to {} ranges were lost, PanDA keeps them until the job ends",
                            fetched.lost_range_count);
    if (fetched.lost_job_count > 0)
        line += fmt::format(
            "; answers with up to {} jobs were lost, PanDA gives these to nobody for half an hour",
            fetched.lost_job_count);
    return line;
}

std::string FetchCommandSummary::json() const
{
    nlohmann::ordered_json out;
    out["run"] = run;
    out["jobs"] = fetched.job_count;
    out["ranges"] = fetched.range_count;
    out["events"] = fetched.event_count;
    out["repeated_ranges"] = fetched.repeated_count;
    out["lost_ranges"] = fetched.lost_range_count;
    out["lost_jobs"] = fetched.lost_job_count;
    out["more_may_come"] = fetched.more_may_come;
    out["requests"] = traffic.request_count;
    out["sent_bytes"] = traffic.sent_bytes;
    out["received_bytes"] = traffic.received_bytes;
    out["ended"] = nlohmann::json::array();
    for (auto const& end : fetched.ended)
        out["ended"].push_back({{"PandaID", end.panda_id}, {"code", end.code}, {"why", end.diag}});
    out["alarms"] = alarms;
    return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<FetchCommandSummary> fetch_run(FetchOptions const& options, HttpClient& http, Clock const& clock,
                                      Log& log)
{
    if (auto const missing = missing_fetch_settings(options.panda); !missing.empty())
        return Error{ErrorKind::usage,
                     fmt::format("settings are missing: {}", fmt::join(missing, ", ")),
                     {},
                     "give them in a file (--config FILE, see docs/panda.md) or by --set key=value"};
    PandaClient client(http, clock, log, options.panda.server, options.panda.credentials);
    if (auto const status = client.check(); !status) return status.error();
    PandaFolder const folder(options.run);
    if (auto const status = folder.adopt_workplace(); !status) return status.error();
    auto const workplace = PandaFolder::workplace(options.run);
    auto guard = FetchGuard::open(FetchGuard::folder_of(options.run));
    if (!guard) return guard.error();
    auto const keep_alive = [&] {
        return guard->send_heartbeats(client, common_job_fields(options.panda), options.panda.heartbeat_s,
                                      clock.unix_ns() / 1'000'000'000, log);
    };
    if (auto const status = keep_alive(); !status) return status.error();
    if (!guard->may_ask() && !path_exists(workplace))
        return FetchCommandSummary{{}, {}, client.traffic(), guard->alarms()};
    // The cheap things first, so that nothing is fetched for a run that cannot be made.
    auto builder = RunBuilder::create(options.run);
    if (!builder) return builder.error();
    if (auto const status = make_folders(workplace); !status) return status.error();
    auto taken = Turn::take(workplace, clock);
    if (!taken) return taken.error();
    std::optional<Turn> turn(std::move(*taken));
    auto journal = FetchJournal::open(workplace + "/fetch");
    if (!journal) return journal.error();

    Breakers breakers;
    InputChecker inputs(
        options.inputs,
        input_sources_from(options.input_stores, options.input_try_time, clock, log, breakers), log);
    Fetcher fetcher(client, *journal, *guard, inputs, clock, log);
    fetcher.set_go_on([&turn] { return turn->check(); });
    fetcher.set_check_job([&options](Job const& job) {
        auto const names = OutputNames::make(job, options.payload);
        return names ? Status{} : Status(names.error());
    });
    fetcher.set_on_job([&workplace](Job const& job) { return keep_secrets(workplace, job); });
    auto const acquired = fetcher.acquire(make_wish(options));
    if (auto const status = keep_alive(); !status) return status.error();
    if (!acquired && !(options.settle_for_less && acquired.error().kind == ErrorKind::unavailable))
        return acquired.error();

    RunFolderSink sink(*builder);
    auto summary = fetcher.deliver(sink);
    if (!summary) return summary.error();
    FetchCommandSummary result{std::move(*summary), {}, client.traffic(), guard->alarms()};
    if (result.fetched.range_count == 0) {
        if (!acquired) return acquired.error();
        return result;
    }
    FetchOptions changed = options;
    if (options.apply_overwrites)
        for (auto const& [panda_id, settings] : sink.overwrites)
            options.apply_overwrites(panda_id, settings, changed);
    builder->set_payload(options.payload);
    builder->set_options(changed.config + (options.leave_open ? "run.open = yes\n" : ""));
    if (auto const status = write_workplace(changed, workplace, result.fetched); !status)
        return status.error();
    auto const made = builder->commit();
    if (!made) return made.error();
    if (auto const status = guard->forget_ended(); !status) return status.error();
    result.alarms = guard->alarms();
    turn.reset();  // It lies in the workplace, which moves now.
    if (auto const status = folder.adopt_workplace(); !status) return status.error();
    result.run = options.run;
    return result;
}

}  // namespace yoda
