// SPDX-License-Identifier: Apache-2.0
// `harvest report RUN`: tells PanDA what is in the stores (bundle by bundle), what failed, and how each job
// stands; obeys what it answers. One tick: bounded, may be killed anywhere and called again.
//
// For each job the ranges are told first and its state last. What PanDA took is written down
// (reported_log.hpp); after PanDA took all ranges of a bundle, the bundle's record goes from verified to
// reported. Sending again what PanDA has is harmless.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/exit_code.hpp"
#include "core/base/result.hpp"
#include "harvest/panda/run/batch_facts.hpp"
#include "harvest/panda/wire/client.hpp"
#include "harvest/panda/wire/settings.hpp"
#include "harvest/stores/make_store.hpp"
#include "sys/base/clock.hpp"
#include "sys/base/log.hpp"
#include "sys/http/http.hpp"

namespace yoda {

struct ReportOptions {
    std::string run;
    PandaSettings panda;
    std::optional<BatchFacts> facts;
    /// For removing the objects of jobs that PanDA took back; empty: they stay.
    std::map<std::string, StoreConfig> remove_from;
    std::atomic<bool> const* stop = nullptr;
};

struct ReportSummary {
    std::uint64_t job_count = 0;
    std::uint64_t bundle_count = 0;     ///< reported by this call
    std::uint64_t accepted_count = 0;   ///< ranges
    std::uint64_t refused_count = 0;    ///< PanDA will never have them from us
    std::uint64_t waiting_count = 0;    ///< of bundles in their store: for a later call
    std::uint64_t update_count = 0;     ///< job updates that PanDA took
    std::vector<std::string> problems;  ///< the first 20: what will be tried again
    bool busy = false;                  ///< another harvest reports this run
    bool cancel_batch = false;          ///< PanDA took all jobs back: end the batch job
    bool submit_no_more = false;        ///< PanDA wants no job of it to go on: no further batch job
    bool all_ended = false;             ///< PanDA has the final state of every job
    PandaTraffic traffic;

    void add(ReportSummary const& other);
    bool did_something() const { return bundle_count + accepted_count + refused_count + update_count > 0; }
    /// One line.
    std::string text() const;
    std::string json() const;
    /// 0: all is well; 1: something will be tried again; 3: PanDA refused ranges.
    ExitCode exit_code() const;
};

/// Errors are of the call as a whole: usage (configuration), refused (credentials), bad_input (a run folder
/// that cannot be read). What PanDA answered is in the summary.
Result<ReportSummary> report_run(ReportOptions const& options, HttpClient& http, Clock const& clock,
                                 Log& log);

}  // namespace yoda
