// SPDX-License-Identifier: Apache-2.0
// How a run stands with its batch system, for people and programs; and the runs of a folder.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "harvest/batch/batch_run.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace fs = std::filesystem;

nlohmann::ordered_json BatchStanding::json() const
{
    nlohmann::ordered_json out;
    out["run"] = run;
    out["step"] = print_next_step(step);
    out["why"] = why;
    out["ranges"] = {{"total", range_count}, {"unended", unended_count}, {"failed", failed_count}};
    out["submitted_now"] = submitted_now;
    out["cancelled_now"] = cancelled_now;
    if (trouble) out["trouble"] = {{"what", trouble->what}, {"why", trouble->why}, {"fix", trouble->fix}};
    if (!job_file.empty()) {
        out["job_file"] = job_file;
        out["nodes"] = size.node_count;
        out["walltime_s"] = size.walltime_s;
    }
    out["exit_code"] = int{exit_code()};
    out["submissions"] = nlohmann::ordered_json::array();
    for (auto const& submission : submissions) out["submissions"].push_back(print_submission(submission));
    return out;
}

std::string BatchStanding::text() const
{
    auto line = fmt::format("{}: {}, {} of {} ranges to do: {}\n", run, print_next_step(step), unended_count,
                            range_count, why);
    if (trouble) line += "  trouble: " + trouble->text() + "\n";
    return line;
}

ExitCode BatchStanding::exit_code() const
{
    if (step == NextStep::give_up) return exit_person;
    if (trouble) return exit_code_of(*trouble);
    return step == NextStep::complete && failed_count > 0 ? exit_some_failed : exit_done;
}

Result<std::vector<std::string>> list_run_folders(std::string const& folder)
{
    std::error_code code;
    if (!fs::is_directory(folder, code))
        return Error{ErrorKind::usage, folder + " cannot be found", "there is no such folder",
                     "was the run folder moved or deleted?"};
    if (path_exists(folder + "/job.json")) return std::vector<std::string>{folder};
    std::vector<std::string> runs;
    for (fs::directory_iterator it(folder, code), end; !code && it != end; it.increment(code)) {
        auto const& entry = *it;
        auto const name = entry.path().filename().string();
        // A folder that is being made, fetched or removed is not a run.
        if (name.starts_with('.') || name.ends_with(".fetch") || name.find(".part") != std::string::npos)
            continue;
        if (path_exists(entry.path().string() + "/job.json")) runs.push_back(entry.path().string());
    }
    if (runs.empty() && path_exists(folder + "/batch"))
        return Error{ErrorKind::usage, folder + " is no run folder any more", "it has no job.json", {}};
    std::sort(runs.begin(), runs.end());
    return runs;
}

}  // namespace yoda
