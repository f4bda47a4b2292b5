#include "harvest/panda/settings.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "sys/files.hpp"

namespace yoda {

namespace {

constexpr std::uint64_t limit_bytes = 1 << 20;

}  // namespace

std::string print_settings(PandaSettings const& settings)
{
    auto const& server = settings.server;
    auto const& credentials = settings.credentials;
    nlohmann::ordered_json json;
    json["version"] = 1;
    json["urls"] = server.urls;
    json["api"] = !server.api ? "auto" : *server.api == PandaApi::v1 ? "v1" : "classic";
    json["allow_plain_http"] = server.allow_plain_http;
    json["connect_timeout_s"] = server.connect_timeout.s();
    json["timeout_s"] = server.timeout.s();
    json["proxy_file"] = credentials.proxy_file;
    json["cert_file"] = credentials.cert_file;
    json["key_file"] = credentials.key_file;
    json["ca_file"] = credentials.ca_file;
    json["ca_folder"] = credentials.ca_folder;
    json["token_file"] = credentials.token_file;
    json["origin"] = credentials.origin;
    json["refreshed_token_file"] = credentials.refreshed_token_file;
    json["token_key_file"] = credentials.token_key_file;
    json["site"] = settings.site;
    json["source_label"] = settings.source_label;
    json["node"] = settings.node;
    json["computing_element"] = settings.computing_element;
    json["harvester_id"] = settings.harvester_id;
    json["scheduler_id"] = settings.scheduler_id;
    json["pilot_id"] = settings.pilot_id;
    json["heartbeat_s"] = settings.heartbeat_s;
    json["debug_heartbeat_s"] = settings.debug_heartbeat_s;
    json["objstore_ids"] = settings.objstore_ids;
    json["path_conventions"] = settings.path_conventions;
    return json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Result<PandaSettings> parse_settings(std::string_view text)
{
    try {
        auto const json = nlohmann::json::parse(text);
        if (json.at("version") != 1)
            return Error{ErrorKind::bad_input,
                         "settings for PanDA of another version",
                         {},
                         "use the harvest that wrote them"};
        PandaSettings settings;
        auto& server = settings.server;
        auto& credentials = settings.credentials;
        json.at("urls").get_to(server.urls);
        auto const api = json.at("api").get<std::string>();
        if (api != "auto") server.api = api == "v1" ? PandaApi::v1 : PandaApi::classic;
        json.at("allow_plain_http").get_to(server.allow_plain_http);
        server.connect_timeout = Duration::from_s(json.at("connect_timeout_s").get<double>());
        server.timeout = Duration::from_s(json.at("timeout_s").get<double>());
        json.at("proxy_file").get_to(credentials.proxy_file);
        json.at("cert_file").get_to(credentials.cert_file);
        json.at("key_file").get_to(credentials.key_file);
        json.at("ca_file").get_to(credentials.ca_file);
        json.at("ca_folder").get_to(credentials.ca_folder);
        json.at("token_file").get_to(credentials.token_file);
        json.at("origin").get_to(credentials.origin);
        json.at("refreshed_token_file").get_to(credentials.refreshed_token_file);
        json.at("token_key_file").get_to(credentials.token_key_file);
        json.at("site").get_to(settings.site);
        json.at("source_label").get_to(settings.source_label);
        json.at("node").get_to(settings.node);
        json.at("computing_element").get_to(settings.computing_element);
        json.at("harvester_id").get_to(settings.harvester_id);
        json.at("scheduler_id").get_to(settings.scheduler_id);
        json.at("pilot_id").get_to(settings.pilot_id);
        json.at("heartbeat_s").get_to(settings.heartbeat_s);
        json.at("debug_heartbeat_s").get_to(settings.debug_heartbeat_s);
        json.at("objstore_ids").get_to(settings.objstore_ids);
        json.at("path_conventions").get_to(settings.path_conventions);
        return settings;
    } catch (nlohmann::json::exception const& exception) {
        return Error{ErrorKind::bad_input, "settings for PanDA cannot be read", exception.what(), {}};
    }
}

std::map<std::string, std::string> common_job_fields(PandaSettings const& settings)
{
    std::map<std::string, std::string> fields;
    auto const put = [&fields](char const* name, std::string const& value) {
        if (!value.empty()) fields[name] = value;
    };
    put("node", settings.node);
    put("siteName", settings.site);
    put("computingElement", settings.computing_element);
    put("schedulerID", settings.scheduler_id);
    put("pilotID", settings.pilot_id);
    return fields;
}

Status PandaFolder::adopt_workplace() const
{
    auto const from = workplace(run_);
    if (!path_exists(from) || !path_exists(run_ + "/job.json")) return {};
    // A workplace without settings belongs to a fetch that did not get that far: its run was made by somebody
    // else.
    if (!path_exists(from + "/settings.json")) return {};
    if (::rename(from.c_str(), path_.c_str()) != 0) {
        if (errno == EEXIST || errno == ENOTEMPTY)
            return Error{ErrorKind::io, from + " cannot become " + path_, "there is one already",
                         "look at both and remove one"};
        return os_error("rename", from, errno);
    }
    return sync_folder(run_);
}

Result<PandaSettings> PandaFolder::read_settings() const
{
    if (auto const status = adopt_workplace(); !status) return status.error();
    auto const text = read_file(settings(), limit_bytes);
    if (!text)
        return Error{ErrorKind::usage, run_ + " was not fetched from PanDA", text.error().text(),
                     "use harvest fetch to make one"};
    return parse_settings(*text);
}

}  // namespace yoda
