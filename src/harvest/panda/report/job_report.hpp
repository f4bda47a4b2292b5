// SPDX-License-Identifier: Apache-2.0
// One PanDA job as PanDA hears of it, from `starting` to its final state; pure. All that must outlive a
// process is in JobRecord, one small atomic file.
//
//   phase of the run        update sent            how often
//   waiting                 starting               at once, then every 30 min
//   running                 running                every 30 min; every 5 min in debug mode
//   uploading               transferring           every 30 min; bundles are on their way, no batch job comes
//   over, log not up yet    holding                every 30 min
//   over                    finished or failed     until PanDA has taken it
// The final state goes only after every range has been reported: from then on PanDA takes none.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "harvest/panda/run/job_record.hpp"
#include "harvest/panda/wire/job_answers.hpp"
#include "harvest/panda/wire/requests.hpp"

namespace yoda {

/// How a job of the run stands, told by whoever knows the batch job and the event table.
struct JobProgress {
    JobPhase phase = JobPhase::waiting;
    std::string batch_id;           ///< of the first batch job; never changed once PanDA has it
    std::int64_t start_unix_s = 0;  ///< the slot's life: the allocation begins ...
    std::int64_t end_unix_s = 0;    ///< ... and ends; 0 while it runs
    std::int64_t core_count = 0;    ///< cores of the allocation that count for this job
    std::int64_t node_count = 0;
    std::int64_t cpu_s = 0;
    std::uint64_t range_count = 0;  ///< fetched
    std::uint64_t finished_ranges = 0;
    std::uint64_t finished_events = 0;
    std::uint64_t fetched_events = 0;
    std::uint64_t input_file_count = 0;
    std::int64_t max_rss_kb = 0;
    std::int64_t avg_rss_kb = 0;
    std::int64_t max_vmem_kb = 0;
    std::int64_t max_pss_kb = 0;
    std::int64_t get_job_s = 0;
    std::int64_t stage_in_s = 0;
    std::int64_t execution_s = 0;
    std::int64_t stage_out_s = 0;
    std::int64_t setup_s = 0;
    std::optional<int> payload_exit_code;
    std::string payload_exit_text;
    int error_code = 0;  ///< pilot error of the job as a whole; 0: none
    std::string error_diag;
    bool log_pending = false;  ///< the log tarball is not in its store yet
    /// PanDA's field "xml", in fact JSON: the files to register, {"<LFN>": {"guid", "fsize", ...}}.
    std::string output_report;
    std::int64_t log_storage_id = 0;  ///< of the special store for logs, once the log is there; 0: none
    std::string meta_data;            ///< jobReport.json
    std::string pilot_log;
    std::string log_tail;     ///< sent as stdout in debug mode
    std::string bundle_name;  ///< last bundle, for jobMetrics
    std::int64_t bundle_storage_id = 0;
};

struct JobReportPolicy {
    std::int64_t heartbeat_s = 1800;
    std::int64_t debug_heartbeat_s = 300;
    std::int64_t final_limit_s = 48 * 3600;  ///< PanDA's own patience; after it the job is given up
    std::int64_t log_limit_s = 2 * 3600;  ///< in holding for the log; PanDA itself may fail a job after 3 h
};

/// The update to send now, if any. `settled`: every range that can be reported has been.
std::optional<JobUpdate> next_update(JobRecord const& record, JobProgress const& progress, bool settled,
                                     std::map<std::string, std::string> const& common_fields,
                                     JobReportPolicy const& policy, std::int64_t now_unix_s);

/// "finished" or "failed": PanDA takes nothing of the job after it.
bool is_final_state(std::string_view state);

/// While ranges are reported over v1 the job's commands are asked for so often; other
/// heartbeats may be rarer.
inline constexpr std::int64_t command_pause_s = 300;
bool commands_are_due(JobRecord const& record, std::int64_t now_unix_s);

/// What PanDA said to it.
void on_update_answer(JobRecord& record, JobUpdate const& update, JobUpdateAnswer const& answer,
                      JobReportPolicy const& policy, std::int64_t now_unix_s);
/// Commands that came with a range update.
void on_commands(JobRecord& record, PandaCommands const& commands);
/// A range update was refused because the job is no longer there.
void on_job_gone(JobRecord& record);

/// "coreCount=8 nEvents=100 ...", at most 500 characters.
std::string print_job_metrics(JobRecord const& record, JobProgress const& progress);
/// "2026-11-21 20:00:00", UTC.
std::string print_panda_time(std::int64_t unix_s);

}  // namespace yoda
