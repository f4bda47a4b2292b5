// SPDX-License-Identifier: Apache-2.0
// One bounded step of one run with its batch system: look, decide, submit or cancel, and say how it stands.
// May be called from cron, by several at once (one works, the others are told), and be killed anywhere.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/base/exit_code.hpp"
#include "core/base/result.hpp"
#include "harvest/batch/base/batch_system.hpp"
#include "harvest/batch/batch_plan.hpp"
#include "harvest/batch/site.hpp"
#include "sys/base/clock.hpp"
#include "sys/base/log.hpp"

namespace yoda {

enum class BatchAction {
    look,    ///< ask the batch system, note what it says
    step,    ///< and submit again when the last job has ended and ranges are left
    submit,  ///< by a person: limits count anew, a held run is let go
    cancel,  ///< end the job; nothing is submitted until harvest submit
};

/// Settings for a run in the order in which they count: what it was submitted with, files, key=value.
struct SiteSources {
    std::string batch;               ///< not empty: --batch
    std::vector<std::string> files;  ///< --site
    std::vector<std::pair<std::string, std::string>> settings;
};

/// What the sources say by themselves. Errors: a file cannot be read, a line of it is wrong.
Result<SiteConfig> read_site_sources(SiteSources const& sources);

struct BatchRequest {
    BatchAction action = BatchAction::look;
    bool begin = false;  ///< step: also the first submission of a run
    SiteSources sources;
    std::uint64_t nodes_wanted = 0;
    std::int64_t walltime_wanted_s = 0;
    std::uint64_t nodes_allowed = UINT64_MAX;  ///< step: of the spool's limit, still free; 0: submit nothing
    bool dry_run = false;                      ///< submit: show the job file, change nothing
    std::string program_folder;
};

struct BatchStanding {
    std::string run;
    NextStep step = NextStep::wait;
    std::string why;
    std::uint64_t unended_count = 0;
    std::uint64_t range_count = 0;
    std::uint64_t failed_count = 0;
    std::vector<Submission> submissions;
    bool submitted_now = false;
    bool cancelled_now = false;
    std::optional<Error> trouble;  ///< the batch system did not answer, or refused; the step can be repeated
    std::string job_file;          ///< dry run: its text
    JobSize size;                  ///< of what was, or would be, submitted

    nlohmann::ordered_json json() const;
    /// One line, and one for each trouble.
    std::string text() const;
    ExitCode exit_code() const;
};

/// Errors: no run folder, its files broken, settings wrong or missing, another harvest at it (busy), a
/// walltime too short, and the like. What the batch system does is in the standing.
Result<BatchStanding> step_batch_run(std::string const& run, BatchRequest const& request, Clock const& clock,
                                     Log& log);

/// How a run stands by its own records: the batch system is not asked, nothing is changed, nothing is locked.
Result<BatchStanding> view_batch_run(std::string const& run, Clock const& clock);

/// The folder itself if it is a run, else the runs in it, by name. Error: no such folder.
Result<std::vector<std::string>> list_run_folders(std::string const& folder);

}  // namespace yoda
