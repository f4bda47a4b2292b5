// SPDX-License-Identifier: Apache-2.0
// The files by which a Harvester and a worker talk in their access point (docs/reference/panda.md §12): a second way to
// feed and drain a run, without speaking to PanDA. Harvester writes in place, so half files are met and taken
// for "not yet"; ours appear whole. Who may write which of them when is in access_point.hpp.
//
//   HPCJobs.json               jobs            read
//   JobsEventRanges.json       ranges          read, then kept as .old.<n>; malformed: as .bad.<n>; an empty
//                                              list: no more
//   worker_requestjob.json     "give me jobs"  written when there are none
//   worker_requestevents.json  more ranges     written when there are none, and by feeding
//   event_status.dump.json     what ended      written, or added to while Harvester has not taken it
//   worker_attributes.json     how the job     written; its final state once everything has been told
//                              stands
//   worker_heartbeat.json      a sign of life  written while a batch job waits or ends, or its yoda has shown
//                                              one
//   jobReport.json             of a transform  written when there is one
//   <logFile>                  the job's logs  written for its final state
//   kill_worker.json           end the worker  written when nothing is left for a batch job that waits, and
//                                              for a job that cannot run here
#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.hpp"
#include "core/config/payload_config.hpp"
#include "core/job/job.hpp"
#include "harvest/panda/fetch/input_check.hpp"
#include "sys/base/clock.hpp"
#include "sys/base/log.hpp"

namespace yoda {

struct InterchangeOptions {
    std::string run;
    std::string access_point;
    std::int64_t range_count = 10'000;  ///< asked for at a time
    bool from_batch_job = false;        ///< reports from the worker's own batch job, after its yoda's end
    bool report_fatal = false;          ///< what can never work as fatal, else as failed (report.fatal)
};

struct InterchangeFetch {
    InputPolicy inputs;
    PayloadConfig payload;
    std::string config;  ///< content of RUN/yoda.cfg
};

struct InterchangeSummary {
    bool waiting = false;  ///< the other side has not given, or not taken, something yet; call again
    bool asked = false;    ///< a request was put down
    bool closed = false;   ///< no more ranges will come
    std::int64_t job_count = 0;
    std::int64_t range_count = 0;  ///< taken, or told to have ended
    std::int64_t refused_count = 0;
};

/// Makes a run of the jobs and ranges in the access point. A job that cannot run here, or has no ranges, is
/// told to Harvester, but never a merge job: PanDA would discard what it is to merge. Errors: bad_input (a
/// job that is not ours, wrong inputs, malformed files), io, as RunBuilder (before anything is asked).
Result<InterchangeSummary> fetch_from_access_point(InterchangeOptions const& options,
                                                   InterchangeFetch const& fetch, Log& log);
/// Ranges that came since, through RUN/inbox; `closed` and nothing asked for a run that takes none. May be
/// killed anywhere and called again.
Result<InterchangeSummary> feed_from_access_point(InterchangeOptions const& options, Log& log);
/// Tells what ended: ranges in sealed bundles (`zip_output`), failed ones, refused ones. `waiting` while an
/// earlier dump has not been taken, or the final state has to wait for that.
Result<InterchangeSummary> report_to_access_point(InterchangeOptions const& options, std::int64_t now_unix_s,
                                                  Log& log);

}  // namespace yoda
