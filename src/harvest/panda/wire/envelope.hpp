// SPDX-License-Identifier: Apache-2.0
// The outside of every answer: which of PanDA's many shapes it has, and what it says
// about the call as a whole.
//   classic  {"StatusCode": 0, ...}  or  StatusCode=0&...  or  [true, ...]  or bare text  or an HTML page
//   v1       {"success": true, "message": "", "data": ...}, or Python's repr of it
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "harvest/panda/wire/outcome.hpp"

namespace yoda {

/// What kind of call was answered; the same words mean different things for them.
enum class CallKind {
    question,  ///< changes nothing
    update,    ///< may be repeated without harm
    take,      ///< hands something out (jobs, ranges): a lost answer is a loss
};

struct Envelope {
    PandaJudgement judgement;
    nlohmann::json content;  ///< classic: the object or list; v1: "data". Null unless something could be read
    std::string message;     ///< errorDialog or message
};

/// Shape and verdict of an answer whose body is small enough for a tree.
Envelope open_envelope(PandaApi api, CallKind kind, RawAnswer const& answer);

/// The verdict alone, for an answer whose HTTP status or body is no PanDA content (error pages, bare text,
/// HTTP 500). `stored` means: look into the body.
PandaJudgement judge_transport(RawAnswer const& answer);

/// JSON, a form (an object of texts, the first of equal names counts), or
/// Python's repr; null if it is none of them.
nlohmann::json decode_body(std::string_view body);
/// A value that may be JSON or Python's repr once more, as a text; otherwise the value itself.
nlohmann::json decode_nested(nlohmann::json const& value);

/// StatusCode of an answer or of a part of it; nullopt when absent.
std::optional<std::int64_t> read_status_code(nlohmann::json const& content);
PandaJudgement judge_status_code(CallKind kind, std::int64_t code, std::string_view message);

/// At most 200 printable characters of something that came from outside.
std::string quote_for_people(std::string_view text);

}  // namespace yoda
