// SPDX-License-Identifier: Apache-2.0
#include "droid/athenamp/dialogue.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace yoda::athenamp {

namespace {

constexpr std::string_view ready_words = "Ready for events";
constexpr std::size_t max_text_bytes = 1000;

bool is_id_character(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '_' || c == '-';
}

std::string_view take_id(std::string_view text)
{
    auto const end = std::find_if_not(text.begin(), text.end(), is_id_character);
    return text.substr(0, static_cast<std::size_t>(end - text.begin()));
}

/// The id in a range text that the payload could not read: whatever follows the word eventRangeID, its
/// quotes, colon and blanks. The text may be cut short or be Python's form with u'...'.
std::string_view find_id_in_range_text(std::string_view text)
{
    constexpr std::string_view key = "eventRangeID";
    auto const found = text.find(key);
    if (found == std::string_view::npos) return {};
    text.remove_prefix(found + key.size());
    auto const value = std::find_if_not(text.begin(), text.end(), [](char c) {
        return c == '"' || c == '\'' || c == ':' || c == ' ' || c == '\\';
    });
    text.remove_prefix(static_cast<std::size_t>(value - text.begin()));
    if (text.starts_with("u'") || text.starts_with("u\"")) text.remove_prefix(2);
    return take_id(text);
}

Message read_error(std::string_view text)
{
    auto const blank = std::min(text.find(' '), text.size());
    auto const kind = text.substr(0, blank);
    auto rest = text.substr(std::min(blank + 1, text.size()));
    Failure failure;
    failure.text = text.substr(0, max_text_bytes);
    failure.error_code = yoda::code::payload_failure;
    if (kind == "ERR_ATHENAMP_PARSE") {
        failure.range_id = find_id_in_range_text(rest);
        return failure;
    }
    auto const id = take_id(rest);
    rest.remove_prefix(id.size());
    while (rest.starts_with(' ')) rest.remove_prefix(1);
    // Without a colon after it the word is not an id, but part of the text.
    if (rest.starts_with(':')) failure.range_id = id;
    if (kind.find("FATAL") == std::string_view::npos) return failure;
    failure.kind = FailKind::fatal;
    failure.ends_payload = true;
    failure.error_code = kind == "ERR_TE_FATAL" ? token_extractor_code(rest) : yoda::code::es_fatal;
    return failure;
}

}  // namespace

std::uint16_t token_extractor_code(std::string_view text)
{
    auto const holds = [&](std::string_view words) { return text.find(words) != std::string_view::npos; };
    if (holds("Invalid GUID length")) return code::te_invalid_guid;
    if (holds("URL Error")) return code::te_bad_url;
    if (holds("resolve host name")) return code::te_host_name;
    if (holds("No tokens for GUID")) return code::te_wrong_guid;
    return code::te_fatal;
}

Message read_message(std::string_view body)
{
    while (!body.empty() && (body.back() == '\0' || body.back() == '\n' || body.back() == '\r'))
        body.remove_suffix(1);
    // Errors first: their texts may hold anything, also the words of a request.
    if (body.starts_with("ERR_")) return read_error(body);
    if (body.starts_with('/')) {
        ResultLine result;
        if (parse_result_line(body, result)) return result;
        return Unknown{std::string(body.substr(0, max_text_bytes))};
    }
    if (body.find(ready_words) != std::string_view::npos) return Ready{};
    return Unknown{std::string(body.substr(0, max_text_bytes))};
}

Result<std::string> print_for_athena(RangeView const& range, std::string_view pfn, bool multithreaded)
{
    auto const& needed = multithreaded ? pfn : range.guid;
    if (!range.id.empty() && !needed.empty()) return print_range_text(range, pfn);
    return Error{ErrorKind::bad_input,
                 fmt::format("range {} cannot be given to the payload", range.id),
                 range.id.empty() ? "it has no eventRangeID"
                 : multithreaded  ? "its file's place (PFN) is not known, which AthenaMT needs"
                                  : "its file has no GUID, which AthenaMP needs",
                 {}};
}

}  // namespace yoda::athenamp
