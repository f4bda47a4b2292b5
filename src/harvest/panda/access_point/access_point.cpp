// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/access_point/access_point.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>

#include "harvest/panda/wire/range_scanner.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace {

using Json = nlohmann::json;

/// The text of a file; nullopt: not there. Errors: io.
Result<std::optional<std::string>> read_offer(std::string const& path)
{
    auto text = read_file(path);
    if (text) return std::optional(std::move(*text));
    if (!path_exists(path)) return std::optional<std::string>{};
    return text.error();
}

/// Why a whole file is not an answer to us. Empty: it is one, and `lists` has what it holds for our jobs.
std::string take_lists(Json const& content, std::vector<Job> const& jobs, AccessPoint::RangeLists& lists)
{
    if (!content.is_object()) return "it is not a JSON object of lists";
    for (auto const& job : jobs) {
        auto const list = content.find(std::to_string(job.panda_id()));
        if (list == content.end()) continue;
        auto text = print_line(*list);
        auto const scanned = scan_ranges(text, [](RangeView const&) { return Status{}; });
        if (!scanned) return fmt::format("job {}: {}", job.panda_id(), scanned.error().text());
        lists.emplace(job.panda_id(), std::move(text));
    }
    return lists.empty() ? "it has a list for none of the run's jobs" : "";
}

}  // namespace

std::string print_line(Json const& json)
{
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<std::string> put_aside(std::string const& path, std::string const& stem)
{
    for (unsigned number = 0; number < 1'000'000; ++number) {
        auto aside = fmt::format("{}.{:02}", stem, number);
        if (path_exists(aside)) continue;
        if (::rename(path.c_str(), aside.c_str()) != 0) return os_error("rename", path, errno);
        return aside;
    }
    return Error{ErrorKind::io, path + " cannot be put aside", "a million old ones are there", "remove them"};
}

Result<std::optional<Json>> AccessPoint::read_jobs() const
{
    auto const path = file("HPCJobs.json");
    auto const text = read_offer(path);
    if (!text) return text.error();
    auto const begin = *text ? (*text)->find_first_not_of(" \t\r\n") : std::string::npos;
    if (begin == std::string::npos) return std::optional<Json>{};
    if ((**text)[begin] != '{' && (**text)[begin] != '[')
        return Error{ErrorKind::usage, path + " is not JSON",
                     "Harvester writes job definitions in another form (jobSpecFileFormat = cgi)",
                     "set jobSpecFileFormat to json for the messenger of this queue"};
    auto jobs = Json::parse(**text, nullptr, false);
    if (jobs.is_discarded()) return std::optional<Json>{};
    if (!jobs.is_object() || jobs.empty())
        return Error{ErrorKind::bad_input, path + " holds no job", "it is not an object of job definitions",
                     "look at this file and at Harvester's log"};
    return std::optional(std::move(jobs));
}

Result<std::optional<AccessPoint::RangeLists>> AccessPoint::read_ranges(std::string const& path,
                                                                        std::vector<Job> const& jobs) const
{
    auto const text = read_offer(path);
    if (!text) return text.error();
    auto const content = *text ? Json::parse(**text, nullptr, false) : Json(Json::value_t::discarded);
    if (content.is_discarded()) return std::optional<RangeLists>{};
    RangeLists lists;
    auto const problem = take_lists(content, jobs, lists);
    if (problem.empty()) return std::optional(std::move(lists));
    auto const aside = put_aside(path, ranges() + ".bad");
    if (!aside) return aside.error();
    return Error{
        ErrorKind::bad_input, ranges() + " is malformed", problem,
        fmt::format("it is kept as {}, and later lists are taken; PanDA keeps the ranges in it until "
                    "the job ends. Look at Harvester's log",
                    *aside)};
}

Result<bool> AccessPoint::ask(std::string_view request, std::string const& answer, Json const& wish) const
{
    // In this order: what answers a request is there before the request goes.
    if (path_exists(file(request)) || path_exists(answer)) return false;
    if (auto const status = replace_file(file(request), print_line(wish)); !status) return status.error();
    return true;
}

Result<bool> AccessPoint::ask_for_job() const
{
    return ask("worker_requestjob.json", file("HPCJobs.json"), {{"nJobs", 1}});
}

Result<bool> AccessPoint::ask_for_ranges(std::vector<Job> const& jobs, std::int64_t range_count) const
{
    auto wish = Json::object();
    for (auto const& job : jobs)
        wish[std::to_string(job.panda_id())] = {{"pandaID", job.panda_id()},
                                                {"taskID", job.task_id()},
                                                {"jobsetID", job.jobset_id()},
                                                {"nRanges", range_count}};
    return ask("worker_requestevents.json", ranges(), wish);
}

Status AccessPoint::write_attributes(Json const& attributes) const
{
    return replace_file(file("worker_attributes.json"), print_line(attributes));
}

Status AccessPoint::write_kill(std::string_view reason) const
{
    auto const path = file("kill_worker.json");
    return path_exists(path) ? Status{} : replace_file(path, print_line({{"reason", reason}}));
}

Status AccessPoint::tell_of_end(JobEnd const& end) const
{
    // Harvester takes the job's state from here also when it then kills the worker: in this order.
    if (auto const status = write_attributes(
            {{"jobStatus", "failed"}, {"pilotErrorCode", end.code}, {"pilotErrorDiag", end.diag}});
        !status)
        return status;
    return write_kill(fmt::format("job {} cannot run here: {}", end.panda_id, end.diag));
}

}  // namespace yoda
