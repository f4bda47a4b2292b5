// SPDX-License-Identifier: Apache-2.0
// How one job of a run stands, as its next updateJob tells it: counts of the table, times, logs.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "harvest/panda/report/job_logs.hpp"
#include "harvest/panda/report/log_upload.hpp"
#include "harvest/panda/report/report_job.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace {

constexpr unsigned reasons_told = 20;
constexpr std::uint64_t fetch_facts_limit_bytes = 1 << 16;

/// In the store, whatever came after.
bool is_in_store(Stage stage)
{
    return stage == Stage::verified || stage == Stage::reported || stage == Stage::cleaned;
}

}  // namespace

JobProgress JobReporter::make_progress() const
{
    auto const& facts = shared_.facts;
    JobProgress progress;
    progress.phase = is_over() ? JobPhase::over : facts.phase;
    progress.batch_id = facts.batch_id;
    progress.start_unix_s = facts.start_unix_s;
    progress.end_unix_s =
        progress.phase == JobPhase::over && facts.end_unix_s == 0 ? shared_.unix_s() : facts.end_unix_s;
    // The slot's cores are counted once, whatever the number of jobs in it.
    auto const job_count = static_cast<std::int64_t>(shared_.opened.jobs.size());
    if (facts.core_count > 0) progress.core_count = std::max<std::int64_t>(1, facts.core_count / job_count);
    progress.node_count = facts.node_count;
    std::uint64_t cpu_ms = 0;
    for (RangeIndex row = 0; row < table().size(); ++row) {
        if (table().job(row) != job_) continue;
        auto const events = table().row(row).last - table().row(row).first + 1;
        ++progress.range_count;
        progress.fetched_events += events;
        if (table().state(row) != RangeState::finished) continue;
        ++progress.finished_ranges;
        progress.finished_events += events;
        cpu_ms += table().progress(row).cpu_ms;
    }
    progress.range_count += refused_.size();
    progress.cpu_s = static_cast<std::int64_t>(cpu_ms / 1000);
    progress.input_file_count = shared_.opened.jobs[job_].inputs().size();
    if (facts.start_unix_s > 0 && progress.end_unix_s > facts.start_unix_s)
        progress.execution_s = progress.end_unix_s - facts.start_unix_s;
    // From the job's start until its payloads had work: environment, inputs, their initialisation.
    if (facts.start_unix_s > 0 && facts.first_range_unix_s > facts.start_unix_s)
        progress.setup_s = facts.first_range_unix_s - facts.start_unix_s;
    progress.execution_s = std::max<std::int64_t>(0, progress.execution_s - progress.setup_s);
    progress.error_code = facts.error_code;
    progress.error_diag = facts.error_diag;
    // What the job waited for after its slot had ended.
    if (record_.last_verified_unix_s > progress.end_unix_s && progress.end_unix_s > 0)
        progress.stage_out_s = record_.last_verified_unix_s - progress.end_unix_s;
    add_times_of_fetch(progress);
    return progress;
}

/// getJob and stage-in, as `harvest fetch` noted them.
void JobReporter::add_times_of_fetch(JobProgress& progress) const
{
    auto const path =
        fmt::format("{}/job-{}.json", PandaFolder(shared_.options.run).fetched(), record_.panda_id);
    auto const text = read_file(path, fetch_facts_limit_bytes);
    auto const json = text ? nlohmann::json::parse(*text, nullptr, false) : nlohmann::json();
    if (!json.is_object()) return;
    auto const seconds = [&json](char const* name) {
        auto const found = json.find(name);
        return found != json.end() && found->is_number() ? found->get<std::int64_t>() : std::int64_t{0};
    };
    progress.get_job_s = seconds("get_job_s");
    progress.stage_in_s = seconds("stage_in_s");
}

/// Whether the log tarballs are where they belong, and the line of the registered one (JSON, although the
/// field is called xml: docs/reference/panda.md §4).
void JobReporter::add_log_tarballs(JobProgress& progress) const
{
    auto const& panda = shared_.options.panda;
    auto const& job = shared_.opened.jobs[job_];
    for (auto const& activity : panda.log_stores) {
        auto const staged = shared_.stage.read(log_record_name(job, activity));
        if (staged && staged->stage == Stage::lost) continue;
        if (!staged || !is_in_store(staged->stage)) {
            progress.log_pending = true;
            continue;
        }
        if (activity == "pl") {
            nlohmann::ordered_json report;
            report[log_file_name(job)] = {{"guid", job.text("logGUID")},
                                          {"fsize", staged->bytes},
                                          {"adler32", fmt::format("{:08x}", staged->adler32)},
                                          {"surl", staged->url}};
            progress.output_report = report.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
        } else if (auto const id = panda.objstore_ids.find(activity); id != panda.objstore_ids.end()) {
            progress.log_storage_id = id->second;
        }
    }
}

void JobReporter::add_transform_report(JobProgress& progress) const
{
    auto const logs = RunFolder(shared_.options.run).logs();
    unsigned told = 0;
    for (auto const& [row, why] : shared_.opened.failure_reasons) {
        if (row >= table().size() || table().job(row) != job_) continue;
        if (++told > reasons_told) break;
        progress.pilot_log +=
            fmt::format("{} {}: {}\n", table().range_id(row), print_state(table().state(row)), why);
    }
    progress.pilot_log += read_run_warnings(logs);
    auto const memory = read_memory_use(logs, job_);
    progress.max_rss_kb = memory.max_rss_kb;
    progress.avg_rss_kb = memory.avg_rss_kb;
    progress.meta_data = find_transform_report(logs, job_);
    auto const report = parse_transform_report(progress.meta_data);
    if (!report) return;
    progress.payload_exit_code = report->exit_code;
    progress.payload_exit_text = report->exit_text;
    progress.max_rss_kb = std::max(progress.max_rss_kb, report->max_rss_kb);
    progress.avg_rss_kb = std::max(progress.avg_rss_kb, report->avg_rss_kb);
    progress.max_vmem_kb = std::max(progress.max_vmem_kb, report->max_vmem_kb);
    progress.max_pss_kb = std::max(progress.max_pss_kb, report->max_pss_kb);
}

JobReportPolicy make_report_policy(PandaSettings const& panda)
{
    return {panda.heartbeat_s, panda.debug_heartbeat_s, panda.final_limit_s, panda.log_limit_s};
}

std::optional<JobUpdate> JobReporter::make_update(JobReportPolicy const& policy) const
{
    auto const common = common_job_fields(shared_.options.panda);
    auto progress = make_progress();
    bool const settled = all_settled();
    if (progress.phase == JobPhase::over && settled) add_log_tarballs(progress);
    auto update = next_update(record_, progress, settled, common, policy, shared_.unix_s());
    if (!update) return update;
    // The rest is read from many files: only for the update that tells it.
    bool const is_final = is_final_state(update->state);
    if (!is_final && !record_.debug) return update;
    auto const logs = RunFolder(shared_.options.run).logs();
    if (record_.debug) progress.log_tail = read_payload_tail(logs, job_);
    if (is_final) add_transform_report(progress);
    return next_update(record_, progress, settled, common, policy, shared_.unix_s());
}

}  // namespace yoda
