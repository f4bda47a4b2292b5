// SPDX-License-Identifier: Apache-2.0
// A merge job that PanDA gave to a fetch; pure. A merge job that ends as failed, or is lost by its heartbeat,
// may make PanDA discard every finished range that the job was to merge. Therefore harvest runs none and
// fails none: the job is held, by heartbeats, until a person decides (ADR 0015).
//
//   held -> released     a person had it ended as failed (harvest fetch --release-job)
//   held -> gone         PanDA has taken it back, or has forgotten it
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace yoda {

enum class HeldState { held, released, gone };

struct HeldJob {
    std::int64_t panda_id = 0;
    std::int64_t attempt = 0;
    std::int64_t task_id = 0;
    std::int64_t jobset_id = 0;
    std::string out_lfn;                 ///< what it was to make
    std::vector<std::string> range_ids;  ///< finished ranges whose outputs it was to merge
    HeldState state = HeldState::held;
    std::int64_t since_unix_s = 0;
    std::int64_t last_sent_unix_s = 0;  ///< of the last heartbeat that PanDA took; 0: none yet
    std::string problem;                ///< why PanDA did not take the last heartbeat

    /// One line for people: which job, and what depends on it.
    std::string text() const;
    /// What PanDA discards if the job ends as failed.
    std::string loss() const;
    bool operator==(HeldJob const&) const = default;
};

/// From a job definition for which is_merge_job() holds.
HeldJob make_held_job(nlohmann::json const& fields, std::int64_t now_unix_s);

std::string print_held_job(HeldJob const& job);
/// Errors: not JSON, another version, a value of the wrong kind.
Result<HeldJob> parse_held_job(std::string_view text);

}  // namespace yoda
