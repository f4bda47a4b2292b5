// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/wire/requests.hpp"

#include <fmt/format.h>

#include "harvest/panda/wire/form.hpp"

namespace yoda {

namespace {

constexpr std::string_view form_type = "application/x-www-form-urlencoded";
constexpr std::string_view json_type = "application/json";
constexpr std::size_t gzip_from_bytes = 4096;

std::string print_json(nlohmann::json const& value)
{
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

PandaRequest classic_post(CallKind kind, std::string_view method, FormFields const& fields)
{
    return {kind, "POST", fmt::format("/server/panda/{}", method), std::string(form_type), print_form(fields),
            false};
}

PandaRequest v1_post(CallKind kind, std::string_view method, nlohmann::json const& body)
{
    auto text = print_json(body);
    bool const gzip = text.size() >= gzip_from_bytes;
    return {kind, "POST", fmt::format("/api/v1/{}", method), std::string(json_type), std::move(text), gzip};
}

PandaRequest v1_get(std::string_view method, FormFields const& fields)
{
    auto path = fmt::format("/api/v1/{}", method);
    if (!fields.empty()) path += "?" + print_query(fields);
    return {CallKind::question, "GET", std::move(path), {}, {}, false};
}

/// Collects the fields that are there, under the name that the interface wants.
class Fields {
  public:
    explicit Fields(PandaApi api) : api_(api) {}

    void text(std::string_view classic, std::string_view v1, std::string const& value)
    {
        if (!value.empty()) put(classic, v1, value, value);
    }
    void number(std::string_view classic, std::string_view v1, std::optional<std::int64_t> value)
    {
        if (value) put(classic, v1, std::to_string(*value), *value);
    }
    void flag(std::string_view classic, std::string_view v1, std::optional<bool> value)
    {
        if (value) put(classic, v1, *value ? "True" : "False", *value);
    }
    FormFields const& form() const { return form_; }
    nlohmann::json const& json() const { return json_; }

  private:
    void put(std::string_view classic, std::string_view v1, std::string text, nlohmann::json value)
    {
        if (api_ == PandaApi::classic) {
            if (!classic.empty()) form_.emplace_back(classic, std::move(text));
        } else if (!v1.empty()) {
            json_[std::string(v1)] = std::move(value);
        }
    }

    PandaApi api_;
    FormFields form_;
    nlohmann::json json_ = nlohmann::json::object();
};

}  // namespace

PandaRequest make_get_jobs(PandaApi api, JobQuery const& query)
{
    Fields fields(api);
    fields.text("siteName", "site_name", query.site);
    fields.text("prodSourceLabel", "prod_source_label", query.source_label);
    fields.text("node", "node", query.node);
    fields.text("computingElement", "computing_element", query.computing_element);
    fields.text("resourceType", "resource_type", query.resource_type);
    fields.text("harvester_id", "harvester_id", query.harvester_id);
    fields.text("schedulerID", "scheduler_id", query.scheduler_id);
    fields.text("jobType", "job_type", query.job_type);
    fields.text("workingGroup", "", query.working_group);
    fields.text("countryGroup", "", query.country_group);
    fields.text("prodUserID", "prod_user_id", query.prod_user_id);
    fields.number("worker_id", "worker_id", query.worker_id);
    fields.number("taskID", "task_id", query.task_id);
    fields.number("mem", "memory", query.memory_mb);
    fields.number("diskSpace", "disk_space", query.disk_mb);
    fields.number("remaining_time", "remaining_time", query.remaining_time_s);
    // With nJobs, even 1, the answer is a list.
    fields.number("nJobs", "n_jobs", query.job_count.value_or(1));
    fields.flag("background", "background", query.background);
    // v1 declares this one as a text.
    if (query.proxy_key) fields.text("getProxyKey", "get_proxy_key", *query.proxy_key ? "True" : "False");
    return api == PandaApi::classic ? classic_post(CallKind::take, "getJob", fields.form())
                                    : v1_post(CallKind::take, "pilot/acquire_jobs", fields.json());
}

PandaRequest make_get_ranges(PandaApi api, RangeQuery const& query)
{
    Fields fields(api);
    fields.number("pandaID", "job_id", query.panda_id);
    fields.number("jobsetID", "jobset_id", query.jobset_id);
    fields.number("taskID", "task_id", query.task_id);
    fields.number("nRanges", "n_ranges", query.range_count);
    if (query.scattered) fields.flag("scattered", "scattered", true);
    fields.number("segment_id", "segment_id", query.segment_id);
    return api == PandaApi::classic ? classic_post(CallKind::take, "getEventRanges", fields.form())
                                    : v1_post(CallKind::take, "event/acquire_event_ranges", fields.json());
}

PandaRequest make_count_ranges(PandaApi api, std::int64_t panda_id, std::int64_t jobset_id,
                               std::int64_t task_id)
{
    bool const classic = api == PandaApi::classic;
    FormFields const fields{{classic ? "pandaID" : "job_id", std::to_string(panda_id)},
                            {classic ? "jobsetID" : "jobset_id", std::to_string(jobset_id)},
                            {classic ? "taskID" : "task_id", std::to_string(task_id)}};
    return classic ? classic_post(CallKind::question, "checkEventsAvailability", fields)
                   : v1_get("event/get_available_event_range_count", fields);
}

PandaRequest make_update_ranges(PandaApi api, int version, std::string_view list)
{
    if (api == PandaApi::classic)
        return classic_post(CallKind::update, "updateEventRanges",
                            {{"eventRanges", std::string(list)}, {"version", std::to_string(version)}});
    // The list is a JSON *text* inside the JSON.
    return v1_post(CallKind::update, "event/update_event_ranges",
                   {{"event_ranges", list}, {"version", version}});
}

PandaRequest make_range_statuses(PandaApi api, std::vector<TaskAndJob> const& jobs)
{
    auto list = nlohmann::json::array();
    // v1's documentation says job_id; that fails.
    for (auto const& job : jobs) list.push_back({{"task_id", job.task_id}, {"panda_id", job.panda_id}});
    return api == PandaApi::classic
               ? classic_post(CallKind::question, "get_events_status", {{"ids", print_json(list)}})
               : v1_get("event/get_event_range_statuses", {{"job_task_ids", print_json(list)}});
}

PandaRequest make_job_states(PandaApi api, std::vector<std::int64_t> const& panda_ids)
{
    FormFields fields;
    std::string blanks;
    for (auto const id : panda_ids) {
        fields.emplace_back("job_ids", std::to_string(id));
        blanks += (blanks.empty() ? "" : " ") + std::to_string(id);
    }
    return api == PandaApi::classic ? classic_post(CallKind::question, "getStatus", {{"ids", blanks}})
                                    : v1_get("pilot/get_job_status", fields);
}

PandaRequest make_alive(PandaApi api)
{
    return api == PandaApi::classic ? classic_post(CallKind::question, "isAlive", {})
                                    : v1_get("system/is_alive", {});
}

PandaRequest make_key_pair(PandaApi api, std::string_view public_name, std::string_view private_name)
{
    bool const classic = api == PandaApi::classic;
    FormFields const fields{{classic ? "publicKeyName" : "public_key_name", std::string(public_name)},
                            {classic ? "privateKeyName" : "private_key_name", std::string(private_name)}};
    return classic ? classic_post(CallKind::question, "getKeyPair", fields)
                   : v1_get("creds/get_key_pair", fields);
}

PandaRequest make_access_token(PandaApi api, std::string_view client_name, std::string_view token_key)
{
    FormFields const fields{{"client_name", std::string(client_name)}, {"token_key", std::string(token_key)}};
    return api == PandaApi::classic ? classic_post(CallKind::question, "get_access_token", fields)
                                    : v1_get("creds/get_access_token", fields);
}

}  // namespace yoda
