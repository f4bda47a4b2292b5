// SPDX-License-Identifier: Apache-2.0
#include "core/table/event_range.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace yoda {

std::string RangeId::text() const
{
    return fmt::format("{}-{}-{}-{}-{}", task_id, panda_id, file_id, process_id, attempt);
}

std::optional<RangeId> RangeId::parse(std::string_view text)
{
    std::int64_t numbers[5];
    char const* at = text.data();
    char const* const end = at + text.size();
    for (int i = 0; i < 5; ++i) {
        bool const canonical =
            at != end && *at >= '0' && *at <= '9' && (*at != '0' || at + 1 == end || at[1] == '-');
        if (!canonical) return std::nullopt;
        auto const [next, code] = std::from_chars(at, end, numbers[i]);
        if (code != std::errc{}) return std::nullopt;
        at = next;
        if (i < 4 && (at == end || *at++ != '-')) return std::nullopt;
    }
    if (at != end) return std::nullopt;
    return RangeId{numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]};
}

EventRange::operator RangeView() const
{
    return {id, start_event, last_event, lfn, guid, scope};
}

bool fits_range_text(std::string_view value)
{
    // No early exit: nearly all are good, and this way eight characters are looked at at once.
    bool good = true;
    for (char const c : value)
        good &= c >= ' ' && c < '\x7f' && c != ',' && c != '"' && c != '\'' && c != '\\';
    return good;
}

Result<std::string> print_range_text(RangeView const& range, std::string_view pfn)
{
    for (std::string_view const value : {range.id, range.guid, range.lfn, range.scope, pfn}) {
        if (!fits_range_text(value))
            return Error{ErrorKind::bad_input, fmt::format("range {} cannot be given to a payload", range.id),
                         "a value has a comma, quote, backslash, control or non-ASCII character, which "
                         "payloads misread",
                         "rename the input file"};
    }
    std::string text;
    text.reserve(160 + range.id.size() + range.guid.size() + range.lfn.size() + range.scope.size() +
                 pfn.size());
    fmt::format_to(std::back_inserter(text),
                   R"([{{"eventRangeID": "{}", "startEvent": {}, "lastEvent": {}, "GUID": "{}", "LFN": "{}")",
                   range.id, range.start_event, range.last_event, range.guid, range.lfn);
    if (!range.scope.empty()) fmt::format_to(std::back_inserter(text), R"(, "scope": "{}")", range.scope);
    if (!pfn.empty()) fmt::format_to(std::back_inserter(text), R"(, "PFN": "{}")", pfn);
    text += "}]";
    return text;
}

bool is_plain_file_name(std::string_view name)
{
    return !name.empty() && name != "." && name != ".." && name.size() <= 255 &&
           name.find_first_of(std::string_view("/\n\r\0", 4)) == std::string_view::npos;
}

}  // namespace yoda
