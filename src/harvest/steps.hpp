// SPDX-License-Identifier: Apache-2.0
// What `harvest` does with a run, one bounded step each: for the commands of that name, for `harvest cycle`,
// and for whoever else drives runs. Each may be killed anywhere and called again; two at once are safe.
//
//   fetch_step    PanDA's jobs and ranges -> a run folder
//   feed_step     more ranges -> the inbox of a run that yoda works on
//   push_step     sealed bundles -> stores
//   hold_step     heartbeats of merge jobs that are held (harvest/panda/fetch/held_job.hpp)
//   report_step   what is in the stores, what failed, how the jobs stand -> PanDA
//
// After a batch job has been submitted, until the run's jobs have ended, call push_step and report_step every
// few minutes, in this order.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harvest/harvest_options.hpp"
#include "harvest/panda/report/report.hpp"

namespace yoda {

struct StepTools {
    HttpClient& http;
    Clock const& clock;
    Log& log;
    std::atomic<bool> const* stop = nullptr;
};

struct FetchChoice {
    std::string run;
    PayloadConfig payload;
    std::optional<std::int64_t> task_id;
    std::optional<std::int64_t> range_limit;
    bool settle_for_less = false;
};
/// `summary.run` is empty when PanDA has nothing for us, or when `summary.alarms` say that a person is
/// needed. Errors: usage (configuration, the folder exists), refused (credentials), unavailable (call again),
/// busy (another harvest fetches into this folder), io.
Result<FetchCommandSummary> fetch_step(FetchChoice const& choice, HarvestConfig const& config,
                                       StepTools const& tools);

/// `folder`: a spool, a run, or the folder that a run lies in. Gives what a person has to decide before more
/// is fetched there, a line each. Errors: usage (configuration), io.
Result<std::vector<std::string>> hold_step(std::string const& folder, ConfigSources const& sources,
                                           StepTools const& tools);
/// Ends a held job as failed. `tell` gets what PanDA will discard, before anything is sent. Errors: usage
/// (the job is not held there, configuration), refused, unavailable (call again), io.
Status release_step(std::string const& folder, std::int64_t panda_id, ConfigSources const& sources,
                    StepTools const& tools, std::function<void(std::string const&)> const& tell);

/// A run that was not fetched, or is closed, gives no ranges and no error.
Result<FeedSummary> feed_step(std::string const& run, std::int64_t range_count, ConfigSources const& sources,
                              StepTools const& tools);

struct PushChoice {
    std::vector<std::string> folders;  ///< runs and spools
    bool dry_run = false;
    std::function<void(PushProgress const&)> progress;
};
/// Each run by its own configuration. A run that was not fetched from PanDA is not waited for being reported.
Result<PushSummary> push_step(PushChoice const& choice, ConfigSources const& sources, StepTools const& tools);

/// Nothing to do for a run that was not fetched from PanDA. `facts` of whoever knows the batch job; else
/// they are read from the run folder (find_batch_facts).
Result<ReportSummary> report_step(std::string const& run, std::optional<BatchFacts> const& facts,
                                  ConfigSources const& sources, StepTools const& tools);

}  // namespace yoda
