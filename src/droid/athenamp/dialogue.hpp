// SPDX-License-Identifier: Apache-2.0
// AthenaMP's dialogue as text: what a payload's message says, and what a Droid answers
// (docs/reference/athenamp.md §3, §4). Pure.
//
// A message is bytes without terminator; a trailing NUL or newline is stripped. A message that is none of the
// forms below is `Unknown`: it is logged, never obeyed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "core/table/event_range.hpp"
#include "core/table/event_table.hpp"
#include "droid/channel/channel.hpp"

namespace yoda::athenamp {

constexpr std::string_view end_word = "No more events";  ///< exact, no terminator: old releases compare whole

/// Codes of docs/reference/panda.md §9 that only this dialogue gives.
namespace code {
constexpr std::uint16_t te_fatal = 1229;
constexpr std::uint16_t te_bad_url = 1230;
constexpr std::uint16_t te_invalid_guid = 1231;
constexpr std::uint16_t te_wrong_guid = 1232;
constexpr std::uint16_t te_host_name = 1233;
constexpr std::uint16_t message_server = 1240;
constexpr std::uint16_t prefetcher_died = 1243;
}  // namespace code

struct Ready {};

/// `ERR_<KIND> <eventRangeID>: <text>`.
struct Failure {
    std::string range_id;  ///< empty: the payload did not know it
    FailKind kind = FailKind::failed;
    std::uint16_t error_code = 0;
    bool ends_payload = false;  ///< it cannot go on: it is stopped if it does not stop itself
    std::string text;           ///< the whole message
};

struct Unknown {
    std::string text;
};

using Message = std::variant<Ready, ResultLine, Failure, Unknown>;

Message read_message(std::string_view body);

/// print_range_text() with what the payload cannot do without: AthenaMP the GUID, AthenaMT the PFN. Without
/// it the payload refuses the range only after its worker has waited for it.
Result<std::string> print_for_athena(RangeView const& range, std::string_view pfn, bool multithreaded);

/// Which code a Token Extractor's text stands for. "Invalid GUID length" is looked for before "URL Error",
/// since that text begins with "URL Error 500".
std::uint16_t token_extractor_code(std::string_view text);

}  // namespace yoda::athenamp
