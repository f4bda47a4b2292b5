// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/wire/job_answers.hpp"

#include <fmt/format.h>

#include <charconv>

#include "harvest/panda/wire/envelope.hpp"

namespace yoda {

namespace {

PandaJudgement unreadable(std::string_view what)
{
    return {PandaOutcome::unknown, fmt::format("the answer has no {} in a known form", what)};
}

/// One part of an answer: {"StatusCode": 0, "command": "NULL"}.
JobUpdateAnswer read_update_content(nlohmann::json const& content, std::string_view message)
{
    auto const code = read_status_code(content);
    if (!code) return {unreadable("StatusCode"), {}};
    JobUpdateAnswer answer{judge_status_code(CallKind::update, *code, message), {}};
    auto const command = content.find("command");
    if (command != content.end() && command->is_string())
        answer.commands = parse_commands(command->get_ref<std::string const&>());
    else if (answer.judgement.stored() && command == content.end())
        // The server's way to ignore a state it does not know or a job without a number.
        answer.judgement = {PandaOutcome::refused,
                            "PanDA ignored the update: it knows no such state or job id"};
    return answer;
}

bool take_job(nlohmann::json&& fields, std::vector<nlohmann::json>& jobs)
{
    if (!fields.is_object() || !fields.contains("PandaID")) return false;
    fields.erase("StatusCode");
    jobs.push_back(std::move(fields));
    return true;
}

std::vector<std::string> split(std::string const& text, char separator)
{
    std::vector<std::string> parts;
    for (std::size_t begin = 0; begin <= text.size();) {
        auto const end = std::min(text.find(separator, begin), text.size());
        parts.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return parts;
}

}  // namespace

JobsAnswer read_jobs(PandaApi api, RawAnswer const& raw)
{
    auto envelope = open_envelope(api, CallKind::take, raw);
    JobsAnswer answer{std::move(envelope.judgement), {}};
    if (api == PandaApi::v1 && envelope.message == "No jobs in PanDA") {
        answer.judgement = {PandaOutcome::stored, envelope.message};
        return answer;
    }
    if (!answer.judgement.stored() || read_status_code(envelope.content) == 20) return answer;
    auto& content = envelope.content;
    if (!content.is_object()) {
        answer.judgement = unreadable("jobs");
        return answer;
    }
    bool good = true;
    if (auto const found = content.find("jobs"); found != content.end()) {
        auto list = decode_nested(*found);
        good = list.is_array();
        if (good)
            for (auto& fields : list) good = take_job(std::move(fields), answer.jobs) && good;
    } else {
        good = take_job(std::move(content), answer.jobs);
    }
    if (!good) answer.judgement = unreadable("jobs");
    return answer;
}

JobUpdateAnswer read_job_update(PandaApi api, RawAnswer const& raw)
{
    auto const envelope = open_envelope(api, CallKind::update, raw);
    if (!envelope.judgement.stored()) return {envelope.judgement, {}};
    return read_update_content(envelope.content, envelope.message);
}

BulkUpdateAnswer read_bulk_update(PandaApi api, std::size_t sent_count, RawAnswer const& raw)
{
    auto const envelope = open_envelope(api, CallKind::update, raw);
    BulkUpdateAnswer answer{envelope.judgement, {}};
    if (!answer.judgement.stored()) return answer;
    auto const* list = &envelope.content;
    if (api == PandaApi::classic) {
        // [true, [{"type": "json", "content": "<JSON text>"}, ...]] or [false, "reason"].
        bool const pair = list->is_array() && list->size() == 2 && (*list)[0].is_boolean();
        if (pair && !(*list)[0].get<bool>()) {
            answer.judgement = {
                PandaOutcome::refused,
                quote_for_people((*list)[1].is_string() ? (*list)[1].get<std::string>() : "")};
            return answer;
        }
        list = pair ? &(*list)[1] : nullptr;
    }
    if (!list || !list->is_array() || list->size() != sent_count) {
        answer.judgement = unreadable("list of as many results as jobs");
        return answer;
    }
    for (auto const& item : *list) {
        if (api == PandaApi::v1) {
            auto const message =
                item.is_object() ? item.value("message", nlohmann::json()) : nlohmann::json();
            auto const text = message.is_string() ? message.get<std::string>() : std::string{};
            bool const good = item.is_object() && item.value("success", nlohmann::json()) == true;
            if (good && item.contains("data"))
                answer.each.push_back(read_update_content(item["data"], text));
            else
                answer.each.push_back({{PandaOutcome::refused, quote_for_people(text)}, {}});
        } else {
            auto const content = item.is_object() && item.contains("content") ? decode_nested(item["content"])
                                                                              : nlohmann::json();
            answer.each.push_back(read_update_content(content, {}));
        }
    }
    return answer;
}

JobStatesAnswer read_job_states(PandaApi api, std::vector<std::int64_t> const& panda_ids,
                                RawAnswer const& raw)
{
    auto const envelope = open_envelope(api, CallKind::question, raw);
    JobStatesAnswer answer{envelope.judgement, {}};
    if (!answer.judgement.stored()) return answer;
    auto const& content = envelope.content;
    if (api == PandaApi::v1) {
        if (content.is_array() && content.size() == panda_ids.size()) {
            for (std::size_t i = 0; i < panda_ids.size(); ++i) {
                auto const& item = content[i];
                auto const status =
                    item.is_object() ? item.value("status", nlohmann::json()) : nlohmann::json();
                auto const attempt =
                    item.is_object() ? item.value("attempt_number", nlohmann::json()) : nlohmann::json();
                if (!status.is_string()) break;
                bool const known = status != "not found";
                answer.states.push_back({panda_ids[i], known ? status.get<std::string>() : "",
                                         attempt.is_number_integer() ? attempt.get<std::int64_t>() : 0});
            }
        }
    } else if (content.is_object() && content.contains("status") && content["status"].is_string()) {
        // status=holding+notfound, attemptNr=1+0, in the order asked.
        auto const statuses = split(content["status"].get<std::string>(), '+');
        auto const attempts = content.contains("attemptNr") && content["attemptNr"].is_string()
                                  ? split(content["attemptNr"].get<std::string>(), '+')
                                  : std::vector<std::string>{};
        if (statuses.size() == panda_ids.size()) {
            for (std::size_t i = 0; i < panda_ids.size(); ++i) {
                PandaJobState state{panda_ids[i], statuses[i] == "notfound" ? "" : statuses[i], 0};
                if (i < attempts.size())
                    std::from_chars(attempts[i].data(), attempts[i].data() + attempts[i].size(),
                                    state.attempt);
                answer.states.push_back(std::move(state));
            }
        }
    }
    if (answer.states.size() != panda_ids.size()) {
        answer.states.clear();
        answer.judgement = unreadable("state for each job");
    }
    return answer;
}

PandaJudgement read_alive(PandaApi api, RawAnswer const& raw)
{
    auto const envelope = open_envelope(api, CallKind::question, raw);
    if (!envelope.judgement.stored() || api == PandaApi::v1) return envelope.judgement;
    if (envelope.content.is_object() && envelope.content.value("alive", "") == "yes")
        return envelope.judgement;
    return unreadable("alive=yes");
}

}  // namespace yoda
