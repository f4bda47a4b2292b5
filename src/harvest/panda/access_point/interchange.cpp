// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/access_point/interchange.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "core/config/output_names.hpp"
#include "harvest/new/new_run_builder.hpp"
#include "harvest/panda/access_point/access_point.hpp"
#include "harvest/panda/fetch/job_filter.hpp"
#include "harvest/panda/fetch/range_check.hpp"
#include "harvest/panda/run/batch_facts.hpp"
#include "harvest/panda/run/inbox.hpp"
#include "harvest/panda/run/job_secrets.hpp"
#include "harvest/panda/wire/error_codes.hpp"
#include "harvest/panda/wire/range_scanner.hpp"
#include "harvest/panda/wire/settings.hpp"
#include "sys/base/files.hpp"
#include "sys/run/run_opening.hpp"

namespace yoda {

namespace {

using Json = nlohmann::json;

Result<std::vector<Job>> take_jobs(AccessPoint const& point, Json const& described,
                                   InterchangeFetch const& fetch, Log& log)
{
    std::vector<Job> jobs;
    InputChecker inputs(fetch.inputs, {}, log);
    for (auto const& [id, fields] : described.items()) {
        if (is_merge_job(fields))
            return Error{ErrorKind::refused, fmt::format("job {} is a merge job", id),
                         "this queue gets merge jobs; a word that it failed would make PanDA discard what "
                         "it is to merge, so Harvester was told nothing",
                         "PanDA must set jobseed=es for this queue"};
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
        // The attributes speak of one job.
        if (described.size() == 1)
            if (auto const status = point.tell_of_end(end); !status) return status.error();
        return Error{ErrorKind::bad_input,
                     fmt::format("job {} cannot run here", id),
                     fmt::format("{} (code {})", end.diag, end.code),
                     {}};
    }
    return jobs;
}

/// Gives the good ranges of a job's list, in its order.
template <class Take>
Status take_ranges(std::string const& list, RangeChecker& checker, std::vector<RefusedRange>& refused,
                   Take take)
{
    RefusedRange problem;
    auto const scanned = scan_ranges(list, [&](RangeView const& range) -> Status {
        auto const verdict = checker.check(range, problem);
        if (verdict == RangeChecker::Verdict::refused) refused.push_back(problem);
        return verdict == RangeChecker::Verdict::good ? take(range) : Status{};
    });
    return scanned ? Status{} : Status(scanned.error());
}

bool is_empty_list(std::string const& list)
{
    return list.find('{') == std::string::npos;
}

Result<std::vector<Job>> read_jobs_of(std::string const& run)
{
    auto const text = read_file(run + "/job.json");
    if (!text) return text.error();
    return parse_jobs(*text);
}

/// Whether yoda would not take them: the run is not open, or a note that closes it is on its way.
Result<bool> takes_no_more(std::string const& run)
{
    RunFolder const folder(run);
    auto const names = list_folder(folder.inbox());
    if (!names) return names.error();
    for (auto const& name : *names)
        if (name.ends_with("-closed.json")) return true;
    auto const opened = open_run(folder, {});
    return opened ? is_run_closed(folder, *opened) : opened.error();
}

/// Beside the run's own files, so that they are there as soon as the run is.
void add_panda_files(RunBuilder& builder, InterchangeOptions const& options, std::vector<Job> const& jobs,
                     std::map<std::int64_t, std::vector<RefusedRange>> const& refused)
{
    PandaFolder const folder("");
    auto const below = [](std::string const& path) { return path.substr(1); };
    for (auto const& job : jobs)
        if (auto secrets = print_secrets(job); !secrets.empty())
            builder.add_file(below(secrets_path(folder.path(), job.panda_id())), std::move(secrets), 0600);
    for (auto const& [panda_id, list] : refused)
        if (!list.empty()) builder.add_file(below(folder.refused(panda_id)), print_refused(list));
    std::error_code code;
    auto const point = std::filesystem::absolute(options.access_point, code).string();
    if (!code) builder.add_file(below(folder.access_point()), point + "\n");
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
    AccessPoint const point(options.access_point);
    // First, so that nothing is asked for a run that cannot be made.
    auto builder = RunBuilder::create(options.run);
    if (!builder) return builder.error();
    auto const described = point.read_jobs();
    if (!described) return described.error();
    if (!*described) {
        auto const asked = point.ask_for_job();
        if (!asked) return asked.error();
        summary.waiting = true;
        summary.asked = *asked;
        return summary;
    }
    auto const jobs = take_jobs(point, **described, fetch, log);
    if (!jobs) return jobs.error();
    auto const lists = point.read_ranges(point.ranges(), *jobs);
    if (!lists) return lists.error();
    if (!*lists) {
        auto const asked = point.ask_for_ranges(*jobs, options.range_count);
        if (!asked) return asked.error();
        summary.waiting = true;
        summary.asked = *asked;
        return summary;
    }
    std::map<std::int64_t, std::vector<RefusedRange>> refused;
    for (auto const& job : *jobs) {
        auto const index = builder->add_job(without_secrets(job));
        std::map<std::string, std::string> paths;
        for (auto const& input : job.inputs()) paths[input.lfn] = input.pfn;
        auto const list = (*lists)->find(job.panda_id());
        if (list == (*lists)->end()) continue;
        RangeChecker checker(job);
        auto const status = take_ranges(
            list->second, checker, refused[job.panda_id()], [&](RangeView const& range) -> Status {
                ++summary.range_count;
                return builder->add_range(index, range, paths.at(std::string(range.lfn)));
            });
        if (!status) return status.error();
        summary.refused_count += static_cast<std::int64_t>(refused[job.panda_id()].size());
    }
    summary.job_count = static_cast<std::int64_t>(jobs->size());
    if (summary.range_count == 0) {
        summary.closed = true;
        auto const& job = jobs->front();
        auto const& list = refused[job.panda_id()];
        if (auto const status = point.tell_of_end(
                end_without_ranges(job.panda_id(), job.attempt(), list.empty() ? nullptr : &list.front()));
            !status)
            return status.error();
        return summary;
    }
    add_panda_files(*builder, options, *jobs, refused);
    builder->set_payload(fetch.payload);
    builder->set_options(fetch.config);
    if (auto const made = builder->commit(); !made) return made.error();
    if (auto const aside = put_aside(point.ranges(), point.ranges() + ".old"); !aside) return aside.error();
    return summary;
}

Result<InterchangeSummary> feed_from_access_point(InterchangeOptions const& options, Log& log)
{
    InterchangeSummary summary;
    AccessPoint const point(options.access_point);
    auto const no_more = takes_no_more(options.run);
    if (!no_more) return no_more.error();
    if (*no_more) {
        summary.closed = true;
        return summary;
    }
    auto const jobs = read_jobs_of(options.run);
    if (!jobs) return jobs.error();
    auto const ask = [&]() -> Status {
        auto const asked = point.ask_for_ranges(*jobs, options.range_count);
        if (!asked) return asked.error();
        summary.asked = *asked;
        return {};
    };
    auto const taking = point.ranges() + ".taking";
    auto const source = path_exists(taking) ? taking : point.ranges();
    auto const lists = point.read_ranges(source, *jobs);
    if (!lists) return lists.error();
    if (!*lists) {
        summary.waiting = true;
        if (auto const status = ask(); !status) return status.error();
        return summary;
    }
    if (source != taking && ::rename(source.c_str(), taking.c_str()) != 0)
        return os_error("rename", source, errno);
    bool all_empty = (*lists)->size() == jobs->size();
    for (auto const& [panda_id, list] : **lists) all_empty = all_empty && is_empty_list(list);
    for (std::size_t i = 0; i < jobs->size(); ++i) {
        auto const& job = (*jobs)[i];
        auto const list = (*lists)->find(job.panda_id());
        if (list == (*lists)->end()) continue;
        auto note = Json{{"version", 1}, {"type", "more_ranges"}, {"job", i}, {"PandaID", job.panda_id()}};
        note["ranges"] = Json::array();
        RangeChecker checker(job);
        std::vector<RefusedRange> refused;
        auto const status = take_ranges(list->second, checker, refused, [&](RangeView const& range) {
            note["ranges"].push_back({{"eventRangeID", range.id},
                                      {"startEvent", range.start_event},
                                      {"lastEvent", range.last_event},
                                      {"LFN", range.lfn},
                                      {"GUID", range.guid},
                                      {"scope", range.scope}});
            return Status{};
        });
        if (!status) return status.error();
        if (auto const kept = add_refused(PandaFolder(options.run).refused(job.panda_id()), refused); !kept)
            return kept.error();
        summary.refused_count += static_cast<std::int64_t>(refused.size());
        summary.range_count += static_cast<std::int64_t>(note["ranges"].size());
        if (note["ranges"].empty() && !all_empty) continue;  // The others still get some.
        auto const name = note_name_for(taking, all_empty ? "closed" : "more_ranges", job.panda_id());
        if (!name) return name.error();
        summary.closed = all_empty;
        if (auto const written =
                write_note(options.run, *name, all_empty ? print_closed_note() : print_line(note));
            !written)
            return written.error();
        if (all_empty) break;  // One is enough.
    }
    log.info("fed", {{"run", options.run}, {"range_count", summary.range_count}});
    if (auto const aside = put_aside(taking, point.ranges() + ".old"); !aside) return aside.error();
    if (!summary.closed)
        if (auto const status = ask(); !status) return status.error();
    return summary;
}

}  // namespace yoda
