// SPDX-License-Identifier: Apache-2.0
// The list of updateEventRanges, printed straight into text: 10,000 ranges make half a megabyte.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "harvest/panda/wire/requests.hpp"

namespace yoda {

namespace {

/// Ids and names are plain nearly always; anything else goes through the JSON library.
void append_quoted(std::string_view text, std::string& out)
{
    bool plain = true;
    for (char const c : text) plain = plain && c >= ' ' && c < '\x7f' && c != '"' && c != '\\';
    if (plain) {
        out += '"';
        out += text;
        out += '"';
    } else {
        out += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    }
}

void append_range(RangeUpdate const& range, std::string& out)
{
    out += R"({"eventRangeID": )";
    append_quoted(range.id, out);
    out += R"(, "eventStatus": )";
    append_quoted(range.status, out);
    auto const at_end = std::back_inserter(out);
    if (range.objstore_id) fmt::format_to(at_end, R"(, "objstoreID": {})", *range.objstore_id);
    if (range.path_convention) fmt::format_to(at_end, R"(, "pathConvention": {})", *range.path_convention);
    if (range.error_code != 0) fmt::format_to(at_end, R"(, "errorCode": {})", range.error_code);
    if (!range.error_diag.empty()) {
        out += R"(, "errorDiag": )";
        append_quoted(clean_text(range.error_diag, 500), out);
    }
    out += '}';
}

void append_ranges(std::vector<RangeUpdate> const& ranges, std::string& out)
{
    bool first = true;
    for (auto const& range : ranges) {
        if (!first) out += ", ";
        first = false;
        append_range(range, out);
    }
}

void append_zip(ZipFile const& zip, std::string& out)
{
    out += R"("zipFile": {"lfn": )";
    append_quoted(zip.lfn, out);
    auto const at_end = std::back_inserter(out);
    fmt::format_to(at_end, R"(, "objstoreID": {}, "fsize": {})", zip.objstore_id, zip.bytes);
    if (!zip.adler32.empty()) {
        out += R"(, "adler32": )";
        append_quoted(zip.adler32, out);
    }
    fmt::format_to(at_end, R"(, "numEvents": {})", zip.event_count);
    if (zip.path_convention) fmt::format_to(at_end, R"(, "pathConvention": {})", *zip.path_convention);
    out += "}, ";
}

/// Bytes of the UTF-8 character that begins here; 0 if it is none.
std::size_t character_bytes(std::string_view text)
{
    auto const lead = static_cast<unsigned char>(text[0]);
    std::size_t const bytes = lead < 0x80   ? 1
                              : lead < 0xc2 ? 0
                              : lead < 0xe0 ? 2
                              : lead < 0xf0 ? 3
                              : lead < 0xf5 ? 4
                                            : 0;
    if (bytes == 0 || bytes > text.size()) return 0;
    for (std::size_t i = 1; i < bytes; ++i)
        if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) return 0;
    auto const second = bytes > 1 ? static_cast<unsigned char>(text[1]) : 0x80;
    // Overlong forms, surrogates, beyond U+10FFFF.
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
        (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f))
        return 0;
    return bytes;
}

}  // namespace

std::string clean_text(std::string_view text, std::size_t limit)
{
    std::string out;
    std::size_t characters = 0;
    while (!text.empty() && characters < limit) {
        auto const bytes = character_bytes(text);
        auto const c = static_cast<unsigned char>(text[0]);
        if (bytes == 0 || (c < 0x80 && (c < ' ' || c == 0x7f)))
            out += ' ';
        else
            out += text.substr(0, bytes);
        text.remove_prefix(std::max<std::size_t>(bytes, 1));
        ++characters;
    }
    return out;
}

std::string print_range_updates(int version, std::vector<UpdateChunk> const& chunks)
{
    std::size_t count = 0;
    for (auto const& chunk : chunks) count += chunk.ranges.size();
    std::string out;
    out.reserve(count * 96 + chunks.size() * 256 + 16);
    out += '[';
    bool first = true;
    for (auto const& chunk : chunks) {
        if (chunk.ranges.empty()) continue;
        if (!first) out += ", ";
        first = false;
        if (version == 0) {
            append_ranges(chunk.ranges, out);
            continue;
        }
        out += '{';
        if (chunk.zip) append_zip(*chunk.zip, out);
        out += R"("eventRanges": [)";
        append_ranges(chunk.ranges, out);
        out += "]}";
    }
    out += ']';
    return out;
}

}  // namespace yoda
