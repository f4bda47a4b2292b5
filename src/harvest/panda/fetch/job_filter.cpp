// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/fetch/job_filter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "harvest/panda/wire/error_codes.hpp"

namespace yoda {

namespace {

std::optional<std::string> decode_base64(std::string_view text)
{
    if (text.empty() || text.size() % 4 != 0) return std::nullopt;
    std::string out;
    unsigned bits = 0;
    int count = 0;
    std::size_t padding = 0;
    for (char const c : text) {
        unsigned value = 0;
        if (c >= 'A' && c <= 'Z')
            value = static_cast<unsigned>(c - 'A');
        else if (c >= 'a' && c <= 'z')
            value = static_cast<unsigned>(c - 'a') + 26;
        else if (c >= '0' && c <= '9')
            value = static_cast<unsigned>(c - '0') + 52;
        else if (c == '+')
            value = 62;
        else if (c == '/')
            value = 63;
        else if (c == '=') {
            if (++padding > 2) return std::nullopt;
            continue;
        } else {
            return std::nullopt;
        }
        if (padding > 0) return std::nullopt;
        bits = (bits << 6 | value) & 0xffffff;
        count += 6;
        if (count >= 8) {
            count -= 8;
            out += static_cast<char>(bits >> count & 0xff);
        }
    }
    return out;
}

bool is_set(nlohmann::json const& fields, char const* name)
{
    auto const found = fields.find(name);
    return found != fields.end() && found->is_string() && *found != "" && *found != "NULL" &&
           *found != "False";
}

/// Empty for a job of ours.
std::string why_not_ours(nlohmann::json const& fields)
{
    if (is_merge_job(fields)) return "an event-service merge job; this queue runs event-service jobs only";
    if (is_set(fields, "cloneJob")) return "a cloned job; this queue runs event-service jobs only";
    auto const found = fields.find("eventService");
    if (found == fields.end() || *found != "True")
        return "no event-service job (eventService is not True); this queue runs nothing else";
    return {};
}

}  // namespace

JobEnd end_without_ranges(std::int64_t panda_id, std::int64_t attempt, RefusedRange const* first)
{
    if (first == nullptr)
        return {panda_id, attempt, pilot_error::no_events, "PanDA has no event ranges left for it"};
    return {panda_id, attempt, first->code,
            fmt::format("none of its event ranges can be worked on; {}: {}", first->id, first->why)};
}

std::int64_t number_in(nlohmann::json const& fields, char const* name)
{
    auto const found = fields.find(name);
    if (found == fields.end()) return 0;
    if (found->is_number_integer()) return found->get<std::int64_t>();
    if (!found->is_string()) return 0;
    auto const& text = found->get_ref<std::string const&>();
    std::int64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

bool is_merge_job(nlohmann::json const& fields)
{
    auto const found = fields.find("eventServiceMerge");
    if (is_set(fields, "eventServiceMerge") || (found != fields.end() && *found == true)) return true;
    // Its list of inputs gives it away too: what is taken for another job would be ended.
    auto const inputs = fields.find("writeToFile");
    return inputs != fields.end() && inputs->is_string() &&
           inputs->get_ref<std::string const&>().starts_with("inputFor_") && !is_set(fields, "eventService");
}

std::map<std::string, std::string> cut_overwrites(std::string& parameters)
{
    std::map<std::string, std::string> settings;
    for (;;) {
        auto lower = parameters;
        std::transform(lower.begin(), lower.end(), lower.begin(),
                       [](unsigned char c) { return std::tolower(c); });
        static constexpr std::string_view option = "--overwritequeuedata=";
        auto begin = lower.find(option);
        if (begin == std::string::npos) return settings;
        auto const open = begin + option.size();
        auto const close = open < parameters.size() && parameters[open] == '{' ? parameters.find('}', open)
                                                                               : std::string::npos;
        auto end =
            close == std::string::npos ? std::min(parameters.find(' ', open), parameters.size()) : close + 1;
        auto const inside = close == std::string::npos ? parameters.substr(open, end - open)
                                                       : parameters.substr(open + 1, close - open - 1);
        // Quotes round the whole option go with it.
        if (begin > 0 && end < parameters.size() &&
            (parameters[begin - 1] == '"' || parameters[begin - 1] == '\'') &&
            parameters[end] == parameters[begin - 1])
            --begin, ++end;
        while (begin > 0 && parameters[begin - 1] == ' ' &&
               (end == parameters.size() || parameters[end] == ' '))
            --begin;
        if (begin == 0)
            while (end < parameters.size() && parameters[end] == ' ') ++end;
        parameters.erase(begin, end - begin);
        for (std::size_t at = 0; at < inside.size();) {
            auto const stop = std::min(inside.find_first_of(", ", at), inside.size());
            auto const item = inside.substr(at, stop - at);
            if (auto const equals = item.find('='); equals != std::string::npos && equals > 0)
                settings[item.substr(0, equals)] = item.substr(equals + 1);
            at = stop + 1;
        }
    }
}

std::string decode_parameters(std::string const& parameters)
{
    auto const decoded = decode_base64(parameters);
    // A short word may happen to be base64: only what becomes a command line counts.
    bool const printable = decoded && std::all_of(decoded->begin(), decoded->end(), [](unsigned char c) {
                               return (c >= ' ' && c != 0x7f) || c == '\n' || c == '\t';
                           });
    return printable && decoded->find("--") != std::string::npos ? *decoded : parameters;
}

std::variant<Job, JobEnd> take_job(nlohmann::json fields)
{
    // Here it cannot be set up, elsewhere it can.
    JobEnd end{number_in(fields, "PandaID"), number_in(fields, "attemptNr"), pilot_error::setup_failure,
               why_not_ours(fields)};
    if (!end.diag.empty()) return end;
    end.code = pilot_error::general;
    if (auto const found = fields.find("jobPars"); found != fields.end() && found->is_string()) {
        auto const received = found->get<std::string>();
        auto parameters = decode_parameters(received);
        auto const settings = cut_overwrites(parameters);
        if (parameters != received) {
            *found = parameters;
            fields["jobParsAsReceived"] = received;
        }
        if (!settings.empty()) fields["overwriteQueuedata"] = settings;
    }
    auto job = Job::from_json(std::move(fields));
    if (!job) {
        end.code = pilot_error::stage_in_failed;
        end.diag = job.error().why;
    } else if (job->inputs().empty()) {
        end.code = pilot_error::stage_in_failed;
        end.diag = "the job has no input files";
    } else if (job->jobset_id() <= 0 || job->task_id() <= 0) {
        end.diag = "the job has no jobsetID or taskID, so PanDA gives no ranges for it";
    } else {
        return std::move(*job);
    }
    return end;
}

}  // namespace yoda
