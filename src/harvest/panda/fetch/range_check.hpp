// SPDX-License-Identifier: Apache-2.0
// Which of the ranges that PanDA hands out can be worked on at all.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "core/job/job.hpp"
#include "harvest/panda/run/range_map.hpp"
#include "harvest/panda/wire/range_scanner.hpp"

namespace yoda {

/// A range that never goes to a payload; it is reported in this state.
struct RefusedRange {
    std::string id;
    bool fatal = false;  ///< can never work anywhere; else another job may take it
    int code = 0;
    std::string why;
    bool report = true;  ///< false: another job's; a word of ours would count against that one
    bool operator==(RefusedRange const&) const = default;
};

/// Looks at the ranges of one job, in the order they come.
class RangeChecker {
  public:
    explicit RangeChecker(Job const& job);

    enum class Verdict { good, repeated, refused };
    /// `refused` is filled for Verdict::refused. A repeated id is neither worked on nor reported again.
    Verdict check(RangeView const& range, RefusedRange& refused);

  private:
    std::int64_t panda_id_;
    std::unordered_set<std::string> lfns_;
    std::string last_lfn_;  ///< known to be good
    RangeMap seen_;
};

/// RUN/panda/refused-<PandaID>.json
std::string print_refused(std::vector<RefusedRange> const& ranges);
Result<std::vector<RefusedRange>> parse_refused(std::string_view text);
/// The ranges in that file; an absent file has none.
Result<std::vector<RefusedRange>> read_refused(std::string const& path);
/// Adds to that file those that it does not have yet. Their places in it never change.
Status add_refused(std::string const& path, std::vector<RefusedRange> const& ranges);

}  // namespace yoda
