// SPDX-License-Identifier: Apache-2.0
// How many events more a run can take: what the rest of its batch job (or the job that is still to come) has
// time for, without those that wait in the run and in its inbox already.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "core/base/result.hpp"
#include "harvest/panda/fetch/fetch_plan.hpp"

namespace yoda {

/// Events that fit between `now_unix_s` and the end that a working yoda tells in its status.json, on the
/// workers of the Droids it has, at the time an event takes here (else `seconds_per_event`). nullopt: it
/// tells no end (no walltime), or nobody knows how long an event takes. Pure.
std::optional<std::int64_t> count_events_left(nlohmann::json const& status, double seconds_per_event,
                                              std::int64_t now_unix_s);

struct FeedRoom {
    std::int64_t event_count = 0;
    double events_per_range = 0;  ///< of the run's ranges, the mean
};

/// `to_come`: what a batch job that does not run yet will have. nullopt: nothing limits it. Errors: a run
/// folder or a note that cannot be read.
Result<std::optional<FeedRoom>> find_feed_room(std::string const& run, JobCapacity const& to_come,
                                               std::int64_t now_unix_s);

}  // namespace yoda
