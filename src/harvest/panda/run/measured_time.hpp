// SPDX-License-Identifier: Apache-2.0
// How long an event takes here, as earlier runs beside this one measured it
// (event_time_s of their status.json).
#pragma once

#include <optional>
#include <string>

namespace yoda {

struct MeasuredTime {
    double seconds_per_event = 0;  ///< on one worker, the mean
    std::string run;               ///< that measured it
};

/// Of the folders beside `run` the one whose status is newest and has a time; at most the 200 newest are
/// looked at. nullopt if there is none. What cannot be read is passed over.
std::optional<MeasuredTime> find_measured_time(std::string const& run);

}  // namespace yoda
