// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/wire/range_answers.hpp"

#include <fmt/format.h>

#include <charconv>

#include "harvest/panda/wire/envelope.hpp"
#include "harvest/panda/wire/json_cursor.hpp"

namespace yoda {

namespace {

PandaJudgement unreadable(std::string_view what)
{
    return {PandaOutcome::unknown, fmt::format("the answer has no {} in a known form", what)};
}

/// Walks the members of a JSON object without a tree; `member` gets key and value text. False if it is none.
bool walk_object(std::string_view text, std::function<bool(std::string_view, std::string_view)> const& member)
{
    JsonCursor cursor(text);
    if (!cursor.take('{')) return false;
    if (cursor.take('}')) return cursor.at_end();
    do {
        std::string_view key, value;
        if (!cursor.take_plain_string(key) || !cursor.take(':') || !cursor.take_value(value)) return false;
        if (!member(key, value)) return false;
    } while (cursor.take(','));
    return cursor.take('}') && cursor.at_end();
}

std::map<std::int64_t, PandaCommands> read_command_map(nlohmann::json const& value)
{
    std::map<std::int64_t, PandaCommands> map;
    auto const object = decode_nested(value);
    if (!object.is_object()) return map;
    for (auto const& [key, command] : object.items()) {
        std::int64_t panda_id = 0;
        auto const [end, code] = std::from_chars(key.data(), key.data() + key.size(), panda_id);
        if (code != std::errc{} || end != key.data() + key.size() || !command.is_string()) continue;
        if (auto commands = parse_commands(command.get_ref<std::string const&>()); commands.any())
            map.emplace(panda_id, std::move(commands));
    }
    return map;
}

/// Texts end in a newline in the server's key files.
std::string trimmed_text(nlohmann::json const& object, char const* key)
{
    if (!object.is_object() || !object.contains(key) || !object[key].is_string()) return {};
    auto text = object[key].get<std::string>();
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
        text.pop_back();
    return text;
}

}  // namespace

bool RangesAnswer::empty_list() const
{
    JsonCursor cursor(list());
    return cursor.take('[') && cursor.take(']');
}

RangesAnswer read_ranges(PandaApi api, RawAnswer raw)
{
    RangesAnswer answer;
    answer.judgement = judge_transport(raw);
    if (!answer.judgement.stored()) return answer;

    // The common case: a large JSON object of which only the outside is looked at.
    std::string_view const wanted = api == PandaApi::v1 ? "data" : "eventRanges";
    bool good = false;
    bool const walked = walk_object(raw.body, [&](std::string_view key, std::string_view value) {
        if (key == wanted && value.starts_with('[')) {
            good = true;
            answer.begin_ = static_cast<std::size_t>(value.data() - raw.body.data());
            answer.bytes_ = value.size();
        } else if (key == "StatusCode") {
            return value == "0";
        } else if (key == "success") {
            return value == "true";
        }
        return true;
    });
    if (walked && good) {
        answer.text_ = std::move(raw.body);
        return answer;
    }

    // A refusal, a URL-encoded answer with the list as a JSON text, or something broken.
    answer.begin_ = answer.bytes_ = 0;
    auto envelope = open_envelope(api, CallKind::take, raw);
    answer.judgement = std::move(envelope.judgement);
    if (!answer.judgement.stored()) return answer;
    auto const* list = &envelope.content;
    if (api == PandaApi::classic) {
        list = nullptr;
        if (auto const found = envelope.content.find("eventRanges"); found != envelope.content.end())
            list = &*found;
    }
    if (list && list->is_string())
        answer.text_ = list->get<std::string>();
    else if (list && list->is_array())
        answer.text_ = list->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    answer.bytes_ = answer.text_.size();
    JsonCursor cursor(answer.text_);
    std::string_view value;
    if (cursor.peek() != '[' || !cursor.take_value(value) || !cursor.at_end())
        answer.judgement = unreadable("list of event ranges");
    return answer;
}

RangeUpdatesAnswer read_range_updates(PandaApi api, std::size_t sent_count, RawAnswer const& raw)
{
    auto const envelope = open_envelope(api, CallKind::update, raw);
    RangeUpdatesAnswer answer;
    answer.judgement = envelope.judgement;
    answer.names_gone_jobs = api == PandaApi::classic;
    if (!answer.judgement.stored()) return answer;
    auto const& content = envelope.content;
    if (!content.is_object() || !content.contains("Returns")) {
        answer.judgement = unreadable("Returns");
        return answer;
    }
    // "Command" in the old interface, "Commands" where the new one is meant to have it.
    for (auto const* key : {"Command", "Commands"})
        if (content.contains(key)) answer.commands.merge(read_command_map(content[key]));
    auto const list = decode_nested(content["Returns"]);
    if (!list.is_array()) {
        // Returns "\"" and Command "E": two letters of an error message; the request
        // was no JSON for the server.
        answer.judgement = {PandaOutcome::refused, "PanDA could not read the list of ranges"};
        return answer;
    }
    if (list.size() != sent_count) {
        answer.length_differs = true;
        answer.judgement = {
            PandaOutcome::unknown,
            fmt::format("{} results for {} ranges: PanDA stumbled inside the call", list.size(), sent_count)};
        return answer;
    }
    for (auto const& item : list) {
        if (!item.is_boolean() && !item.is_null()) {
            answer.returns.clear();
            answer.judgement = unreadable("list of true, false and null");
            return answer;
        }
        answer.returns.push_back(item.is_null()
                                     ? RangeReturn::later
                                     : (item.get<bool>() ? RangeReturn::accepted : RangeReturn::refused));
    }
    return answer;
}

RangeUpdateAnswer read_range_update(PandaApi api, RawAnswer const& raw)
{
    auto const envelope = open_envelope(api, CallKind::update, raw);
    RangeUpdateAnswer answer{envelope.judgement, {}};
    if (envelope.content.is_object() && envelope.content.contains("Command"))
        for (auto const& [panda_id, commands] : read_command_map(envelope.content["Command"]))
            answer.commands = commands;
    return answer;
}

CountAnswer read_range_count(PandaApi api, RawAnswer const& raw)
{
    auto const envelope = open_envelope(api, CallKind::question, raw);
    CountAnswer answer{envelope.judgement, 0};
    if (!answer.judgement.stored()) return answer;
    auto const* number = &envelope.content;
    if (api == PandaApi::classic) {
        if (!number->is_object() || !number->contains("nEventRanges")) {
            answer.judgement = unreadable("nEventRanges");
            return answer;
        }
        number = &(*number)["nEventRanges"];
    }
    if (number->is_number_integer() && number->get<std::int64_t>() >= 0)
        answer.count = number->get<std::int64_t>();
    else
        answer.judgement = unreadable("number of event ranges");
    return answer;
}

PandaJudgement read_range_statuses(PandaApi api, RawAnswer const& raw, TakeRangeStatus const& take)
{
    auto judgement = judge_transport(raw);
    if (!judgement.stored()) return judgement;
    // {"<PandaID>": {"<eventRangeID>": {"status": "sent", "error": null, "dialog": null}, ...}, ...}
    auto const one_range = [&](std::string_view range_id, std::string_view value) {
        std::string_view status;
        JsonCursor cursor(value);
        std::string_view key;
        // "status" comes first; after it nothing matters.
        if (cursor.take('{') && cursor.take_plain_string(key) && key == "status" && cursor.take(':') &&
            cursor.take_plain_string(status)) {
            take(range_id, status);
            return true;
        }
        auto const object = nlohmann::json::parse(value, nullptr, false);
        if (!object.is_object() || !object.contains("status") || !object["status"].is_string()) return false;
        take(range_id, object["status"].get_ref<std::string const&>());
        return true;
    };
    auto const one_job = [&](std::string_view, std::string_view value) {
        return walk_object(value, one_range);
    };
    if (api == PandaApi::v1) {
        bool good = false;
        bool const walked = walk_object(raw.body, [&](std::string_view key, std::string_view value) {
            if (key == "success") return value == "true";
            if (key != "data") return true;
            good = walk_object(value, one_job);
            return good;
        });
        if (walked && good) return {PandaOutcome::stored, {}};
    } else if (walk_object(raw.body, one_job)) {
        return {PandaOutcome::stored, {}};
    }
    judgement = open_envelope(api, CallKind::question, raw).judgement;
    return judgement.stored() ? unreadable("statuses of event ranges") : judgement;
}

KeyPairAnswer read_key_pair(PandaApi api, RawAnswer const& raw)
{
    auto const envelope = open_envelope(api, CallKind::question, raw);
    KeyPairAnswer answer{envelope.judgement, {}, {}};
    if (!answer.judgement.stored()) return answer;
    bool const v1 = api == PandaApi::v1;
    answer.public_key = trimmed_text(envelope.content, v1 ? "public_key" : "publicKey");
    answer.private_key = trimmed_text(envelope.content, v1 ? "private_key" : "privateKey");
    if (answer.public_key.empty() || answer.private_key.empty()) answer.judgement = unreadable("key pair");
    return answer;
}

TokenAnswer read_token(PandaApi api, RawAnswer const& raw)
{
    auto const envelope = open_envelope(api, CallKind::question, raw);
    TokenAnswer answer{envelope.judgement, {}};
    if (!answer.judgement.stored()) return answer;
    answer.token = trimmed_text(envelope.content, api == PandaApi::v1 ? "user_proxy" : "userProxy");
    if (answer.token.empty() && envelope.content.is_string())
        answer.token = envelope.content.get<std::string>();
    if (answer.token.empty()) answer.judgement = unreadable("token");
    return answer;
}

}  // namespace yoda
