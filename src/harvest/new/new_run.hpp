// SPDX-License-Identifier: Apache-2.0
// `harvest new`: a run without PanDA, from input files, a number of events per range and a payload.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/result.hpp"
#include "harvest/new/new_run_builder.hpp"

namespace yoda {

struct NewRunOptions {
    std::string run;
    std::vector<std::string> inputs;
    std::uint64_t events_per_range = 1;
    /// Events to take of each input: one number for all, or one for each; empty: all that the file holds.
    std::vector<std::uint64_t> event_counts;
    bool accept_cut = false;  ///< inputs with events that are not whole are taken without these
    std::string payload;      ///< path of its configuration
    std::string config;       ///< path of a file with overrides for RUN/yoda.cfg; empty: none
    std::vector<std::pair<std::string, std::string>> settings;  ///< more overrides; they win
    std::int64_t panda_id = 0;                                  ///< 0: made from time and process
    std::int64_t task_id = 0;                                   ///< 0: as panda_id
    std::string scope = "local";
    // From the outside world, so that the function itself reads neither clock nor environment.
    std::int64_t now_unix_ns = 0;
    std::string program_folder;  ///< where harvest is; payload programs are looked for there first
    std::string search_path;     ///< $PATH
};

/// Makes the run folder. Errors say which input or setting, what is wrong with it, and what to do; then
/// nothing is left behind.
Result<NewRunSummary> create_run(NewRunOptions const& options);

}  // namespace yoda
