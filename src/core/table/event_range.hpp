// SPDX-License-Identifier: Apache-2.0
// One event range as PanDA hands it out (docs/reference/panda.md §5) and its identifier.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace yoda {

/// eventRangeID: `<jediTaskID>-<PandaID of the
/// consumer>-<fileID>-<job_processID>-<attemptNr>`, decimal, no signs.
struct RangeId {
    std::int64_t task_id = 0;
    std::int64_t panda_id = 0;
    std::int64_t file_id = 0;
    std::int64_t process_id = 0;
    std::int64_t attempt = 0;  ///< counts down; 1 is the last chance

    bool operator==(RangeId const&) const = default;
    std::string text() const;
    /// nullopt unless printing the result gives exactly `text` again (so leading
    /// zeros and signs are refused).
    static std::optional<RangeId> parse(std::string_view text);
};

/// One range whose texts live elsewhere: a million of them are taken without a million copies.
struct RangeView {
    std::string_view id;
    std::int64_t start_event = 0;
    std::int64_t last_event = 0;
    std::string_view lfn;  ///< empty when the server lost the file's record (null)
    std::string_view guid;
    std::string_view scope;
};

/// Events are 1-based and inclusive: positions in the file, or running over
/// the job's files (inFilePosEvtNum absent).
struct EventRange {
    std::string id;
    std::int64_t start_event = 0;
    std::int64_t last_event = 0;
    std::string lfn;
    std::string guid;
    std::string scope;
    bool operator==(EventRange const&) const = default;
    operator RangeView() const;
};

/// Whether a payload's naive parser (docs/reference/athenamp.md §4) takes this value as it stands: ASCII, no
/// comma, quote, backslash, newline or control character.
bool fits_range_text(std::string_view value);

/// `[{"eventRangeID": "...", "startEvent": 1, "lastEvent": 5, "GUID": "...", "LFN": "...", "scope": "...",
/// "PFN": "/..."}]`: one range, one line, no escapes, no terminator (docs/reference/athenamp.md §4). `scope`
/// and `pfn` may be empty and are then left out. Error: a value that the payload's parser would misread.
Result<std::string> print_range_text(RangeView const& range, std::string_view pfn);

/// Whether `name` can be the last part of a path: not empty, no '/', no NUL, not "." or "..", no newline.
bool is_plain_file_name(std::string_view name);

}  // namespace yoda
