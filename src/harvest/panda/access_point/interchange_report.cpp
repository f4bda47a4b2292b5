// SPDX-License-Identifier: Apache-2.0
// `harvest report --access-point`. Harvester takes the dump by renaming it, at its own pace, and looks at no
// other one once it has the job's final state. So a dump that has not been taken is replaced by one that has
// the same records and the new ones (the same record twice is harmless), and the final state is told only
// when everything has been, never before its dump.
#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "harvest/panda/access_point/access_point.hpp"
#include "harvest/panda/access_point/interchange.hpp"
#include "harvest/panda/report/job_logs.hpp"
#include "harvest/panda/report/log_upload.hpp"
#include "harvest/panda/run/batch_facts.hpp"
#include "harvest/panda/run/refused_ranges.hpp"
#include "harvest/panda/run/reported_log.hpp"
#include "harvest/panda/wire/error_codes.hpp"
#include "harvest/panda/wire/settings.hpp"
#include "harvest/stage_out/push_bundle.hpp"
#include "sys/base/files.hpp"
#include "sys/run/run_opening.hpp"

namespace yoda {

namespace {

using Json = nlohmann::json;

/// nullopt: not there, or not a whole JSON object.
std::optional<Json> read_object(std::string const& path)
{
    auto const text = read_file(path);
    auto json = text ? Json::parse(*text, nullptr, false) : Json();
    return json.is_object() ? std::optional(std::move(json)) : std::nullopt;
}

/// What is told of one job, and written into its log once the dump has it.
struct JobWords {
    ReportedLog log;
    Json records = Json::array();
    RangeSpans rows = {};    ///< of the event table
    RangeSpans listed = {};  ///< places among the refused ones
    std::string tarball = {};
};

class AccessPointReport {
  public:
    AccessPointReport(InterchangeOptions const& options, std::int64_t now_unix_s, Log& log)
        : options_(options),
          point_(options.access_point),
          folder_(options.run),
          panda_(options.run),
          now_unix_s_(now_unix_s),
          log_(log)
    {}

    Status tell_of_life();
    Status collect(OpenedRun const& opened);
    Status write_dump();
    Status write_attributes(OpenedRun const& opened);
    Status write_job_report(OpenedRun const& opened);
    Status end_idle_worker();
    InterchangeSummary summary;

  private:
    bool is_at_work() const
    {
        return find_batch_facts(options_.run, false, now_unix_s_).phase == JobPhase::running;
    }
    /// How a range that failed for good is told: PanDA discards all events of a file for a fatal one.
    char const* word_for(bool is_fatal) const
    {
        return is_fatal && options_.report_fatal ? "fatal" : "failed";
    }
    Status collect_rows(OpenedRun const& opened, JobIndex job, JobWords& words);
    Status collect_refused(std::int64_t panda_id, JobWords& words);
    Status add_log_tarball(OpenedRun const& opened, JobIndex job, JobWords& words);

    InterchangeOptions const& options_;
    AccessPoint point_;
    RunFolder folder_;
    PandaFolder panda_;
    std::int64_t now_unix_s_;
    Log& log_;
    std::map<std::string, BundleManifest> manifests_;
    std::map<std::int64_t, JobWords> words_;
    bool is_over_ = false;       ///< every range has ended, and no more will come
    bool is_told_ = true;        ///< all that ended is in a dump
    std::int64_t events_ = 0;    ///< that were finished
    std::int64_t finished_ = 0;  ///< ranges
};

/// Harvester kills a worker whose heartbeat gets old. A job that waits or ends is alive as long as somebody
/// calls us; a yoda at work has to have written its status again since the last heartbeat.
Status AccessPointReport::tell_of_life()
{
    auto const path = point_.file("worker_heartbeat.json");
    Json beat{{"state", options_.from_batch_job ? "ending" : "waiting"}, {"updated_unix_s", now_unix_s_}};
    if (!options_.from_batch_job && is_at_work()) {
        auto const status = read_object(folder_.status()).value_or(Json::object());
        beat = {{"state", "running"}, {"updated_unix_s", status.value("updated_unix_s", Json(0))}};
        if (read_object(path) == beat) return {};
    }
    return replace_file(path, print_line(beat));
}

Status AccessPointReport::collect_rows(OpenedRun const& opened, JobIndex job, JobWords& words)
{
    auto const& table = opened.table;
    auto known = words.log.rows().begin();
    for (RangeIndex row = 0; row < table.size(); ++row) {
        if (table.job(row) != job || !is_ended(table.state(row))) continue;
        auto const state = table.state(row);
        if (state == RangeState::finished) {
            ++finished_;
            events_ += table.row(row).last - table.row(row).first + 1;
        }
        while (known != words.log.rows().end() && known->second <= row) ++known;
        if (known != words.log.rows().end() && known->first <= row) continue;
        if (state == RangeState::failed || state == RangeState::fatal) {
            words.records.push_back({{"eventRangeID", table.range_id(row)},
                                     {"eventStatus", word_for(state == RangeState::fatal)}});
            add_to_spans(words.rows, row);
            continue;
        }
        auto const holder = table.progress(row).holder;
        if (state != RangeState::finished || holder == none) continue;
        auto const name = bundle_name(table.bundles()[holder].origin) + ".tar";
        auto manifest = manifests_.find(name);
        if (manifest == manifests_.end()) {
            auto read = read_manifest(options_.run, name);
            if (!read) {  // Still open.
                is_told_ = false;
                continue;
            }
            manifest = manifests_.emplace(name, *std::move(read)).first;
        }
        words.records.push_back({{"eventRangeID", table.range_id(row)},
                                 {"eventStatus", "finished"},
                                 {"path", folder_.bundles() + "/" + name},
                                 {"type", "zip_output"},
                                 {"chksum", fmt::format("{:08x}", manifest->second.adler32)},
                                 {"fsize", manifest->second.bytes}});
        add_to_spans(words.rows, row);
    }
    return {};
}

Status AccessPointReport::collect_refused(std::int64_t panda_id, JobWords& words)
{
    auto const refused = read_refused(panda_.refused(panda_id));
    if (!refused) return refused.error();
    auto known = words.log.listed().begin();
    for (std::uint32_t place = 0; place < refused->size(); ++place) {
        while (known != words.log.listed().end() && known->second <= place) ++known;
        if (known != words.log.listed().end() && known->first <= place) continue;
        auto const& range = (*refused)[place];
        if (!range.report) continue;
        words.records.push_back({{"eventRangeID", range.id}, {"eventStatus", word_for(range.fatal)}});
        add_to_spans(words.listed, place);
    }
    return {};
}

/// Harvester packs the logs only of a job that has no final state yet.
Status AccessPointReport::add_log_tarball(OpenedRun const& opened, JobIndex job, JobWords& words)
{
    auto const& about = opened.jobs[job];
    auto const name = log_file_name(about);
    if (name != about.text("logFile") || words.log.has_bundle(name)) return {};
    auto const path = point_.file(name);
    if (!path_exists(path))  // Else a report that was killed has made it.
        if (auto const made = write_job_log(options_.run, job, about.panda_id(), path, {}); !made)
            return made.error();
    Json record{{"path", path}, {"type", "log"}};  // Harvester looks at its size and checksum itself.
    if (auto const guid = about.text("logGUID"); !guid.empty()) record["guid"] = guid;
    words.records.push_back(std::move(record));
    words.tarball = name;
    return {};
}

Status AccessPointReport::collect(OpenedRun const& opened)
{
    if (auto const status = make_folders(panda_.path()); !status) return status;
    auto const closed = is_run_closed(folder_, opened);
    if (!closed) return closed.error();
    is_over_ = *closed && opened.table.unended_count() == 0 && (options_.from_batch_job || !is_at_work());
    for (JobIndex job = 0; job < opened.jobs.size(); ++job) {
        auto const panda_id = opened.jobs[job].panda_id();
        auto log_of_job = ReportedLog::open(fmt::format("{}/dumped-{}.log", panda_.path(), panda_id));
        if (!log_of_job) return log_of_job.error();
        auto& words = words_.emplace(panda_id, JobWords{*std::move(log_of_job)}).first->second;
        if (auto const status = collect_rows(opened, job, words); !status) return status;
        if (auto const status = collect_refused(panda_id, words); !status) return status;
        summary.range_count += count_of(words.rows) + count_of(words.listed);
    }
    for (JobIndex job = 0; is_over_ && is_told_ && job < opened.jobs.size(); ++job)
        if (auto const status = add_log_tarball(opened, job, words_.at(opened.jobs[job].panda_id())); !status)
            return status;
    return {};
}

Status AccessPointReport::write_dump()
{
    // The logs have been read before: what another report dumps meanwhile is told twice, not never.
    summary.waiting = path_exists(point_.dump());
    auto dump = summary.waiting ? read_object(point_.dump()) : std::optional(Json::object());
    bool has_news = false;
    for (auto const& [panda_id, words] : words_) has_news = has_news || !words.records.empty();
    if (!has_news) return {};
    if (!dump) {
        // Taken this very moment, or Harvester's own, still being written.
        is_told_ = false;
        return {};
    }
    for (auto& [panda_id, words] : words_) {
        if (words.records.empty()) continue;
        auto& list = (*dump)[std::to_string(panda_id)];
        if (!list.is_array()) list = Json::array();
        for (auto& record : words.records) list.push_back(std::move(record));
    }
    if (auto const status = replace_file(point_.dump(), print_line(*dump)); !status) return status;
    log_.info("dumped", {{"run", options_.run}, {"range_count", summary.range_count}});
    // Killed before this: the same is told once more.
    for (auto& [panda_id, words] : words_) {
        if (!words.rows.empty())
            if (auto const status = words.log.add_rows(words.rows, {count_of(words.rows), 0, 0}); !status)
                return status;
        if (!words.listed.empty())
            if (auto const status = words.log.add_listed(words.listed, {0, count_of(words.listed), 0});
                !status)
                return status;
        if (!words.tarball.empty())
            if (auto const status = words.log.add_bundle(words.tarball, {}); !status) return status;
    }
    return {};
}

Status AccessPointReport::write_attributes(OpenedRun const& opened)
{
    Json attributes{{"nEvents", events_}};
    if (is_over_ && is_told_) {
        // A taken dump that has not been acknowledged hides this one from Harvester's next look.
        if (path_exists(point_.taken_dump()) && path_exists(point_.dump())) {
            summary.waiting = true;
        } else {
            attributes["jobStatus"] = finished_ > 0 ? "finished" : "failed";
            if (finished_ == 0 && opened.table.size() > 0) {
                attributes["pilotErrorCode"] = pilot_error::unknown_payload_failure;
                attributes["pilotErrorDiag"] = "no event range was finished";
            }
        }
    }
    return point_.write_attributes(attributes);
}

/// What Harvester makes metaData of.
Status AccessPointReport::write_job_report(OpenedRun const& opened)
{
    for (JobIndex job = 0; job < opened.jobs.size(); ++job) {
        auto const report = find_transform_report(folder_.logs(), job);
        if (report.empty()) continue;
        return replace_file(point_.file("jobReport.json"), report);  // There is one file for all.
    }
    return {};
}

/// The order to end a worker that would find nothing to do.
Status AccessPointReport::end_idle_worker()
{
    // A batch job that has worked ends by itself, once the last dump is taken.
    if (!is_over_ || options_.from_batch_job || summary.waiting || path_exists(point_.dump())) return {};
    return point_.write_kill("every event range has ended");
}

}  // namespace

Result<InterchangeSummary> report_to_access_point(InterchangeOptions const& options, std::int64_t now_unix_s,
                                                  Log& log)
{
    AccessPointReport report(options, now_unix_s, log);
    if (auto const status = report.tell_of_life(); !status) return status.error();
    auto const opened = open_run(RunFolder(options.run), {});
    if (!opened) return opened.error();
    // The final state comes after all that it covers.
    if (auto const status = report.write_job_report(*opened); !status) return status.error();
    if (auto const status = report.collect(*opened); !status) return status.error();
    if (auto const status = report.write_dump(); !status) return status.error();
    if (auto const status = report.write_attributes(*opened); !status) return status.error();
    if (auto const status = report.end_idle_worker(); !status) return status.error();
    return report.summary;
}

}  // namespace yoda
