// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/report/job_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "harvest/panda/wire/error_codes.hpp"

namespace yoda {

namespace {

using Fields = std::map<std::string, std::string>;

/// A clock that was set back must not silence us.
bool is_silent_for(JobRecord const& record, std::int64_t pause_s, std::int64_t now_unix_s)
{
    return now_unix_s - record.last_sent_unix_s >= pause_s || now_unix_s < record.last_sent_unix_s;
}

/// The state that PanDA should have.
std::string wanted_state(JobRecord const& record, JobProgress const& progress, bool settled,
                         JobReportPolicy const& policy, std::int64_t now_unix_s)
{
    if (record.gone) return "failed";
    switch (progress.phase) {
        case JobPhase::waiting:
            if (record.killed && settled) return "failed";
            // The next batch job of a run waits: PanDA knows no way back.
            return record.last_state == "running" ? "running" : "starting";
        case JobPhase::running:
            return "running";
        case JobPhase::uploading:
            return "transferring";
        case JobPhase::over:
            break;
    }
    if (!settled) return "transferring";
    bool const log_has_time =
        record.holding_since_unix_s == 0 || now_unix_s - record.holding_since_unix_s < policy.log_limit_s;
    if (progress.log_pending && !record.killed && log_has_time) return "holding";
    bool const good = !record.killed && record.accepted_ranges > 0 && progress.error_code == 0;
    return good ? "finished" : "failed";
}

void put(Fields& fields, char const* name, std::string value)
{
    if (!value.empty()) fields[name] = std::move(value);
}

void put_number(Fields& fields, char const* name, std::int64_t value)
{
    if (value > 0) fields[name] = std::to_string(value);
}

void add_running_fields(Fields& fields, JobRecord const& record, JobProgress const& progress)
{
    put_number(fields, "coreCount", progress.core_count);
    put_number(fields, "cpuConsumptionTime", progress.cpu_s);
    if (progress.cpu_s > 0) fields["cpuConsumptionUnit"] = "s";
    put_number(fields, "nEvents", static_cast<std::int64_t>(progress.finished_events));
    put_number(fields, "nInputFiles", static_cast<std::int64_t>(progress.input_file_count));
    put_number(fields, "maxRSS", progress.max_rss_kb);
    put_number(fields, "avgRSS", progress.avg_rss_kb);
    put_number(fields, "maxVMEM", progress.max_vmem_kb);
    put_number(fields, "maxPSS", progress.max_pss_kb);
    put(fields, "jobMetrics", print_job_metrics(record, progress));
    if (record.debug) put(fields, "stdout", progress.log_tail);
}

/// Not all events came out: the word that PanDA's people search for.
std::string mismatch_note(JobProgress const& progress)
{
    if (progress.finished_ranges >= progress.range_count) return {};
    return fmt::format("MISMATCH: {} of {} event ranges finished ({} of {} events)", progress.finished_ranges,
                       progress.range_count, progress.finished_events, progress.fetched_events);
}

std::string sub_status(JobRecord const& record, JobProgress const& progress)
{
    if (record.killed || record.gone) return "pilot_killed";
    if (record.drain && progress.finished_ranges < progress.range_count) return "softkilled";
    if (record.accepted_ranges == 0) return progress.range_count == 0 ? "no_events" : "pilot_failed";
    if (progress.finished_ranges >= progress.range_count) return "all_success";
    return progress.finished_ranges * 2 >= progress.range_count ? "partly_failed" : "mostly_failed";
}

struct JobError {
    int code = 0;
    std::string diag;
};

/// Why a job failed that names no reason of its own.
JobError reason_of_failure(JobRecord const& record, JobProgress const& progress)
{
    if (record.killed || record.gone) return {pilot_error::killed_by_panda, "PanDA took the job back"};
    if (record.drain && progress.finished_ranges == 0)
        return {pilot_error::preemption, "PanDA asked the job to end before an event range was finished"};
    if (progress.range_count == 0) return {pilot_error::no_events, "the job got no event ranges"};
    if (progress.finished_ranges > 0)
        return {pilot_error::es_recoverable, "PanDA accepted none of the finished event ranges"};
    if (record.failed_ranges > 0)
        return {pilot_error::unknown_payload_failure, "no event range was finished"};
    return {pilot_error::over_subscribed, "no event range was processed"};
}

void add_final_fields(Fields& fields, bool finished, JobRecord const& record, JobProgress const& progress)
{
    fields["jobSubStatus"] = sub_status(record, progress);
    fields["nEvents"] = std::to_string(progress.finished_events);
    // PanDA takes the difference times coreCount as wall time: the slot's life, not the payload's.
    if (progress.start_unix_s > 0) fields["startTime"] = print_panda_time(progress.start_unix_s);
    if (progress.end_unix_s > 0) fields["endTime"] = print_panda_time(progress.end_unix_s);
    fields["pilotTiming"] = fmt::format("{}|{}|{}|{}|{}", progress.get_job_s, progress.stage_in_s,
                                        progress.execution_s, progress.stage_out_s, progress.setup_s);
    fields["xml"] = progress.output_report.empty() ? "{}" : progress.output_report;
    put(fields, "metaData", progress.meta_data);
    put(fields, "pilotLog", progress.pilot_log);

    JobError error{progress.error_code, progress.error_diag};
    if (!finished && error.code == 0) error = reason_of_failure(record, progress);
    fields["pilotErrorCode"] = std::to_string(error.code);
    put(fields, "pilotErrorDiag", error.diag);
    // Failed ranges are retried range by range; they are not a failure of the transform as a whole.
    int const exit_code = finished ? 0 : progress.payload_exit_code.value_or(0);
    auto const mismatch = mismatch_note(progress);
    fields["transExitCode"] = std::to_string(exit_code);
    if (exit_code == 0 && mismatch.empty()) return;
    fields["exeErrorCode"] = std::to_string(exit_code);
    bool const both = exit_code != 0 && !progress.payload_exit_text.empty() && !mismatch.empty();
    put(fields, "exeErrorDiag",
        exit_code == 0 ? mismatch : mismatch + (both ? "; " : "") + progress.payload_exit_text);
}

}  // namespace

bool is_final_state(std::string_view state)
{
    return state == "finished" || state == "failed";
}

bool commands_are_due(JobRecord const& record, std::int64_t now_unix_s)
{
    return is_silent_for(record, command_pause_s, now_unix_s);
}

std::string print_panda_time(std::int64_t unix_s)
{
    auto const time = static_cast<std::time_t>(unix_s);
    std::tm parts{};
    ::gmtime_r(&time, &parts);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
    return text;
}

std::string print_job_metrics(JobRecord const& record, JobProgress const& progress)
{
    std::string text = fmt::format("coreCount={} nEvents={} nEventRanges={} nRangesDone={} nRangesFailed={}",
                                   progress.core_count, progress.finished_events, progress.range_count,
                                   record.accepted_ranges, record.failed_ranges);
    auto const add = [&text](std::string const& item) {
        if (text.size() + item.size() < 500) text += " " + item;
    };
    if (progress.node_count > 0) add(fmt::format("nNodes={}", progress.node_count));
    if (progress.end_unix_s > progress.start_unix_s && progress.core_count > 0)
        add(fmt::format("wallTime={}", (progress.end_unix_s - progress.start_unix_s) * progress.core_count));
    if (!progress.bundle_name.empty() && progress.bundle_name.find(' ') == std::string::npos)
        add(fmt::format("outputZipName={} outputZipBucketID={}", progress.bundle_name,
                        progress.bundle_storage_id));
    if (progress.log_storage_id > 0) add(fmt::format("logBucketID={}", progress.log_storage_id));
    if (progress.stage_out_s > 0) add(fmt::format("ExStageoutTime={}", progress.stage_out_s));
    return text;
}

std::optional<JobUpdate> next_update(JobRecord const& record, JobProgress const& progress, bool settled,
                                     Fields const& common_fields, JobReportPolicy const& policy,
                                     std::int64_t now_unix_s)
{
    if (record.ended) return std::nullopt;
    auto const state = wanted_state(record, progress, settled, policy, now_unix_s);
    bool const due =
        is_silent_for(record, record.debug ? policy.debug_heartbeat_s : policy.heartbeat_s, now_unix_s);
    if (state == record.last_state && !is_final_state(state) && !due) return std::nullopt;
    JobUpdate update{record.panda_id, state, {}};
    if (record.attempt > 0) update.fields["attemptNr"] = std::to_string(record.attempt);
    if (!record.essentials_only) {
        update.fields.insert(common_fields.begin(), common_fields.end());
        put(update.fields, "batchID", record.batch_id.empty() ? progress.batch_id : record.batch_id);
        add_running_fields(update.fields, record, progress);
    }
    if (is_final_state(state)) {
        add_final_fields(update.fields, state == "finished", record, progress);
        if (record.essentials_only)
            for (auto const* name : {"metaData", "pilotLog", "pilotTiming", "startTime", "endTime"})
                update.fields.erase(name);
    }
    return update;
}

void on_commands(JobRecord& record, PandaCommands const& commands)
{
    if (commands.to_be_killed) record.killed = true;
    if (commands.bad_attempt) on_job_gone(record);
    if (commands.soft_kill) record.drain = true;
    if (commands.debug) record.debug = true;
    if (commands.debug_off) record.debug = false;
}

void on_job_gone(JobRecord& record)
{
    record.gone = true;
    record.killed = true;
}

void on_update_answer(JobRecord& record, JobUpdate const& update, JobUpdateAnswer const& answer,
                      JobReportPolicy const& policy, std::int64_t now_unix_s)
{
    bool const last = is_final_state(update.state);
    if (last && record.final_since_unix_s == 0) record.final_since_unix_s = now_unix_s;
    if (!answer.judgement.stored()) {
        record.problem = answer.judgement.why;
        bool const refused =
            answer.judgement.outcome == PandaOutcome::refused && !answer.judgement.credentials;
        if (refused) record.essentials_only = true;
        if (last && now_unix_s - record.final_since_unix_s > policy.final_limit_s) record.ended = true;
        return;
    }
    record.problem.clear();
    if (update.state == "holding" && record.holding_since_unix_s == 0)
        record.holding_since_unix_s = now_unix_s;
    record.last_state = update.state;
    record.last_sent_unix_s = now_unix_s;
    if (auto const batch = update.fields.find("batchID"); batch != update.fields.end())
        record.batch_id = batch->second;
    on_commands(record, answer.commands);
    // A final state answered by "tobekilled" is one of a job that PanDA does not
    // have any more: just as final.
    if (last || answer.commands.already_done || answer.commands.bad_attempt) record.ended = true;
}

}  // namespace yoda
