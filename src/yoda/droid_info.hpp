// SPDX-License-Identifier: Apache-2.0
// What rank 0 knows of a Droid: whether it lives, what it holds, how fast it is.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.hpp"
#include "core/base/types.hpp"
#include "core/messages/messages.hpp"

namespace yoda {

enum class DroidState : std::uint8_t { absent, alive, lost, resetting, gone };
std::string_view print_droid_state(DroidState state);

/// What rank 0 knows of one Droid.
struct DroidInfo {
    DroidState state = DroidState::absent;
    std::uint32_t generation = 0;
    TimePoint last_heard;
    std::string host;
    std::uint32_t worker_count = 0;
    std::uint32_t outstanding_count = 0;  ///< hand-outs it holds
    std::uint32_t idle_count = 0;         ///< workers without work at its last Request
    std::uint64_t finished_count = 0;
    std::uint64_t failed_count = 0;
    Heartbeat heartbeat;
    std::string trouble;             ///< why it cannot run a job's payload, if it said so
    std::uint16_t trouble_code = 0;  ///< PanDA's error code of that
    std::vector<bool> blocked_jobs;  ///< it cannot run these jobs' payload

  private:
    friend class Dispatcher;
    struct HandedRun {
        RangeIndex begin;
        std::uint32_t count;
    };
    std::deque<HandedRun> runs;  ///< superset of what it holds, oldest first
    FileIndex file = none;       ///< works on this one
    std::vector<bool> known_files;
    double rate_per_s = 0;  ///< measured
    TimePoint rate_since;
    std::uint32_t rate_count = 0;
    std::uint32_t depth = 0;  ///< hand-outs it should hold, grown when it starves
    BundleNumber last_bundle = none;
    JobIndex last_bundle_job = none;
    std::uint32_t last_bundle_sequence = none;
    TimePoint asked_running;
    TimePoint recalled;
    bool hungry = false;        ///< stands in the list of those to feed
    bool told_nothing = false;  ///< its idle workers have had NothingNow
};

}  // namespace yoda
