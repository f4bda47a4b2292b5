#include "harvest/panda/interchange.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/output_names.hpp"
#include "harvest/new_run_builder.hpp"
#include "harvest/panda/batch_facts.hpp"
#include "harvest/panda/error_codes.hpp"
#include "harvest/panda/inbox.hpp"
#include "harvest/panda/job_filter.hpp"
#include "harvest/panda/job_logs.hpp"
#include "harvest/panda/range_check.hpp"
#include "harvest/panda/reported_log.hpp"
#include "harvest/panda/settings.hpp"
#include "harvest/push_bundle.hpp"
#include "sys/files.hpp"
#include "sys/run_opening.hpp"

namespace yoda {

namespace {

using Json = nlohmann::json;

std::string print(Json const& json)
{
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

/// nullopt: not there, or not whole yet.
std::optional<Json> read_object(std::string const& path)
{
    auto const text = read_file(path);
    auto json = text ? Json::parse(*text, nullptr, false) : Json();
    return json.is_object() ? std::optional(std::move(json)) : std::nullopt;
}

std::string ranges_path(InterchangeOptions const& options)
{
    return options.access_point + "/JobsEventRanges.json";
}

/// Out of the way, under a number that is free.
Status put_aside(std::string const& path, std::string const& base)
{
    for (unsigned number = 0; number < 1'000'000; ++number) {
        auto const old = fmt::format("{}.old.{:02}", base, number);
        if (path_exists(old)) continue;
        if (::rename(path.c_str(), old.c_str()) != 0) return os_error("rename", path, errno);
        return {};
    }
    return Error{ErrorKind::io, path + " cannot be put aside", "a million old ones are there", "remove them"};
}

Status ask_for_ranges(InterchangeOptions const& options, std::vector<Job> const& jobs)
{
    auto wish = Json::object();
    for (auto const& job : jobs)
        wish[std::to_string(job.panda_id())] = {{"pandaID", job.panda_id()},
                                                {"taskID", job.task_id()},
                                                {"jobsetID", job.jobset_id()},
                                                {"nRanges", options.range_count}};
    return replace_file(options.access_point + "/worker_requestevents.json", print(wish));
}

Result<std::vector<Job>> take_jobs(Json const& described, InterchangeFetch const& fetch, Log& log)
{
    std::vector<Job> jobs;
    InputChecker inputs(fetch.inputs, {}, log);
    for (auto const& [id, fields] : described.items()) {
        auto taken = take_job(fields);
        if (auto const* const job = std::get_if<Job>(&taken)) {
            auto const names = OutputNames::make(*job, fetch.payload);
            auto checked = names ? inputs.check(*job)
                                 : JobEnd{job->panda_id(), job->attempt(), pilot_error::setup_failure,
                                          names.error().text()};
            if (auto* const good = std::get_if<Job>(&checked)) {
                jobs.push_back(std::move(*good));
                continue;
            }
            taken = std::get<JobEnd>(std::move(checked));
        }
        auto const& end = std::get<JobEnd>(taken);
        return Error{ErrorKind::bad_input,
                     fmt::format("job {} cannot run here", id),
                     fmt::format("{} (code {})", end.diag, end.code),
                     {}};
    }
    return jobs;
}

/// Gives the good ranges of a job's list, in its order.
template <class Take>
Status take_ranges(Json const& list, RangeChecker& checker, std::vector<RefusedRange>& refused, Take take)
{
    RefusedRange problem;
    auto const scanned = scan_ranges(list.dump(), [&](RangeView const& range) -> Status {
        auto const verdict = checker.check(range, problem);
        if (verdict == RangeChecker::Verdict::refused) refused.push_back(problem);
        return verdict == RangeChecker::Verdict::good ? take(range) : Status{};
    });
    return scanned ? Status{} : Status(scanned.error());
}

Result<std::vector<Job>> read_jobs_of(std::string const& run)
{
    auto const text = read_file(run + "/job.json");
    if (!text) return text.error();
    return parse_jobs(*text);
}

/// The same for the same file: a note that was written before a kill is written again under its name.
Result<std::string> note_name_for(std::string const& path, std::string_view type, std::int64_t panda_id)
{
    struct stat about {};
    if (::stat(path.c_str(), &about) != 0) return os_error("look at", path, errno);
    auto const ns = about.st_mtim.tv_sec * 1'000'000'000 + about.st_mtim.tv_nsec;
    return fmt::format("{:020}-{}-{}.json", ns, panda_id, type);
}

}  // namespace

Result<InterchangeSummary> fetch_from_access_point(InterchangeOptions const& options,
                                                   InterchangeFetch const& fetch, Log& log)
{
    InterchangeSummary summary;
    auto const described = read_object(options.access_point + "/HPCJobs.json");
    if (!described || described->empty()) {
        summary.waiting = true;
        auto const wish = options.access_point + "/worker_requestjob.json";
        if (auto const status = replace_file(wish, print({{"nJobs", 1}})); !status) return status.error();
        return summary;
    }
    auto const jobs = take_jobs(*described, fetch, log);
    if (!jobs) return jobs.error();
    auto const ranges = read_object(ranges_path(options));
    if (!ranges) {
        summary.waiting = true;
        if (auto const status = ask_for_ranges(options, *jobs); !status) return status.error();
        return summary;
    }
    auto builder = RunBuilder::create(options.run);
    if (!builder) return builder.error();
    std::map<std::int64_t, std::vector<RefusedRange>> refused;
    for (auto const& job : *jobs) {
        auto const index = builder->add_job(job);
        std::map<std::string, std::string> paths;
        for (auto const& input : job.inputs()) paths[input.lfn] = input.pfn;
        auto const list = ranges->find(std::to_string(job.panda_id()));
        if (list == ranges->end()) continue;
        RangeChecker checker(job);
        auto const status =
            take_ranges(*list, checker, refused[job.panda_id()], [&](RangeView const& range) -> Status {
                ++summary.range_count;
                return builder->add_range(index, range, paths.at(std::string(range.lfn)));
            });
        if (!status) return status.error();
    }
    summary.job_count = static_cast<std::int64_t>(jobs->size());
    if (summary.range_count == 0) {
        summary.closed = true;
        return summary;
    }
    builder->set_payload(fetch.payload);
    builder->set_options(fetch.config);
    auto const made = builder->commit();
    if (!made) return made.error();
    PandaFolder const folder(options.run);
    if (auto const status = make_folders(folder.path()); !status) return status.error();
    for (auto const& [panda_id, list] : refused) {
        summary.refused_count += static_cast<std::int64_t>(list.size());
        if (list.empty()) continue;
        if (auto const status = replace_file(folder.refused(panda_id), print_refused(list)); !status)
            return status.error();
    }
    if (auto const status = put_aside(ranges_path(options), ranges_path(options)); !status)
        return status.error();
    return summary;
}

Result<InterchangeSummary> feed_from_access_point(InterchangeOptions const& options, Log& log)
{
    InterchangeSummary summary;
    auto const jobs = read_jobs_of(options.run);
    if (!jobs) return jobs.error();
    auto const path = ranges_path(options);
    auto const taking = path + ".taking";
    if (!path_exists(taking)) {
        if (!read_object(path)) {
            summary.waiting = true;
            if (auto const status = ask_for_ranges(options, *jobs); !status) return status.error();
            return summary;
        }
        if (::rename(path.c_str(), taking.c_str()) != 0) return os_error("rename", path, errno);
    }
    auto const ranges = read_object(taking);
    if (!ranges) return Error{ErrorKind::bad_input, taking + " cannot be read", "it is no JSON object", {}};
    bool all_empty = true;
    for (auto const& [id, list] : ranges->items()) all_empty = all_empty && list.is_array() && list.empty();
    for (std::size_t i = 0; i < jobs->size(); ++i) {
        auto const& job = (*jobs)[i];
        auto const list = ranges->find(std::to_string(job.panda_id()));
        if (list == ranges->end() || !list->is_array()) continue;
        auto note = Json{{"version", 1}, {"type", "more_ranges"}, {"job", i}, {"PandaID", job.panda_id()}};
        note["ranges"] = Json::array();
        RangeChecker checker(job);
        std::vector<RefusedRange> refused;
        auto const status = take_ranges(*list, checker, refused, [&](RangeView const& range) -> Status {
            note["ranges"].push_back({{"eventRangeID", range.id},
                                      {"startEvent", range.start_event},
                                      {"lastEvent", range.last_event},
                                      {"LFN", range.lfn},
                                      {"GUID", range.guid},
                                      {"scope", range.scope}});
            return {};
        });
        if (!status) return status.error();
        summary.refused_count += static_cast<std::int64_t>(refused.size());
        summary.range_count += static_cast<std::int64_t>(note["ranges"].size());
        bool const is_end = list->empty();
        if (is_end && !all_empty) continue;  // The others still get some.
        auto const name = note_name_for(taking, is_end ? "closed" : "more_ranges", job.panda_id());
        if (!name) return name.error();
        summary.closed = summary.closed || is_end;
        if (auto const written = write_note(options.run, *name, is_end ? print_closed_note() : print(note));
            !written)
            return written.error();
    }
    log.info("fed", {{"run", options.run}, {"range_count", summary.range_count}});
    if (auto const status = put_aside(taking, path); !status) return status.error();
    if (!summary.closed)
        if (auto const status = ask_for_ranges(options, *jobs); !status) return status.error();
    return summary;
}

namespace {

/// Harvester kills a worker whose heartbeat gets old. A job that waits or uploads is alive as long as
/// somebody calls us; a yoda at work has to have written its status again since the last heartbeat.
Status tell_of_life(InterchangeOptions const& options, std::int64_t now_unix_s)
{
    auto const path = options.access_point + "/worker_heartbeat.json";
    Json beat{{"state", "waiting"}, {"updated_unix_s", now_unix_s}};
    if (find_batch_facts(options.run, false, now_unix_s).phase == JobPhase::running) {
        auto const status = read_object(RunFolder(options.run).status()).value_or(Json::object());
        beat = {{"state", "running"}, {"updated_unix_s", status.value("updated_unix_s", Json(0))}};
        if (read_object(path) == beat) return {};
    }
    return replace_file(path, print(beat));
}

/// What Harvester makes metaData of, and its order to end a worker that would find nothing to do.
Status tell_of_the_whole(InterchangeOptions const& options, OpenedRun const& opened, std::int64_t now_unix_s)
{
    RunFolder const folder(options.run);
    for (JobIndex job = 0; job < opened.jobs.size(); ++job) {
        auto const report = find_transform_report(folder.logs(), job);
        if (report.empty()) continue;
        if (auto const status = replace_file(options.access_point + "/jobReport.json", report); !status)
            return status;
        break;  // There is one file for all.
    }
    auto const closed = is_run_closed(folder, opened);
    if (!closed) return closed.error();
    bool const all_ended = *closed && opened.table.unended_count() == 0;
    auto const kill = options.access_point + "/kill_worker.json";
    if (!all_ended || path_exists(kill)) return {};
    if (find_batch_facts(options.run, false, now_unix_s).phase == JobPhase::running) return {};
    return replace_file(kill, print({{"reason", "every event range has ended"}}));
}

}  // namespace

Result<InterchangeSummary> report_to_access_point(InterchangeOptions const& options, std::int64_t now_unix_s,
                                                  Log& log)
{
    InterchangeSummary summary;
    if (auto const status = tell_of_life(options, now_unix_s); !status) return status.error();
    auto const dump_path = options.access_point + "/event_status.dump.json";
    if (path_exists(dump_path)) {
        summary.waiting = true;
        return summary;
    }
    RunFolder const folder(options.run);
    auto const opened = open_run(folder, {});
    if (!opened) return opened.error();
    if (auto const status = tell_of_the_whole(options, *opened, now_unix_s); !status) return status.error();
    auto const& table = opened->table;
    PandaFolder const panda(options.run);
    if (auto const status = make_folders(panda.path()); !status) return status.error();
    std::map<std::string, BundleManifest> manifests;
    auto dump = Json::object();
    auto attributes = Json::object();
    std::vector<std::pair<ReportedLog, RangeSpans>> told;
    for (JobIndex job = 0; job < opened->jobs.size(); ++job) {
        auto const panda_id = opened->jobs[job].panda_id();
        auto log_of_job = ReportedLog::open(fmt::format("{}/dumped-{}.log", panda.path(), panda_id));
        if (!log_of_job) return log_of_job.error();
        auto records = Json::array();
        RangeSpans rows;
        auto known_rows = log_of_job->rows().begin();
        for (RangeIndex row = 0; row < table.size(); ++row) {
            while (known_rows != log_of_job->rows().end() && known_rows->second <= row) ++known_rows;
            if (known_rows != log_of_job->rows().end() && known_rows->first <= row) continue;
            if (table.job(row) != job || !is_ended(table.state(row))) continue;
            auto const state = table.state(row);
            if (state == RangeState::failed || state == RangeState::fatal) {
                records.push_back(
                    {{"eventRangeID", table.range_id(row)}, {"eventStatus", print_state(state)}});
                add_to_spans(rows, row);
                continue;
            }
            auto const holder = table.progress(row).holder;
            if (state != RangeState::finished || holder == none) continue;
            auto const name = bundle_name(table.bundles()[holder].origin) + ".tar";
            auto known = manifests.find(name);
            if (known == manifests.end()) {
                auto manifest = read_manifest(options.run, name);
                if (!manifest) continue;  // Still open.
                known = manifests.emplace(name, *std::move(manifest)).first;
            }
            records.push_back({{"eventRangeID", table.range_id(row)},
                               {"eventStatus", "finished"},
                               {"path", folder.bundles() + "/" + name},
                               {"type", "zip_output"},
                               {"chksum", fmt::format("{:08x}", known->second.adler32)},
                               {"fsize", known->second.bytes}});
            add_to_spans(rows, row);
        }
        auto const counts = table.job_counts(job);
        attributes[std::to_string(panda_id)] = {{"nEvents", counts[2]}};
        if (counts[0] + counts[1] == 0)
            attributes[std::to_string(panda_id)]["jobStatus"] = counts[2] > 0 ? "finished" : "failed";
        if (records.empty()) continue;
        summary.range_count += static_cast<std::int64_t>(records.size());
        told.emplace_back(*std::move(log_of_job), std::move(rows));
        dump[std::to_string(panda_id)] = std::move(records);
    }
    if (auto const status = replace_file(options.access_point + "/worker_attributes.json", print(attributes));
        !status)
        return status.error();
    if (dump.empty()) return summary;
    log.info("dumped", {{"run", options.run}, {"range_count", summary.range_count}});
    if (auto const status = replace_file(dump_path, print(dump)); !status) return status.error();
    // Killed before this: the same is told once more, which Harvester takes for an update.
    for (auto& [job_log, rows] : told)
        if (auto const status = job_log.add_rows(rows, {count_of(rows), 0, 0}); !status)
            return status.error();
    return summary;
}

}  // namespace yoda
