// SPDX-License-Identifier: Apache-2.0
// A run of ranges: what a grant consists of, so that thousands of regular ranges travel as one small entry.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/types.hpp"

namespace yoda {

constexpr std::uint32_t max_run_count = 4096;

/// Consecutive ranges of one file with evenly spaced events, handed out together: the unit of a grant.
struct RangeRun {
    RangeIndex begin = 0;
    std::uint32_t count = 0;
    FileIndex file = 0;
    std::uint32_t first = 0;       ///< of range `begin`
    std::uint32_t stride = 0;      ///< from one range's first event to the next one's
    std::uint32_t events = 0;      ///< per range
    std::uint32_t process_id = 0;  ///< of range `begin`
    std::uint32_t process_stride = 0;
    std::uint16_t attempt = 0;
    std::uint16_t hand_out = 0;  ///< the same for all

    std::uint32_t first_event(std::uint32_t i) const { return first + i * stride; }
    std::uint32_t last_event(std::uint32_t i) const { return first_event(i) + events - 1; }
    std::uint32_t process(std::uint32_t i) const { return process_id + i * process_stride; }
    bool operator==(RangeRun const&) const = default;
};

/// Appends `next` (a run of one) to the last run if it continues it evenly, else as a run of its own. Runs
/// before `fixed_count` are left alone; `max_count` bounds a run.
void append_run(RangeRun const& next, std::vector<RangeRun>& runs, std::size_t fixed_count,
                std::uint32_t max_count);

}  // namespace yoda
