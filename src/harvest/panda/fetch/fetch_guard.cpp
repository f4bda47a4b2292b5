// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/fetch/fetch_guard.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "harvest/panda/wire/error_codes.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t record_limit_bytes = 256ull << 20;
constexpr std::string_view ended_name = "ended-in-a-row.json";

Result<std::map<std::int64_t, std::string>> parse_ended(std::string_view text)
{
    try {
        std::map<std::int64_t, std::string> ended;
        auto const json = nlohmann::json::parse(text);
        for (auto const& item : json.at("jobs"))
            ended.emplace(item.at("PandaID").get<std::int64_t>(), item.at("why").get<std::string>());
        return ended;
    } catch (nlohmann::json::exception const& exception) {
        return Error{ErrorKind::bad_input, "the list of ended jobs cannot be read", exception.what(), {}};
    }
}

JobUpdate make_update(HeldJob const& job, std::string state, std::map<std::string, std::string> const& fields)
{
    JobUpdate update{job.panda_id, std::move(state), fields};
    if (job.attempt > 0) update.fields["attemptNr"] = std::to_string(job.attempt);
    return update;
}

}  // namespace

std::string FetchGuard::folder_of(std::string const& run_or_spool)
{
    std::error_code ignored;
    auto path = fs::absolute(run_or_spool, ignored).lexically_normal();
    if (path.filename().empty()) path = path.parent_path();
    bool const is_folder_of_runs =
        path_exists((path / "held-jobs").string()) || path_exists((path / "spool.cfg").string());
    return is_folder_of_runs ? path.string() : path.parent_path().string();
}

Result<FetchGuard> FetchGuard::open(std::string const& folder)
{
    FetchGuard guard(folder);
    auto names = list_folder(guard.path());
    if (!names) return names.error();
    std::sort(names->begin(), names->end());
    auto const complain = [](std::string const& path, Error error) {
        error.what = path + ": " + error.what;
        error.fix = "nothing is fetched before a person has looked at it";
        return error;
    };
    for (auto const& name : *names) {
        if (!name.ends_with(".json")) continue;
        auto const path = guard.path() + "/" + name;
        auto const text = read_file(path, record_limit_bytes);
        if (!text) return text.error();
        if (name == ended_name) {
            auto ended = parse_ended(*text);
            if (!ended) return complain(path, ended.error());
            guard.ended_ = *std::move(ended);
            continue;
        }
        auto job = parse_held_job(*text);
        if (!job) return complain(path, job.error());
        guard.jobs_.push_back(*std::move(job));
    }
    return guard;
}

bool FetchGuard::holds_any() const
{
    return std::any_of(jobs_.begin(), jobs_.end(),
                       [](HeldJob const& job) { return job.state == HeldState::held; });
}

HeldJob const* FetchGuard::find(std::int64_t panda_id) const
{
    auto const found = std::find_if(jobs_.begin(), jobs_.end(),
                                    [&](HeldJob const& job) { return job.panda_id == panda_id; });
    return found == jobs_.end() ? nullptr : &*found;
}

std::vector<std::string> FetchGuard::alarms() const
{
    std::vector<std::string> lines;
    for (auto const& job : jobs_) {
        if (job.state != HeldState::held) continue;
        lines.push_back(fmt::format(
            "{}: this queue gets merge jobs; PanDA must set jobseed=es. Nothing is fetched until PanDA's "
            "people take the job back or `harvest fetch --release-job {} {}` ends it as failed, by "
            "which PanDA discards its ranges",
            job.text(), job.panda_id, folder_));
    }
    if (ended_.size() >= ended_limit)
        lines.push_back(
            fmt::format("fetching has stopped: {} jobs in a row could not run here, the last one, {}, "
                        "because of this: {}. "
                        "Mend that, then call `harvest fetch --resume {}`",
                        ended_.size(), ended_.rbegin()->first, ended_.rbegin()->second, folder_));
    return lines;
}

Status FetchGuard::write(HeldJob const& job) const
{
    if (auto const made = make_folders(path()); !made) return made;
    return replace_file(fmt::format("{}/{}.json", path(), job.panda_id), print_held_job(job));
}

Status FetchGuard::hold(HeldJob const& job)
{
    if (find(job.panda_id) != nullptr) return {};
    jobs_.push_back(job);
    return write(job);
}

Status FetchGuard::note_ended(JobEnd const& end)
{
    if (!ended_.emplace(end.panda_id, end.diag).second) return {};
    auto jobs = nlohmann::json::array();
    for (auto const& [panda_id, why] : ended_) jobs.push_back({{"PandaID", panda_id}, {"why", why}});
    if (auto const made = make_folders(path()); !made) return made;
    return replace_file(ended_path(), nlohmann::json{{"version", 1}, {"jobs", jobs}}.dump(
                                          1, ' ', false, nlohmann::json::error_handler_t::replace) +
                                          "\n");
}

Status FetchGuard::forget_ended()
{
    ended_.clear();
    if (::unlink(ended_path().c_str()) == 0) return sync_folder(path());
    return errno == ENOENT ? Status{} : Status(os_error("remove", ended_path(), errno));
}

Status FetchGuard::send_heartbeats(PandaClient& client, std::map<std::string, std::string> const& job_fields,
                                   std::int64_t heartbeat_s, std::int64_t now_unix_s, Log& log)
{
    Status all_written;
    for (auto& job : jobs_) {
        // A clock that was set back must not silence us.
        bool const due =
            now_unix_s - job.last_sent_unix_s >= heartbeat_s || now_unix_s < job.last_sent_unix_s;
        if (job.state != HeldState::held || !due) continue;
        auto const answer = client.update_job(make_update(job, "starting", job_fields));
        if (!answer.judgement.stored()) {
            job.problem = answer.judgement.why;
            log.warning("held_job_not_updated", {{"PandaID", job.panda_id}, {"why", job.problem}});
        } else {
            job.problem.clear();
            job.last_sent_unix_s = now_unix_s;
            if (answer.commands.job_gone() || answer.commands.already_done) {
                job.state = HeldState::gone;
                log.warning("held_job_gone", {{"PandaID", job.panda_id}});
            }
        }
        // A full disk must not keep the next job from its heartbeat.
        if (auto const status = write(job); !status && all_written) all_written = status;
    }
    return all_written;
}

Status FetchGuard::release(std::int64_t panda_id, PandaClient& client,
                           std::map<std::string, std::string> const& job_fields, Log& log)
{
    auto const found = std::find_if(jobs_.begin(), jobs_.end(),
                                    [&](HeldJob const& job) { return job.panda_id == panda_id; });
    if (found == jobs_.end() || found->state != HeldState::held)
        return Error{ErrorKind::usage,
                     fmt::format("job {} is not held in {}", panda_id, folder_),
                     {},
                     "`harvest status FOLDER` shows the held jobs"};
    auto update = make_update(*found, "failed", job_fields);
    update.fields["pilotErrorCode"] = std::to_string(pilot_error::setup_failure);
    update.fields["pilotErrorDiag"] = "a merge job on a queue for event-service jobs; ended by a person";
    update.fields["jobSubStatus"] = "pilot_failed";
    update.fields["xml"] = "{}";  // PanDA's adder reads it also for a job that never ran.
    auto const answer = client.update_job(update);
    if (!answer.judgement.stored())
        return Error{
            answer.judgement.outcome == PandaOutcome::refused ? ErrorKind::refused : ErrorKind::unavailable,
            fmt::format("PanDA did not end job {}", panda_id), answer.judgement.why,
            "the job stays held; call again"};
    found->state = HeldState::released;
    log.warning("held_job_released", {{"PandaID", panda_id}, {"range_count", found->range_ids.size()}});
    return write(*found);
}

}  // namespace yoda
