// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/wire/envelope.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "harvest/panda/wire/form.hpp"
#include "harvest/panda/wire/python_literal.hpp"

namespace yoda {

namespace {

bool contains(std::string_view text, std::string_view part)
{
    return text.find(part) != std::string_view::npos;
}

bool is_html(RawAnswer const& answer)
{
    if (contains(answer.content_type, "text/html")) return true;
    auto const head = std::string_view(answer.body).substr(0, 512);
    auto const found = std::search(head.begin(), head.end(), std::begin("<html"), std::end("<html") - 1,
                                   [](char a, char b) { return (a | 0x20) == (b | 0x20); });
    return found != head.end();
}

bool is_about_role(std::string_view text)
{
    return contains(text, "pilot role") || contains(text, "failed to retrieve DN") ||
           contains(text, "SSL secure connection is required") ||
           contains(text, "Token authentication failed") || contains(text, "not HTTPS") ||
           contains(text, "not authorized");
}

/// The server's own words for a request that it will never take.
bool is_about_request(std::string_view text)
{
    return contains(text, "required positional argument") || contains(text, "unexpected keyword argument") ||
           contains(text, "invalid literal for int()") ||
           contains(text, "could not convert string to float") || contains(text, "isinstance() arg 2");
}

PandaJudgement judge_server_error(RawAnswer const& answer)
{
    auto const body = quote_for_people(answer.body);
    auto const why = fmt::format("HTTP {}: {}", answer.status, body.empty() ? "no text" : body);
    if (is_html(answer)) {
        // 503 comes from the front end before the application has seen anything; the
        // others may come after it.
        bool const before = answer.status == 503;
        return {before ? PandaOutcome::later : PandaOutcome::unknown,
                fmt::format("HTTP {}: an error page", answer.status)};
    }
    if (is_about_request(answer.body)) return {PandaOutcome::refused, why};
    if (contains(answer.body, "partial read from client") || contains(answer.body, "Not a gzipped file") ||
        answer.status == 503)
        return {PandaOutcome::later, why};
    return {PandaOutcome::unknown, why};
}

PandaJudgement judge_client_error(RawAnswer const& answer)
{
    PandaJudgement judgement{PandaOutcome::refused,
                             fmt::format("HTTP {}: {}", answer.status, quote_for_people(answer.body))};
    if (is_html(answer)) judgement.why = fmt::format("HTTP {}: an error page", answer.status);
    if (answer.status == 408 || answer.status == 429) judgement.outcome = PandaOutcome::later;
    bool const no_method = contains(answer.body, "is forbidden") && contains(answer.body, "method ");
    judgement.unknown_method = no_method || answer.status == 404;
    judgement.credentials = !no_method && (answer.status == 401 || answer.status == 403);
    return judgement;
}

PandaJudgement judge_v1_message(std::string_view message)
{
    auto const why = quote_for_people(message);
    if (is_about_role(message)) return {PandaOutcome::refused, why, true};
    if (contains(message, "database error") || message == "Timed out" || message == "TimeOut")
        return {PandaOutcome::later, why};
    return {PandaOutcome::refused, why.empty() ? "success is false, without a message" : why};
}

}  // namespace

std::string_view print_outcome(PandaOutcome outcome)
{
    switch (outcome) {
        case PandaOutcome::stored:
            return "stored";
        case PandaOutcome::refused:
            return "refused";
        case PandaOutcome::later:
            return "later";
        case PandaOutcome::unknown:
            return "unknown";
    }
    return "unknown";
}

std::string quote_for_people(std::string_view text)
{
    std::string out;
    for (char const c : text.substr(0, 200)) out += c >= ' ' && c < '\x7f' ? c : ' ';
    while (!out.empty() && out.back() == ' ') out.pop_back();
    return out;
}

nlohmann::json decode_body(std::string_view body)
{
    while (!body.empty() && (body.back() == '\n' || body.back() == '\r' || body.back() == ' '))
        body.remove_suffix(1);
    if (body.empty()) return nullptr;
    if (auto json = nlohmann::json::parse(body, nullptr, false); !json.is_discarded()) return json;
    if (auto literal = parse_python_literal(body)) return std::move(*literal);
    if (auto const fields = parse_form(body)) {
        auto object = nlohmann::json::object();
        for (auto const& [name, value] : *fields)
            if (!object.contains(name)) object[name] = value;
        return object;
    }
    return nullptr;
}

nlohmann::json decode_nested(nlohmann::json const& value)
{
    if (!value.is_string()) return value;
    auto const& text = value.get_ref<std::string const&>();
    if (auto json = nlohmann::json::parse(text, nullptr, false); !json.is_discarded()) return json;
    if (auto literal = parse_python_literal(text)) return std::move(*literal);
    return value;
}

std::optional<std::int64_t> read_status_code(nlohmann::json const& content)
{
    if (!content.is_object()) return std::nullopt;
    auto const found = content.find("StatusCode");
    if (found == content.end()) return std::nullopt;
    if (found->is_number_integer()) return found->get<std::int64_t>();
    if (!found->is_string()) return std::nullopt;
    auto const& text = found->get_ref<std::string const&>();
    std::int64_t code = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), code);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return code;
}

PandaJudgement judge_status_code(CallKind kind, std::int64_t code, std::string_view message)
{
    auto const why = [&](std::string_view meaning) {
        auto const quoted = quote_for_people(message);
        return fmt::format("StatusCode {} ({}){}{}", code, meaning, quoted.empty() ? "" : ": ", quoted);
    };
    switch (code) {
        case 0:
            return {PandaOutcome::stored, {}};
        case 10:
            // The server gave up waiting for its own work, which may still go on: what
            // it hands out may be lost.
            return {kind == CallKind::take ? PandaOutcome::unknown : PandaOutcome::later,
                    why("timed out in the server")};
        case 20:
            return {PandaOutcome::stored, why("no jobs")};
        case 30:
            return {PandaOutcome::refused, why("failed")};
        case 40:
            return {PandaOutcome::refused, why("not a secure connection"), true};
        case 50:
            return {PandaOutcome::refused, why("invalid token or id")};
        case 60:
            return {PandaOutcome::refused, why("no production or pilot role"), true};
        case 70:
            return {PandaOutcome::refused, why("permission denied"), true};
        case 80:
            return {PandaOutcome::refused, why("unknown key name")};
        case 90:
            return {PandaOutcome::later, why("proxy could not be fetched")};
        default:
            return {PandaOutcome::unknown, why("not known to us")};
    }
}

PandaJudgement judge_transport(RawAnswer const& answer)
{
    if (answer.status >= 500) return judge_server_error(answer);
    if (answer.status >= 400) return judge_client_error(answer);
    if (answer.status != 200)
        return {PandaOutcome::unknown, fmt::format("HTTP {}, where PanDA answers 200", answer.status)};
    if (is_html(answer)) return {PandaOutcome::unknown, "an HTML page instead of an answer"};
    if (answer.body.empty()) return {PandaOutcome::unknown, "an empty answer"};
    if (answer.body.size() < 200 && is_about_role(answer.body) &&
        answer.body.find('{') == std::string::npos && answer.body.find('=') == std::string::npos)
        return {PandaOutcome::refused, quote_for_people(answer.body), true};
    return {PandaOutcome::stored, {}};
}

Envelope open_envelope(PandaApi api, CallKind kind, RawAnswer const& answer)
{
    Envelope envelope;
    envelope.judgement = judge_transport(answer);
    if (!envelope.judgement.stored()) return envelope;
    auto body = decode_body(answer.body);
    auto const unreadable = [&] {
        // A piece of a structured answer is not quoted: it may hold a key.
        bool const quotable =
            answer.body.size() <= 200 && answer.body.find_first_of("{[=") == std::string::npos;
        envelope.judgement = {
            PandaOutcome::unknown,
            quotable ? fmt::format("an answer of no known form: '{}'", quote_for_people(answer.body))
                     : fmt::format("{} bytes of no known form", answer.body.size())};
        return envelope;
    };
    if (api == PandaApi::v1) {
        if (!body.is_object() || !body.contains("success")) return unreadable();
        if (auto const found = body.find("message"); found != body.end() && found->is_string())
            envelope.message = found->get<std::string>();
        if (auto const found = body.find("data"); found != body.end()) envelope.content = std::move(*found);
        auto const& success = body["success"];
        if (success.is_null())
            envelope.judgement = {PandaOutcome::later, "success is null: skipped"};
        else if (!success.is_boolean())
            return unreadable();
        else if (!success.get<bool>())
            envelope.judgement = judge_v1_message(envelope.message);
        else if (auto const code = read_status_code(envelope.content))
            envelope.judgement = judge_status_code(kind, *code, envelope.message);
        return envelope;
    }
    if (!body.is_object() && !body.is_array()) return unreadable();
    envelope.content = std::move(body);
    if (envelope.content.is_object()) {
        if (auto const found = envelope.content.find("errorDialog");
            found != envelope.content.end() && found->is_string())
            envelope.message = found->get<std::string>();
        if (auto const code = read_status_code(envelope.content))
            envelope.judgement = judge_status_code(kind, *code, envelope.message);
    }
    return envelope;
}

}  // namespace yoda
