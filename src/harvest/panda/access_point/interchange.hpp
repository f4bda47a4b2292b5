// SPDX-License-Identifier: Apache-2.0
// The files by which a Harvester and a worker talk in their access point (docs/reference/panda.md §12): a
// second way to feed and drain a run, without speaking to PanDA. Harvester writes in place, so a half file is
// taken for "not yet"; our files appear whole. access_point.hpp says who may write which file when.
//
//   file                       what it holds         what we do with it
//   HPCJobs.json               jobs                  read
//   JobsEventRanges.json       ranges; an empty      read, then kept as .old.<n>; a malformed file is kept
//                              list: no more come    as .bad.<n>
//   worker_requestjob.json     a request for jobs    write it when there are none
//   worker_requestevents.json  a request for ranges  write it when there are none, and by feeding
//   event_status.dump.json     ranges that ended     write it; add to it while Harvester has not taken it
//   worker_attributes.json     state of the job      write it; the final state after all else has been told
//   worker_heartbeat.json      a sign of life        write it while a batch job waits or ends, or when its
//                                                    yoda has given a sign of life
//   jobReport.json             a transform's report  write it when there is one
//   <logFile>                  the job's logs        write it for the final state of the job
//   kill_worker.json           an order to end the   write it when a batch job that waits has nothing left
//                              worker                to do, and for a job that cannot run here
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
