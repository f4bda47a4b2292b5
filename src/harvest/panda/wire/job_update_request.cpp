// SPDX-License-Identifier: Apache-2.0
// updateJob's fields: names in both interfaces, types, limits
// (docs/reference/panda.md §4; the server's own signatures).
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "harvest/panda/wire/form.hpp"
#include "harvest/panda/wire/requests.hpp"

namespace yoda {

namespace {

enum class FieldType { words, whole, real };

struct JobField {
    std::string_view classic;
    std::string_view v1;  ///< empty: not there
    FieldType type;
    std::size_t limit;  ///< characters of a text; 0: none
};

using enum FieldType;
constexpr JobField job_fields[] = {
    {"attemptNr", "attempt_nr", whole, 0},
    {"avgPSS", "avg_pss", real, 0},
    {"avgRSS", "avg_rss", real, 0},
    {"avgSWAP", "avg_swap", real, 0},
    {"avgVMEM", "avg_vmem", real, 0},
    {"batchID", "batch_id", words, 80},
    {"computingElement", "", words, 0},
    {"coreCount", "core_count", whole, 0},
    {"corruptedFiles", "corrupted_files", words, 0},
    {"cpuConsumptionTime", "cpu_consumption_time", whole, 0},
    {"cpuConsumptionUnit", "cpu_consumption_unit", words, 128},
    {"cpuConversionFactor", "cpu_conversion_factor", real, 0},
    {"cpu_architecture_level", "cpu_architecture_level", words, 20},
    {"endTime", "end_time", words, 0},
    {"exeErrorCode", "exe_error_code", whole, 0},
    {"exeErrorDiag", "exe_error_diag", words, 500},
    {"jobMetrics", "job_metrics", words, 500},
    {"jobSubStatus", "job_sub_status", words, 80},
    {"maxPSS", "max_pss", whole, 0},
    {"maxRSS", "max_rss", whole, 0},
    {"maxSWAP", "max_swap", whole, 0},
    {"maxVMEM", "max_vmem", whole, 0},
    {"meanCoreCount", "mean_core_count", whole, 0},
    {"metaData", "meta_data", words, 0},
    {"nEvents", "n_events", whole, 0},
    {"nInputFiles", "n_input_files", whole, 0},
    {"node", "node", words, 128},
    {"pilotErrorCode", "pilot_error_code", whole, 0},
    {"pilotErrorDiag", "pilot_error_diag", words, 500},
    {"pilotID", "pilot_id", words, 200},
    {"pilotLog", "pilot_log", words, 0},
    {"pilotTiming", "pilot_timing", words, 100},
    {"rateRBYTES", "rate_rbytes", real, 0},
    {"rateRCHAR", "rate_rchar", real, 0},
    {"rateWBYTES", "rate_wbytes", real, 0},
    {"rateWCHAR", "rate_wchar", real, 0},
    {"remainingSpace", "", words, 0},
    {"schedulerID", "scheduler_id", words, 0},
    {"siteName", "site_name", words, 0},
    {"startTime", "start_time", words, 0},
    {"stdout", "stdout", words, 2048},
    {"timestamp", "", words, 0},
    {"totRBYTES", "tot_rbytes", whole, 0},
    {"totRCHAR", "tot_rchar", whole, 0},
    {"totWBYTES", "tot_wbytes", whole, 0},
    {"totWCHAR", "tot_wchar", whole, 0},
    {"transExitCode", "trans_exit_code", whole, 0},
    {"workdir", "", words, 0},
    {"xml", "job_output_report", words, 0},
};

JobField const* find_field(std::string_view name)
{
    auto const* const found = std::find_if(std::begin(job_fields), std::end(job_fields),
                                           [name](JobField const& field) { return field.classic == name; });
    return found == std::end(job_fields) ? nullptr : found;
}

/// nullopt when the value does not fit the type: a server answers StatusCode 30 or HTTP 500 to such a field.
std::optional<nlohmann::json> typed_value(JobField const& field, std::string const& value)
{
    char const* const end = value.data() + value.size();
    if (field.type == whole) {
        std::int64_t number = 0;
        auto const [next, code] = std::from_chars(value.data(), end, number);
        if (code == std::errc{} && next == end) return number;
        return std::nullopt;
    }
    if (field.type == real) {
        double number = 0;
        auto const [next, code] = std::from_chars(value.data(), end, number);
        if (code == std::errc{} && next == end && !std::isnan(number)) return number;
        return std::nullopt;
    }
    // Logs and reports keep their line breaks; the one-line columns do not need them.
    return field.limit == 0 ? value : clean_text(value, field.limit);
}

/// The fields of one update by `name_of`, typed, for the JSON forms.
template <class NameOf>
nlohmann::json typed_fields(JobUpdate const& update, NameOf name_of)
{
    auto object = nlohmann::json::object();
    for (auto const& [name, value] : update.fields) {
        auto const* const field = find_field(name);
        if (!field || name_of(*field).empty()) continue;
        if (auto typed = typed_value(*field, value)) object[std::string(name_of(*field))] = std::move(*typed);
    }
    return object;
}

nlohmann::json v1_update(JobUpdate const& update)
{
    auto object = typed_fields(update, [](JobField const& field) { return field.v1; });
    object["job_id"] = update.panda_id;
    object["job_status"] = update.state;
    return object;
}

std::string print_json(nlohmann::json const& value)
{
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

bool is_job_field(std::string_view name)
{
    return find_field(name) != nullptr;
}

PandaRequest make_update_job(PandaApi api, JobUpdate const& update)
{
    if (api == PandaApi::v1)
        return {CallKind::update,
                "POST",
                "/api/v1/pilot/update_job",
                "application/json",
                print_json(v1_update(update)),
                false};
    FormFields fields{{"jobId", std::to_string(update.panda_id)}, {"state", update.state}};
    for (auto const& [name, value] : update.fields) {
        auto const* const field = find_field(name);
        if (!field) continue;
        auto const typed = typed_value(*field, value);
        if (!typed) continue;
        fields.emplace_back(name, typed->is_string() ? typed->get<std::string>() : value);
    }
    return {CallKind::update,   "POST", "/server/panda/updateJob", "application/x-www-form-urlencoded",
            print_form(fields), false};
}

PandaRequest make_update_jobs_bulk(PandaApi api, std::vector<JobUpdate> const& updates,
                                   std::string_view harvester_id)
{
    auto list = nlohmann::json::array();
    for (auto const& update : updates) {
        if (api == PandaApi::v1) {
            list.push_back(v1_update(update));
            continue;
        }
        auto object = typed_fields(update, [](JobField const& field) { return field.classic; });
        object["jobId"] = update.panda_id;
        object["state"] = update.state;
        list.push_back(std::move(object));
    }
    if (api == PandaApi::v1) {
        auto body = nlohmann::json{{"job_list", std::move(list)}};
        if (!harvester_id.empty()) body["harvester_id"] = harvester_id;
        auto text = print_json(body);
        bool const gzip = text.size() >= 4096;
        return {CallKind::update,   "POST",          "/api/v1/pilot/update_jobs_bulk",
                "application/json", std::move(text), gzip};
    }
    FormFields fields{{"jobList", print_json(list)}};
    if (!harvester_id.empty()) fields.emplace_back("harvester_id", harvester_id);
    return {CallKind::update,   "POST", "/server/panda/updateJobsInBulk", "application/x-www-form-urlencoded",
            print_form(fields), false};
}

}  // namespace yoda
