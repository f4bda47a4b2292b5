// SPDX-License-Identifier: Apache-2.0
#include "harvest/harvest_options.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>

#include "core/config/units.hpp"
#include "harvest/panda/wire/panda_proxy.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace {

std::string own_host()
{
    char name[256] = {};
    return ::gethostname(name, sizeof name - 1) == 0 ? std::string(name) : std::string("localhost");
}

/// Asks PanDA for an S3 key pair when a store first needs it; several threads may. It stays in memory.
class PandaKeys {
  public:
    PandaKeys(PandaSettings settings, std::string public_name, std::string private_name, Clock const& clock,
              Log& log)
        : settings_(std::move(settings)),
          public_name_(std::move(public_name)),
          private_name_(std::move(private_name)),
          clock_(clock),
          log_(log)
    {}

    Result<S3Keys> get()
    {
        std::scoped_lock const lock(mutex_);
        if (known_) return keys_;
        HttpClient http(clock_);
        PandaClient client(http, clock_, log_, settings_.server, settings_.credentials);
        if (auto const status = client.check(); !status) return status.error();
        auto const answer = client.get_key_pair(public_name_, private_name_);
        if (!answer.judgement.stored()) {
            bool const refused = answer.judgement.outcome == PandaOutcome::refused;
            return Error{refused ? ErrorKind::refused : ErrorKind::unavailable,
                         fmt::format("PanDA gives no key pair {}", public_name_),
                         answer.judgement.why,
                         {}};
        }
        keys_.access = answer.public_key;
        keys_.secret = answer.private_key;
        known_ = true;
        return keys_;
    }

  private:
    std::mutex mutex_;
    PandaSettings settings_;
    std::string public_name_;
    std::string private_name_;
    Clock const& clock_;
    Log& log_;
    S3Keys keys_;
    bool known_ = false;
};

bool is_input_store(std::string const& name)
{
    return name.starts_with("input");
}

Status apply_alternative(HarvestConfig const& config, PushOptions& options)
{
    auto const mode = config.text("push.alternative");
    options.alternative = mode == "force" ? Alternative::force
                          : mode == "on"  ? Alternative::on
                                          : Alternative::off;
    if (options.alternative == Alternative::off) options.stores.erase("pw");
    if (options.alternative == Alternative::force && !options.stores.contains("pw") &&
        !options.stores.contains("es_failover"))
        return Error{ErrorKind::usage, "push.alternative is force, but there is no other store",
                     "neither store.pw.url nor store.es_failover.url is set", "set store.pw.url"};
    return {};
}

}  // namespace

Result<HarvestConfig> load_config(ConfigSources const& sources, std::string const& run)
{
    HarvestConfig config;
    std::vector<std::string> files = sources.files;
    if (!run.empty())
        for (auto const* own : {"/panda/harvest.cfg", "/harvest.cfg"})
            if (path_exists(run + own)) files.push_back(run + own);
    for (auto const& file : files)
        if (auto const status = config.read_from(file); !status) return status.error();
    for (auto const& [key, value] : sources.settings)
        if (auto const status = config.set(ConfigLayer::command_line, key, value, "the command line");
            !status)
            return status.error();
    return config;
}

PandaSettings make_panda_settings(HarvestConfig const& config)
{
    PandaSettings settings;
    settings.server.urls = config.list("panda.url");
    if (auto const api = config.text("panda.api"); api != "auto")
        settings.server.api = api == "v1" ? PandaApi::v1 : PandaApi::classic;
    settings.server.allow_plain_http = config.yes("panda.plain_http");
    settings.server.connect_timeout = Duration::from_s(config.seconds("panda.connect_timeout"));
    settings.server.timeout = Duration::from_s(config.seconds("panda.timeout"));
    auto& who = settings.credentials;
    who.proxy_file = config.text("panda.proxy_file");
    who.cert_file = config.text("panda.cert_file");
    who.key_file = config.text("panda.key_file");
    who.ca_file = config.text("panda.ca_file");
    who.ca_folder = config.text("panda.ca_folder");
    who.token_file = config.text("panda.token_file");
    who.origin = config.text("panda.origin");
    who.refreshed_token_file = config.text("panda.refreshed_token_file");
    who.token_key_file = config.text("panda.token_key_file");
    complete_from_environment(who, [](char const* name) {
        char const* const value = std::getenv(name);
        return std::string(value ? value : "");
    });
    settings.site = config.text("panda.site");
    settings.source_label = config.text("panda.source_label");
    settings.node = config.text("panda.node").empty() ? own_host() : config.text("panda.node");
    settings.computing_element = config.text("panda.computing_element");
    settings.harvester_id = config.text("panda.harvester_id");
    settings.scheduler_id = config.text("panda.scheduler_id");
    settings.pilot_id = config.text("panda.pilot_id");
    settings.heartbeat_s = static_cast<std::int64_t>(config.seconds("panda.heartbeat"));
    settings.debug_heartbeat_s = static_cast<std::int64_t>(config.seconds("panda.debug_heartbeat"));
    settings.final_limit_s = static_cast<std::int64_t>(config.seconds("panda.final_limit"));
    settings.log_limit_s = static_cast<std::int64_t>(config.seconds("panda.log_limit"));
    settings.report_fatal = config.yes("report.fatal");
    settings.report_chunk = std::clamp<std::uint64_t>(config.count("panda.report_chunk"), 1, 100'000);
    for (auto const& name : config.store_names()) {
        if (name == "pl" || name == "logs") settings.log_stores.push_back(name);
        auto const prefix = "store." + name + ".";
        if (auto const id = config.count(prefix + "objstore_id"); id > 0)
            settings.objstore_ids[name] = static_cast<std::int64_t>(id);
        if (auto const convention = config.count(prefix + "path_convention"); convention > 0)
            settings.path_conventions[name] = static_cast<std::int64_t>(convention);
    }
    return settings;
}

Result<StoreConfig> make_store_config(HarvestConfig const& config, std::string const& name,
                                      PandaSettings const& panda, std::string const& secrets_folder,
                                      Clock const& clock, Log& log)
{
    auto const prefix = "store." + name + ".";
    auto const text = [&](char const* field) { return config.text(prefix + field); };
    StoreConfig store;
    store.url = text("url");
    if (auto const url = parse_store_url(store.url); !url) return url.error();
    store.name = text("name");
    store.region = text("region");
    store.virtual_host = config.yes(prefix + "virtual_host");
    store.create_bucket = config.yes(prefix + "create_bucket");
    store.bind_by = text("bind_by") == "sha256" ? BindBy::sha256 : BindBy::md5;
    store.key_file = text("key_file");
    store.key_profile = text("key_profile");
    store.path_convention = static_cast<int>(config.count(prefix + "path_convention"));
    store.token_file = text("token_file");
    store.overwrite_by_move = config.yes(prefix + "overwrite_by_move");
    store.tls = {text("ca_file"), text("ca_folder"), text("cert_file"), text("cert_key_file")};
    store.rucio_paths = config.yes(prefix + "rucio_paths");
    store.scope = text("scope");
    if (auto const proxy_url = text("panda_proxy"); !proxy_url.empty()) {
        PandaProxySettings proxy;
        proxy.url = proxy_url;
        while (proxy.url.ends_with('/')) proxy.url.pop_back();
        proxy.public_key_name = text("panda_public_key");
        proxy.private_key_name = text("panda_private_key");
        proxy.allow_plain_http = panda.server.allow_plain_http;
        proxy.timeout = panda.server.timeout;
        auto trust = panda.credentials;
        use_grid_authorities(trust);
        proxy.tls = {trust.ca_file, trust.ca_folder, {}, {}};
        if (auto const status = check_panda_proxy(proxy); !status) return status.error();
        store.presigned_url = make_presign_source(std::move(proxy), secrets_folder, clock);
    } else if (auto const public_name = text("panda_public_key"); !public_name.empty()) {
        auto const keys =
            std::make_shared<PandaKeys>(panda, public_name, text("panda_private_key"), clock, log);
        store.keys = [keys] { return keys->get(); };
    }
    return store;
}

Result<PushOptions> make_push_options(HarvestConfig const& config, std::string const& run, Clock const& clock,
                                      Log& log)
{
    auto const panda = make_panda_settings(config);
    PushOptions options;
    for (auto const& name : config.store_names()) {
        if (is_input_store(name)) continue;
        auto store = make_store_config(config, name, panda, PandaFolder(run).path(), clock, log);
        if (!store) return store.error();
        options.stores[name] = *std::move(store);
    }
    if (options.stores.empty())
        return Error{ErrorKind::usage, "there is no store to push to", "store.es_events.url is not set",
                     "set it in a configuration file (--config) or by --set"};
    options.stage.report = config.yes("push.report");
    options.stage.clean = config.yes("push.clean");
    options.stage.keep_s = static_cast<std::int64_t>(config.seconds("push.keep"));
    options.stage.failover_after = static_cast<unsigned>(config.count("push.failover_after"));
    options.stage.first_wait_s = static_cast<std::int64_t>(config.seconds("push.first_wait"));
    options.stage.longest_wait_s = static_cast<std::int64_t>(config.seconds("push.longest_wait"));
    options.parallel =
        static_cast<unsigned>(std::clamp<std::uint64_t>(config.count("push.parallel"), 1, 256));
    options.send_limit_bytes_per_s = config.bytes("push.bandwidth");
    options.read_back = config.yes("push.read_back");
    options.one_object_per_output = config.yes("push.single_objects");
    options.use_job_stores = config.yes("push.job_stores");
    options.start_limit = Duration::from_s(config.seconds("push.time"));
    options.give_up_after = static_cast<unsigned>(config.count("push.give_up_after"));
    options.transfer.part_bytes = std::max<std::uint64_t>(config.bytes("push.part_size"), 5ull << 20);
    options.transfer.parts_at_once =
        static_cast<unsigned>(std::clamp<std::uint64_t>(config.count("push.parts_at_once"), 1, 64));
    if (auto const status = apply_alternative(config, options); !status) return status.error();
    return options;
}

JobCapacity make_job_capacity(HarvestConfig const& config)
{
    JobCapacity capacity;
    capacity.walltime_s = config.seconds("fetch.walltime");
    capacity.overhead_s = config.seconds("fetch.overhead");
    capacity.node_count = static_cast<std::int64_t>(config.count("fetch.nodes"));
    capacity.cores_per_node = static_cast<std::int64_t>(config.count("fetch.cores"));
    capacity.seconds_per_event = config.seconds("fetch.seconds_per_event");
    return capacity;
}

Result<FetchOptions> make_fetch_options(HarvestConfig const& config, std::string const& run,
                                        Clock const& clock, Log& log)
{
    FetchOptions options;
    options.run = run;
    options.panda = make_panda_settings(config);
    options.job_count = static_cast<std::int64_t>(std::max<std::uint64_t>(config.count("fetch.jobs"), 1));
    options.resource_type = config.text("fetch.resource_type");
    options.job_type = config.text("fetch.job_type");
    options.working_group = config.text("fetch.working_group");
    options.chunk =
        static_cast<std::int64_t>(std::clamp<std::uint64_t>(config.count("fetch.chunk"), 1, 100'000));
    options.capacity = make_job_capacity(config);
    options.leave_open = config.yes("fetch.open");
    options.inputs.folders = config.list("input.folders");
    options.inputs.checksums = config.yes("input.checksums");
    options.inputs.stage_folder = config.text("input.stage_folder");
    options.inputs.stage_limit_bytes = config.bytes("input.stage_limit");
    options.inputs.tries =
        static_cast<unsigned>(std::clamp<std::uint64_t>(config.count("input.tries"), 1, 10));
    options.input_try_time = Duration::from_s(config.seconds("input.try_time"));
    options.inputs.direct_access = config.yes("input.direct_access");
    for (auto const& name : config.store_names()) {
        if (!is_input_store(name)) continue;
        auto store = make_store_config(config, name, options.panda, PandaFolder::workplace(run), clock, log);
        if (!store) return store.error();
        options.input_stores.push_back(*std::move(store));
    }
    set_run_texts(config, options);
    return options;
}

void set_run_texts(HarvestConfig const& config, FetchOptions& options)
{
    options.config.clear();
    for (auto const& [key, value] : config.below("yoda."))
        options.config += fmt::format("{} = {}\n", key, value);
    options.run_config = config.print_for_run();
}

}  // namespace yoda
