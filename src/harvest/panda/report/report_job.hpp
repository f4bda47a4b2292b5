// SPDX-License-Identifier: Apache-2.0
// One job of a run in one report tick: which of its ranges go to PanDA now, in which form, and what is
// written down when PanDA took them.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/table/event_table.hpp"
#include "harvest/panda/report/job_report.hpp"
#include "harvest/panda/report/report.hpp"
#include "harvest/panda/run/refused_ranges.hpp"
#include "harvest/panda/run/reported_log.hpp"
#include "harvest/panda/run/turn.hpp"
#include "harvest/stage_out/stage_folder.hpp"
#include "sys/run/run_opening.hpp"

namespace yoda {

/// What the reporters of all jobs of a run share.
struct ReportShared {
    ReportOptions const& options;
    OpenedRun const& opened;
    BatchFacts const& facts;
    PandaClient& client;
    StageFolder& stage;
    Turn& turn;
    Clock const& clock;
    Log& log;
    ReportSummary& summary;
    bool closed = true;  ///< no more ranges will come
    bool stop = false;   ///< nothing more is asked in this tick

    std::int64_t unix_s() const { return clock.unix_ns() / 1'000'000'000; }
    bool stopping() const { return stop || (options.stop && options.stop->load(std::memory_order_relaxed)); }
    void note_problem(std::string text);
};

JobReportPolicy make_report_policy(PandaSettings const& panda);

class JobReporter {
  public:
    /// Errors: io, bad_input (files of ours that cannot be read).
    static Result<std::unique_ptr<JobReporter>> load(ReportShared& shared, JobIndex job);

    /// A record of the stage folder that is in its store, or a split bundle. Kept for report_ranges() if it
    /// is this job's; false once enough is in hand for one go.
    bool offer(StageRecord const& record);
    /// Sends what was offered and what failed. Errors: io, busy (another harvest took over): stop.
    Status report_ranges();
    /// Everything of this job that can be reported has been.
    bool all_settled() const;
    /// The update to send now, if any.
    std::optional<JobUpdate> make_update() const
    {
        return make_update(make_report_policy(shared_.options.panda));
    }
    Status take_update_answer(JobUpdate const& update, JobUpdateAnswer const& answer);
    /// Notes for yoda, after answers that held commands.
    Status obey(bool whole_run_drains);
    /// Lets go of a record in its store whose report will never be made; its object goes by policy.
    Status let_go(StageRecord const& record);

    JobRecord const& record() const { return record_; }
    std::int64_t panda_id() const { return record_.panda_id; }

  private:
    /// A group of the ledger.
    struct Source {
        enum class Kind { bundle, objects, rows, listed } kind = Kind::rows;
        std::string name;
        std::vector<RangeIndex> rows;
        std::optional<ZipFile> zip;
        std::optional<std::int64_t> objstore_id;
        std::optional<std::int64_t> path_convention;
        std::vector<std::string> stage_names;  ///< records that become reported with it
        ReportedLog::Counts counts;
        RangeSpans settled;
    };
    JobReporter(ReportShared& shared, JobIndex job, ReportedLog log)
        : shared_(shared), job_(job), log_(std::move(log))
    {}

    EventTable const& table() const { return shared_.opened.table; }
    static bool in_store(Source::Kind kind);
    Status save();
    bool make_bundle_source(StageRecord const& record);
    bool make_objects_source(StageRecord const& record);
    std::optional<std::vector<RangeIndex>> rows_of(StageRecord const& record) const;
    bool takes_form(bool single);
    bool find_storage(StageRecord const& record, std::optional<std::int64_t>& id,
                      std::optional<std::int64_t>& convention);
    void add_ended_rows();
    void add_listed();
    std::size_t size_of(Source const& source) const;
    std::string id_of(Source const& source, std::uint32_t index) const;
    RangeUpdate update_of(Source const& source, std::uint32_t index) const;
    Status send(RangeLedger& ledger);
    Status ask_what_became(RangeLedger& ledger);
    Status ask_for_commands();
    Status give_up_gone_job();
    std::optional<JobUpdate> make_update(JobReportPolicy const& policy) const;
    Status take(RangeLedger& ledger, RangeLedger::Effects const& effects);
    Status finish(Source& source);
    Status mark_reported(std::string const& name);
    JobProgress make_progress() const;
    void add_log_tarballs(JobProgress& progress) const;
    void add_transform_report(JobProgress& progress) const;
    void add_times_of_fetch(JobProgress& progress) const;
    bool is_over() const;

    ReportShared& shared_;
    JobIndex job_;
    ReportedLog log_;
    JobRecord record_;
    std::int64_t asked_for_commands_unix_s_ = 0;  ///< also when PanDA did not take that update
    std::vector<RefusedRange> refused_;           ///< when they were fetched
    std::vector<Source> sources_;
    std::size_t offered_rows_ = 0;
};

}  // namespace yoda
