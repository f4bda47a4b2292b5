// SPDX-License-Identifier: Apache-2.0
// status.json and result.<life>.json: where a run stands, for people,
// harvest and scripts. Pure: state in, JSON out.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "core/base/time.hpp"
#include "yoda/dispatcher.hpp"

namespace yoda {

/// Facts that the dispatcher does not know.
struct StatusFacts {
    std::string run;
    std::string host;
    int pid = 0;
    std::string batch_job;
    std::int64_t unix_s = 0;        ///< now
    std::int64_t begun_unix_s = 0;  ///< of this life
    TimePoint begun;
    std::int64_t first_range_unix_s = 0;  ///< a payload began a range that it finished; 0: none yet
    double dispatch_s = 0;  ///< from the first Droid's hello until the last range ended, or until now
    std::uint64_t finished_before = 0;  ///< ranges that had ended when this life began
    std::uint64_t journal_sequence = 0;
    std::uint64_t journal_waiting_bytes = 0;
    /// Of Droids that have told how they got their inputs (work.stage_inputs).
    struct StagedSums {
        std::uint64_t droid_count = 0;
        std::uint64_t failed_count = 0;  ///< files that a Droid uses where they are
        std::uint64_t shared_bytes = 0;  ///< read from the shared filesystem
        std::uint64_t passed_bytes = 0;  ///< passed on from Droid to Droid
    };
    StagedSums staged;
    std::string last_trouble;  ///< what last went wrong, empty if nothing did
};

/// Why ranges failed, the first ones: bounded.
using FailureReasons = std::map<RangeIndex, std::string>;

/// `exit_code` is there once the life has ended, as the last word.
nlohmann::ordered_json make_status(Dispatcher const& dispatcher, TimePoint now, StatusFacts const& facts,
                                   FailureReasons const& failures, std::size_t max_failures = 100);

/// One line for people: "1234/2000 done, 12 running, 3 failed, 45.6/s, 0:17 left, 98 % busy".
std::string print_progress(nlohmann::ordered_json const& status);

/// Seconds as h:mm:ss or m:ss.
std::string print_seconds(double seconds);

}  // namespace yoda
