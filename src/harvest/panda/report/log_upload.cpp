// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/report/log_upload.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "core/table/event_range.hpp"
#include "harvest/panda/report/job_report.hpp"
#include "harvest/panda/wire/settings.hpp"
#include "harvest/stores/base/digest.hpp"
#include "harvest/stores/base/file_sums.hpp"
#include "sys/base/files.hpp"
#include "sys/base/run_folder.hpp"

namespace yoda {

namespace {

constexpr std::string_view special_prefix = "special.";

/// Logs of the payload of job `index` (payload_<rank>_<job>...), and all that belong to no job.
bool is_log_of(std::string_view name, std::size_t index)
{
    if (!name.starts_with("payload_")) return true;
    auto const head = name.substr(0, name.find_first_of("./", 8));
    return head.ends_with(fmt::format("_{}", index));
}

/// What the last yoda told: it ended, and no range is left to do.
bool all_ranges_ended(RunFolder const& run)
{
    auto const text = read_file(run.status(), 64u << 20);
    auto const json = text ? nlohmann::json::parse(*text, nullptr, false) : nlohmann::json();
    if (!json.is_object() || json.value("state", "") != "ended") return false;
    auto const ranges = json.find("ranges");
    if (ranges == json.end() || !ranges->is_object()) return false;
    return ranges->value("ready", 1) == 0 && ranges->value("sent", 1) == 0;
}

Result<bool> is_over_for_panda(PandaFolder const& panda, std::int64_t panda_id)
{
    auto const path = panda.job(panda_id);
    if (!path_exists(path)) return false;
    auto const text = read_file(path);
    if (!text) return text.error();
    auto const record = parse_job_record(*text);
    if (!record) return record.error();
    return !record->ended && (record->last_state == "transferring" || record->last_state == "holding");
}

std::string path_of(std::string_view activity, std::string_view file_name)
{
    return fmt::format("upload/{}/{}", activity, file_name);
}

}  // namespace

std::string log_file_name(Job const& job)
{
    auto name = job.text("logFile");
    return is_plain_file_name(name) ? name : fmt::format("log.{}.tgz", job.panda_id());
}

std::string log_record_name(Job const& job, std::string_view activity)
{
    return activity == "logs" ? std::string(special_prefix) + log_file_name(job) : log_file_name(job);
}

bool is_log_record(StageRecord const& record)
{
    return record.activity == "pl" || record.activity == "logs";
}

Result<std::vector<StageRecord>> find_wanted_logs(std::string const& run_folder,
                                                  std::vector<std::string> const& activities,
                                                  std::int64_t now_unix_s)
{
    std::vector<StageRecord> wanted;
    RunFolder const run(run_folder);
    PandaFolder const panda(run_folder);
    if (activities.empty() || !path_exists(run.jobs())) return wanted;
    if (!panda.is_there() && !all_ranges_ended(run)) return wanted;
    auto const text = read_file(run.jobs());
    if (!text) return text.error();
    auto const jobs = parse_jobs(*text);
    if (!jobs) return jobs.error();
    for (auto const& job : *jobs) {
        if (panda.is_there()) {
            auto const over = is_over_for_panda(panda, job.panda_id());
            if (!over) return over.error();
            if (!*over) continue;
        }
        for (auto const& activity : activities) {
            StageRecord record;
            record.name = log_record_name(job, activity);
            record.lfn = log_file_name(job);
            record.path = path_of(activity, record.lfn);
            record.activity = activity;
            record.scope = job.text("scopeLog");
            record.panda_id = job.panda_id();
            record.task_id = job.task_id();
            record.token = random_hex(8);
            record.sealed_unix_s = now_unix_s;
            wanted.push_back(std::move(record));
        }
    }
    return wanted;
}

Result<LogTarball> write_job_log(std::string const& run_folder, std::size_t job_index, std::int64_t panda_id,
                                 std::string const& output, std::function<bool()> const& give_up)
{
    return write_log_tarball(
        RunFolder(run_folder).logs(), output, fmt::format("tarball_PandaJob_{}", panda_id),
        [&](std::string_view path) { return is_log_of(path, job_index); }, give_up);
}

Status make_log(std::string const& run_folder, StageRecord& record, Clock const& clock,
                std::function<bool()> const& stop)
{
    auto const late = [&] { return clock.unix_ns() / 1'000'000'000 - record.sealed_unix_s > log_limit_s; };
    if (late())
        return Error{ErrorKind::bad_input,
                     "the log of job " + std::to_string(record.panda_id) + " is given up",
                     fmt::format("it could not be made within {} min; the last try: {}", log_limit_s / 60,
                                 record.reason.empty() ? "was interrupted" : record.reason),
                     "harvest logs RUN makes it by hand"};
    auto const path = run_folder + "/" + record.path;
    if (auto const status = make_folders(path.substr(0, path.rfind('/'))); !status) return status;
    // One tarball for both places.
    auto const other = run_folder + "/" + path_of(record.activity == "pl" ? "logs" : "pl", record.lfn);
    if (!path_exists(path) && ::link(other.c_str(), path.c_str()) != 0) {
        auto const text = read_file(RunFolder(run_folder).jobs());
        if (!text) return text.error();
        auto const jobs = parse_jobs(*text);
        if (!jobs) return jobs.error();
        std::size_t index = 0;
        while (index < jobs->size() && (*jobs)[index].panda_id() != record.panda_id) ++index;
        if (index == jobs->size())
            return Error{ErrorKind::bad_input,
                         "no log of job " + std::to_string(record.panda_id),
                         "it is not in job.json",
                         {}};
        auto const made =
            write_job_log(run_folder, index, record.panda_id, path, [&] { return late() || stop(); });
        if (!made) return made.error();
    }
    std::error_code code;
    auto const bytes = std::filesystem::file_size(path, code);
    if (code) return os_error("look at", path, code.value());
    auto const sums = sum_file(path, 0, {bytes, std::max<std::uint64_t>(bytes, 1)}, 1);
    if (!sums) return sums.error();
    record.bytes = bytes;
    record.adler32 = sums->front().adler32;
    return {};
}

}  // namespace yoda
