// SPDX-License-Identifier: Apache-2.0
// `harvest cycle SPOOL`: one bounded turn of everything for all runs in a folder:
//   batch (look, submit) -> feed -> push -> report -> clean for each run, then fetch while limits allow.
// With less than disk_free on its disk it takes nothing in (no feed, no fetch), and removes nothing for that.
// For cron: two at once do no harm (the second one ends at once), and it may be killed at any instant.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/base/exit_code.hpp"
#include "core/base/result.hpp"
#include "harvest/batch/batch_run.hpp"
#include "harvest/steps.hpp"

namespace yoda {

struct CycleChoice {
    std::string spool;
    std::vector<std::string> config_files;  ///< of harvest, besides the spool's own
    std::vector<std::pair<std::string, std::string>> settings;
    std::string program_folder;
    std::string search_path;
};

struct CycleSummary {
    bool busy = false;  ///< another cycle is at work here: nothing was done
    std::vector<nlohmann::ordered_json> runs;
    std::uint64_t running_count = 0;
    std::uint64_t waiting_count = 0;   ///< in a queue, or for one
    std::uint64_t complete_count = 0;  ///< all ranges ended; bundles and reports may be under way
    std::uint64_t over_count = 0;      ///< nothing is left to do
    std::uint64_t stuck_count = 0;     ///< held or given up
    std::uint64_t submitted_count = 0;
    std::uint64_t pushed_count = 0;
    std::uint64_t reported_count = 0;  ///< ranges that PanDA took
    std::uint64_t cleaned_count = 0;
    std::uint64_t fetched_count = 0;
    std::uint64_t left_count = 0;       ///< runs not looked at: the time was up
    std::vector<std::string> troubles;  ///< tried again by the next cycle
    std::vector<std::string> alarms;    ///< a person is needed
    std::string note;                   ///< why nothing was fetched
    std::uint64_t free_bytes = 0;
    bool disk_low = false;  ///< less than disk_free was free when more work could have been taken in

    std::string text() const;
    nlohmann::ordered_json json() const;
    /// 0: all is well; 1: something is tried again; 3: a person is needed.
    ExitCode exit_code() const;
};

/// Errors: no such spool, its configuration wrong or incomplete, its disk read-only or full.
Result<CycleSummary> run_cycle(CycleChoice const& choice, StepTools const& tools);

}  // namespace yoda
