// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/report/report.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "harvest/panda/report/report_job.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace {

constexpr std::size_t bulk_limit = 100;  ///< jobs in one updateJobsInBulk

class RunReporter {
  public:
    RunReporter(ReportShared& shared) : shared_(shared) {}

    Status load()
    {
        for (JobIndex job = 0; job < shared_.opened.jobs.size(); ++job) {
            auto reporter = JobReporter::load(shared_, job);
            if (!reporter) return reporter.error();
            jobs_.push_back(*std::move(reporter));
        }
        shared_.summary.job_count = jobs_.size();
        return {};
    }

    Status run()
    {
        if (std::all_of(jobs_.begin(), jobs_.end(), [](auto const& job) { return job->record().ended; })) {
            if (auto const status = report_stage(); !status) return status;
            return obey();
        }
        // First what PanDA is told first: a job in `starting` takes no heartbeat of ranges for granted.
        if (auto const status = update_jobs(false); !status) return status;
        if (auto const status = report_stage(); !status) return status;
        // Yoda is told before PanDA has a final state: what is over for PanDA must not be worked on.
        if (auto const status = obey(); !status) return status;
        if (auto const status = update_jobs(true); !status) return status;
        return obey();
    }

    void sum_up()
    {
        auto const is_done = [](auto const& job) { return job->record().ended; };
        auto const is_lost = [](auto const& job) { return job->record().killed || job->record().gone; };
        shared_.summary.all_ended = std::all_of(jobs_.begin(), jobs_.end(), is_done);
        shared_.summary.cancel_batch = std::all_of(jobs_.begin(), jobs_.end(), is_lost);
        shared_.summary.submit_no_more = std::all_of(
            jobs_.begin(), jobs_.end(), [](auto const& job) { return takes_no_more(job->record()); });
    }

  private:
    JobReporter* job_of(std::int64_t panda_id)
    {
        for (auto& job : jobs_)
            if (job->panda_id() == panda_id) return job.get();
        return nullptr;
    }

    /// Everything in the stage folder that waits for PanDA, in goes of bounded size.
    Status report_stage()
    {
        auto const names = shared_.stage.look();
        if (!names) return names.error();
        std::vector<std::string> open(names->open.begin(), names->open.end());
        std::sort(open.begin(), open.end());
        bool any_verified = false;
        for (auto const& name : open) {
            if (shared_.stopping()) break;
            auto const record = shared_.stage.read(name);
            if (!record || (record->stage != Stage::verified && !record->split)) continue;
            if (!any_verified && !joined_) {
                if (auto const status = shared_.stage.join(); !status) return status;
                joined_ = true;
            }
            any_verified = true;
            auto* const job = job_of(record->panda_id);
            bool const is_log = record->activity == "pl" || record->activity == "logs";
            if (!job) continue;
            if (record->stage == Stage::verified && (is_log || job->record().gone || job->record().ended)) {
                if (auto const status = job->let_go(*record); !status) return status;
                continue;
            }
            if (job->offer(*record)) continue;
            if (auto const status = job->report_ranges(); !status) return status;
            job->offer(*record);
        }
        for (auto& job : jobs_) {
            if (shared_.stopping()) break;
            if (!joined_) {
                if (auto const status = shared_.stage.join(); !status) return status;
                joined_ = true;
            }
            if (auto const status = job->report_ranges(); !status) return status;
        }
        return {};
    }

    /// Several jobs in one call, except for final states, whose every answer matters most.
    Status update_jobs(bool final_states)
    {
        std::vector<std::pair<JobReporter*, JobUpdate>> due;
        for (auto& job : jobs_)
            if (auto update = job->make_update(); update && is_final_state(update->state) == final_states)
                due.emplace_back(job.get(), *std::move(update));
        if (!final_states && due.size() > 1) return update_in_bulk(due);
        for (auto const& [job, update] : due) {
            if (shared_.stopping()) return {};
            if (auto const status = shared_.turn.check(); !status) return status;
            auto const answer = shared_.client.update_job(update);
            if (auto const status = job->take_update_answer(update, answer); !status) return status;
            if (!answer.judgement.stored() && answer.judgement.outcome != PandaOutcome::refused)
                shared_.stop = true;
        }
        return {};
    }

    Status update_in_bulk(std::vector<std::pair<JobReporter*, JobUpdate>> const& due)
    {
        for (std::size_t first = 0; first < due.size(); first += bulk_limit) {
            if (shared_.stopping()) return {};
            if (auto const status = shared_.turn.check(); !status) return status;
            auto const end = std::min(first + bulk_limit, due.size());
            std::vector<JobUpdate> updates;
            for (auto i = first; i < end; ++i) updates.push_back(due[i].second);
            auto const answer = shared_.client.update_jobs(updates, shared_.options.panda.harvester_id);
            for (auto i = first; i < end; ++i) {
                JobUpdateAnswer one;
                one.judgement = answer.judgement;
                if (answer.judgement.stored()) one = answer.each[i - first];
                if (auto const status = due[i].first->take_update_answer(due[i].second, one); !status)
                    return status;
            }
            if (!answer.judgement.stored() && answer.judgement.outcome != PandaOutcome::refused)
                shared_.stop = true;
        }
        return {};
    }

    Status obey()
    {
        bool const drains = std::all_of(jobs_.begin(), jobs_.end(), [](auto const& job) {
            auto const& record = job->record();
            return record.drain || record.killed || record.ended;
        });
        for (auto& job : jobs_)
            if (auto const status = job->obey(drains); !status) return status;
        return {};
    }

    ReportShared& shared_;
    std::vector<std::unique_ptr<JobReporter>> jobs_;
    bool joined_ = false;
};

}  // namespace

Result<ReportSummary> report_run(ReportOptions const& options, HttpClient& http, Clock const& clock, Log& log)
{
    PandaClient client(http, clock, log, options.panda.server, options.panda.credentials);
    if (auto const status = client.check(); !status) return status.error();
    ReportSummary summary;
    auto turn = Turn::take(PandaFolder(options.run).path(), clock);
    if (!turn && turn.error().kind == ErrorKind::busy) {
        log.info("busy", {{"run", options.run}, {"why", turn.error().text()}});
        summary.busy = true;
        return summary;
    }
    if (!turn) return turn.error();
    RunFolder const folder(options.run);
    auto const opened = open_run(folder, {});
    if (!opened) return opened.error();
    auto const closed = is_run_closed(folder, *opened);
    if (!closed) return closed.error();
    auto const unix_s = clock.unix_ns() / 1'000'000'000;
    bool const all_ended = *closed && opened->table.unended_count() == 0;
    auto const facts = options.facts ? *options.facts : find_batch_facts(options.run, all_ended, unix_s);
    StageFolder stage(options.run, clock);
    ReportShared shared{options, *opened, facts, client, stage, *turn, clock, log, summary, *closed, false};
    RunReporter reporter(shared);
    auto status = reporter.load();
    if (status) status = reporter.run();
    reporter.sum_up();
    summary.traffic = client.traffic();
    if (status) return summary;
    if (status.error().kind != ErrorKind::busy) return status.error();
    log.warning("taken_over", status.error());
    summary.busy = true;
    return summary;
}

}  // namespace yoda
