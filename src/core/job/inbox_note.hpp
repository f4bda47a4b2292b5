// SPDX-License-Identifier: Apache-2.0
// Notes from harvest to the yoda that holds the run: RUN/inbox/<number>-<type>.json, written once, applied in
// order of name (docs/protocol.md, "Inbox").
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/base/result.hpp"
#include "core/table/event_range.hpp"

namespace yoda::inbox {

/// More event ranges of a job of this run.
struct MoreRanges {
    std::int64_t panda_id = 0;
    std::vector<EventRange> ranges;
};
/// No more ranges will come.
struct Closed {};
struct JobKilled {
    std::int64_t panda_id = 0;
};
/// A sealed bundle was found damaged before it was reported.
struct BundleLost {
    std::string bundle;  ///< bundle_name(), without suffix
};
/// Stop early (softkill): let running ranges end, then end the life.
struct Drain {};

using Note = std::variant<MoreRanges, Closed, JobKilled, BundleLost, Drain>;

/// Errors: not JSON, another version, an unknown type, a key missing or of the wrong kind.
Result<Note> parse(std::string_view text);

}  // namespace yoda::inbox
