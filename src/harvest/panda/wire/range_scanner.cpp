// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/wire/range_scanner.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "harvest/panda/wire/json_cursor.hpp"

namespace yoda {

namespace {

Error bad_list(std::string why)
{
    return {ErrorKind::bad_input, "the list of event ranges cannot be read", std::move(why),
            "ask again later; PanDA keeps the ranges of a lost answer until the job ends"};
}

/// The shape the server prints: six known keys in any order, plain texts, whole numbers.
bool take_plain_range(JsonCursor& cursor, RangeView& range)
{
    if (!cursor.take('{')) return false;
    unsigned seen = 0;
    do {
        std::string_view key;
        if (!cursor.take_plain_string(key) || !cursor.take(':')) return false;
        bool ok = false;
        unsigned bit = 0;
        if (key == "eventRangeID") {
            bit = 1;
            ok = cursor.take_plain_string(range.id);
        } else if (key == "startEvent") {
            bit = 2;
            ok = cursor.take_integer(range.start_event);
        } else if (key == "lastEvent") {
            bit = 4;
            ok = cursor.take_integer(range.last_event);
        } else if (key == "LFN") {
            bit = 8;
            ok = cursor.take_plain_string(range.lfn);
        } else if (key == "GUID") {
            bit = 16;
            ok = cursor.take_plain_string(range.guid);
        } else if (key == "scope") {
            bit = 32;
            ok = cursor.take_plain_string(range.scope);
        }
        if (!ok || (seen & bit) != 0) return false;
        seen |= bit;
    } while (cursor.take(','));
    return cursor.take('}') && (seen & 7) == 7 && !range.id.empty();
}

std::optional<std::int64_t> whole_number(nlohmann::json const& object, char const* key)
{
    auto const found = object.find(key);
    if (found == object.end()) return std::nullopt;
    if (found->is_number_unsigned() && found->get<std::uint64_t>() > INT64_MAX) return std::nullopt;
    if (found->is_number_integer()) return found->get<std::int64_t>();
    if (!found->is_string()) return std::nullopt;
    auto const& text = found->get_ref<std::string const&>();
    std::int64_t value = 0;
    auto const [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// Whatever else a JSON object can look like; `object` keeps the texts alive.
Status read_any_range(std::string_view text, nlohmann::json& object, RangeView& range)
{
    object = nlohmann::json::parse(text, nullptr, false);
    if (!object.is_object()) return bad_list("an element is no JSON object");
    auto const words = [&object](char const* key) -> std::string_view {
        auto const found = object.find(key);
        if (found == object.end() || !found->is_string()) return {};
        return found->get_ref<std::string const&>();
    };
    auto const start = whole_number(object, "startEvent");
    auto const last = whole_number(object, "lastEvent");
    range = RangeView{words("eventRangeID"), start.value_or(0), last.value_or(0),
                      words("LFN"),          words("GUID"),     words("scope")};
    if (range.id.empty()) return bad_list("an element has no eventRangeID");
    if (!start || !last) return bad_list(fmt::format("range {} has no whole event numbers", range.id));
    return {};
}

}  // namespace

Result<std::size_t> scan_ranges(std::string_view list, std::function<Status(RangeView const&)> const& take)
{
    JsonCursor cursor(list);
    if (!cursor.take('[')) return bad_list("it is no JSON list");
    std::size_t count = 0;
    if (!cursor.take(']')) {
        nlohmann::json object;
        do {
            RangeView range;
            JsonCursor const before = cursor;
            if (!take_plain_range(cursor, range)) {
                cursor = before;
                std::string_view text;
                if (!cursor.take_value(text)) return bad_list("it ends in the middle");
                if (auto const status = read_any_range(text, object, range); !status) return status.error();
            }
            if (auto const status = take(range); !status) return status.error();
            ++count;
        } while (cursor.take(','));
        if (!cursor.take(']')) return bad_list("it ends in the middle");
    }
    if (!cursor.at_end()) return bad_list("something follows it");
    return count;
}

}  // namespace yoda
