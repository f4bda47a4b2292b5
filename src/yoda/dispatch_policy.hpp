// SPDX-License-Identifier: Apache-2.0
// How rank 0 shares out the ranges of a run.
#pragma once

#include <cstdint>

#include "core/base/time.hpp"

namespace yoda {

struct DispatchPolicy {
    std::uint32_t batch = 0;                      ///< ranges a grant; 0: sized from measured times
    std::uint32_t window = 2;                     ///< grants of a fixed batch in flight
    Duration ask_interval = Duration::from_s(3);  ///< how much work a Droid should hold
    Duration silence = Duration::from_s(120);     ///< a Droid that says nothing for so long is lost
    TimePoint end = TimePoint::never();           ///< of the allocation
    TimePoint begin;                              ///< of this life
    Duration walltime = Duration::max();          ///< whole allocation, to scale the leads
    /// While range times are unknown, no range is started within this time of the end of the allocation.
    Duration drain_lead = Duration::from_s(600);
    Duration seal_lead =
        Duration::from_s(60);   ///< kept free at the end for sealing; at most 2 % of the walltime
    bool second_copies = true;  ///< near the end, of the oldest running ranges
    bool closed = true;         ///< no more ranges will come
};

}  // namespace yoda
