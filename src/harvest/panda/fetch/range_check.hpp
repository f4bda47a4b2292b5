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
#include "harvest/panda/run/refused_ranges.hpp"
#include "harvest/panda/wire/range_scanner.hpp"

namespace yoda {

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

}  // namespace yoda
