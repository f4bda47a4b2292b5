// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/fetch/queue_config.hpp"

#include <fmt/format.h>

#include <cctype>
#include <nlohmann/json.hpp>
#include <optional>

namespace yoda {

namespace {

using Json = nlohmann::json;

/// Numbers and booleans as texts too: the two dialects differ.
std::string text_of(Json const& value)
{
    if (value.is_string()) return value.get<std::string>();
    if (value.is_boolean()) return value.get<bool>() ? "True" : "False";
    if (value.is_number_integer()) return std::to_string(value.get<std::int64_t>());
    if (value.is_number()) return fmt::format("{}", value.get<double>());
    return {};
}

std::string field(Json const& object, char const* name)
{
    auto const found = object.find(name);
    return found == object.end() ? std::string{} : text_of(*found);
}

std::optional<double> number(std::string const& text)
{
    try {
        std::size_t used = 0;
        double const value = std::stod(text, &used);
        return used == text.size() ? std::optional(value) : std::nullopt;
    } catch (std::exception const&) {
        return std::nullopt;
    }
}

/// Sets values and remembers what could not be.
class Setter {
  public:
    Setter(HarvestConfig& config, ConfigLayer layer, std::string origin)
        : config_(config), layer_(layer), origin_(std::move(origin))
    {}
    void set(std::string const& key, std::string const& value, std::string_view from)
    {
        if (value.empty()) return;
        auto const status = config_.set(layer_, key, value, fmt::format("{} ({})", origin_, from));
        if (!status) warnings.push_back(fmt::format("{}: {}", origin_, status.error().text()));
    }
    void set_scaled(std::string const& key, std::string const& value, double factor, std::string_view from)
    {
        if (value.empty()) return;
        auto const amount = number(value);
        if (!amount || *amount < 0)
            warnings.push_back(fmt::format("{}: {} is '{}'", origin_, from, value));
        else if (*amount > 0)
            set(key, fmt::format("{:.0f}", *amount * factor), from);
    }
    std::vector<std::string> warnings;

  private:
    HarvestConfig& config_;
    ConfigLayer layer_;
    std::string origin_;
};

/// "a=1, b c=x": names and values; a bare word is "True".
std::map<std::string, std::string> split_catchall(std::string const& text)
{
    std::map<std::string, std::string> settings;
    std::string word;
    for (char const c : text + ",") {
        if (c != ',' && c != ';' && !std::isspace(static_cast<unsigned char>(c))) {
            word += c;
            continue;
        }
        if (word.empty()) continue;
        auto const equals = word.find('=');
        settings[word.substr(0, equals)] = equals == std::string::npos ? "True" : word.substr(equals + 1);
        word.clear();
    }
    return settings;
}

bool is_true(std::string const& text)
{
    return text == "True" || text == "true" || text == "1" || text == "yes" || text == "on";
}

/// off, on, force; older descriptions say True and False.
std::string alternative_of(std::string const& text)
{
    if (text == "force" || text == "on" || text == "off") return text;
    if (text.empty() || text == "None" || text == "NULL") return {};
    return is_true(text) ? "on" : "off";
}

void apply_settings(Setter& setter, std::map<std::string, std::string> const& all)
{
    auto const get = [&](char const* name) {
        auto const found = all.find(name);
        return found == all.end() || found->second == "None" || found->second == "NULL" ? std::string{}
                                                                                        : found->second;
    };
    setter.set_scaled("fetch.walltime", get("maxtime"), 1, "maxtime");
    setter.set_scaled("fetch.walltime", get("walltime_m"), 60, "walltime_m");
    setter.set_scaled("fetch.overhead", get("initialtime_m"), 60, "initialtime_m");
    setter.set_scaled("fetch.seconds_per_event", get("time_per_event_m"), 60, "time_per_event_m");
    setter.set_scaled("fetch.nodes", get("nodes"), 1, "nodes");
    setter.set_scaled("fetch.cores", get("corecount"), 1, "corecount");
    setter.set_scaled("fetch.cores", get("cpu_per_node"), 1, "cpu_per_node");
    setter.set_scaled("fetch.jobs", get("parallel_jobs"), 1, "parallel_jobs");
    setter.set("fetch.job_seed", get("jobseed"), "jobseed");
    setter.set_scaled("push.parallel", get("stageout_threads"), 1, "stageout_threads");
    setter.set_scaled("input.stage_limit", get("maxinputsize"), 1'000'000, "maxinputsize");
    if (auto const folder = get("localWorkingDir"); !folder.empty())
        setter.set("yoda.work.folder", folder, "localWorkingDir");
    if (auto const gap = get("zip_time_gap"); !gap.empty())
        setter.set_scaled("yoda.bundle.time_gap", gap, 1, "zip_time_gap");
    else if (auto const pledged = get("pledgedcpu"); !pledged.empty())
        // On borrowed nodes little may be lost.
        setter.set("yoda.bundle.time_gap", pledged == "-1" ? "600" : "7200", "pledgedcpu");
    if (auto const flag = get("not_es_to_zip"); !flag.empty())
        setter.set("push.single_objects", is_true(flag) ? "yes" : "no", "not_es_to_zip");
    // Objects go to object stores: their switch goes before the general one.
    auto mode = alternative_of(get("allow_alt_os_stageout"));
    if (mode.empty()) mode = alternative_of(get("allow_alt_stageout"));
    setter.set("push.alternative", mode, "allow_alt_stageout");
    if (auto const direct = get("direct_access_lan"); !direct.empty())
        setter.set("input.direct_access", is_true(direct) ? "yes" : "no", "direct_access_lan");
}

std::map<std::string, std::string> flatten(Json const& queue)
{
    std::map<std::string, std::string> all;
    for (auto const& [name, value] : queue.items())
        if (auto text = text_of(value); !text.empty()) all[name] = std::move(text);
    for (auto& [name, value] : split_catchall(field(queue, "catchall"))) all.insert_or_assign(name, value);
    return all;
}

/// The first protocol that may be written to.
Json const* find_protocol(Json const& endpoint)
{
    auto const protocols = endpoint.find("arprotocols");
    if (protocols == endpoint.end() || !protocols->is_object()) return nullptr;
    for (auto const* way : {"w", "write_wan", "write_lan", "r", "read_wan"}) {
        auto const list = protocols->find(way);
        if (list == protocols->end() || !list->is_array()) continue;
        for (auto const& protocol : *list)
            if (protocol.is_object() && !field(protocol, "endpoint").empty()) return &protocol;
    }
    return nullptr;
}

void apply_endpoint(Setter& setter, std::string const& store, std::string const& rse, Json const& endpoint)
{
    auto const from = "storage " + rse;
    auto const* const protocol = find_protocol(endpoint);
    if (!protocol) {
        setter.warnings.push_back(from + " has no protocol to write by");
        return;
    }
    auto base = field(*protocol, "endpoint");
    auto path = field(*protocol, "path");
    while (base.ends_with('/') && !base.ends_with("//")) base.pop_back();
    if (!path.starts_with('/')) path = "/" + path;
    if (base.starts_with("root://")) path = "/" + path;
    auto const id = field(*protocol, "id");
    std::string access;
    std::string secret;
    if (auto const list = endpoint.find("rprotocols"); list != endpoint.end() && list->is_object()) {
        auto const found = list->find(id);
        if (found != list->end() && found->is_object() && found->contains("settings")) {
            auto const& settings = (*found)["settings"];
            access = settings.is_object() ? field(settings, "access_key") : "";
            secret = settings.is_object() ? field(settings, "secret_key") : "";
            if (settings.is_object() && settings.contains("is_secure") &&
                !is_true(field(settings, "is_secure")) && base.starts_with("s3://"))
                base = "s3+http://" + base.substr(5);
        }
    }
    auto const prefix = "store." + store + ".";
    setter.set(prefix + "url", base + path, from);
    setter.set(prefix + "name", rse, from);
    auto number_of = field(endpoint, "id");
    if (auto const resource = endpoint.find("resource"); resource != endpoint.end() && resource->is_object())
        if (auto const bucket = field(*resource, "bucket_id"); !bucket.empty()) number_of = bucket;
    setter.set(prefix + "objstore_id", number_of, from);
    setter.set(prefix + "panda_public_key", access, from);
    setter.set(prefix + "panda_private_key", secret, from);
}

std::vector<std::string> names_of(Json const& list)
{
    std::vector<std::string> names;
    if (list.is_string()) names.push_back(list.get<std::string>());
    if (list.is_array())
        for (auto const& name : list)
            if (name.is_string()) names.push_back(name.get<std::string>());
    return names;
}

}  // namespace

Result<std::vector<std::string>> apply_queue(HarvestConfig& config, QueueTexts const& texts,
                                             std::string_view queue_name)
{
    auto const parsed = Json::parse(texts.queue, nullptr, false);
    if (!parsed.is_object())
        return Error{ErrorKind::bad_input,
                     texts.queue_origin + " is no queue description",
                     "it is not a JSON object",
                     {}};
    Json const* queue = &parsed;
    if (auto const found = parsed.find(std::string(queue_name)); found != parsed.end() && found->is_object())
        queue = &*found;
    else if (!parsed.contains("maxtime") && !parsed.contains("catchall") && !parsed.contains("astorages"))
        return Error{ErrorKind::bad_input,
                     fmt::format("{} does not know the queue '{}'", texts.queue_origin, queue_name),
                     {},
                     "check panda.site"};
    Setter setter(config, ConfigLayer::queue, texts.queue_origin);
    apply_settings(setter, flatten(*queue));

    auto const endpoints = Json::parse(texts.endpoints.empty() ? "{}" : texts.endpoints, nullptr, false);
    if (!endpoints.is_object())
        return Error{ErrorKind::bad_input,
                     texts.endpoints_origin + " holds no storage endpoints",
                     "it is not a JSON object",
                     {}};
    Setter stores(config, ConfigLayer::queue_store, texts.endpoints_origin);
    if (auto const activities = queue->find("astorages");
        activities != queue->end() && activities->is_object()) {
        constexpr std::pair<char const*, char const*> known[] = {{"es_events", "es_events"},
                                                                 {"es_failover", "es_failover"},
                                                                 {"pw", "pw"},
                                                                 {"pl", "pl"},
                                                                 {"pls", "logs"}};
        // Events go to ordinary storage unless the queue says that they must not.
        bool const never_ordinary =
            config.is_set("push.alternative") && config.text("push.alternative") == "off";
        for (auto const& [activity, store] : known) {
            auto list = activities->find(activity);
            // Without a storage of their own events go where other outputs go.
            bool const may_be_ordinary = store == std::string_view("es_events") ||
                                         (store == std::string_view("es_failover") && !never_ordinary);
            if (list == activities->end() && may_be_ordinary) list = activities->find("pw");
            if (list == activities->end()) continue;
            auto const names = names_of(*list);
            if (names.empty()) continue;
            auto const found = endpoints.find(names.front());
            if (found != endpoints.end() && found->is_object())
                apply_endpoint(stores, store, names.front(), *found);
            else
                stores.warnings.push_back(
                    fmt::format("storage {} of activity {} is not described", names.front(), activity));
        }
    }
    setter.warnings.insert(setter.warnings.end(), stores.warnings.begin(), stores.warnings.end());
    return std::move(setter.warnings);
}

std::vector<std::string> apply_overwrites(HarvestConfig& config,
                                          std::map<std::string, std::string> const& settings,
                                          std::int64_t panda_id)
{
    Setter setter(config, ConfigLayer::job, fmt::format("job {}, --overwriteQueuedata", panda_id));
    auto all = settings;
    if (auto const catchall = settings.find("catchall"); catchall != settings.end())
        for (auto& [name, value] : split_catchall(catchall->second)) all.insert_or_assign(name, value);
    apply_settings(setter, all);
    return std::move(setter.warnings);
}

}  // namespace yoda
