// SPDX-License-Identifier: Apache-2.0
#include "harvest/batch/slurm/text.hpp"

#include <algorithm>
#include <array>

#include "core/config/units.hpp"

namespace yoda {

namespace {

constexpr std::array pending = {std::string_view("PENDING"),      std::string_view("CONFIGURING"),
                                std::string_view("REQUEUED"),     std::string_view("REQUEUE_HOLD"),
                                std::string_view("REQUEUE_FED"),  std::string_view("RESV_DEL_HOLD"),
                                std::string_view("SPECIAL_EXIT"), std::string_view("POWER_UP_NODE")};
// A job that is completing may still write into the run.
constexpr std::array running = {std::string_view("RUNNING"),   std::string_view("COMPLETING"),
                                std::string_view("SUSPENDED"), std::string_view("STOPPED"),
                                std::string_view("SIGNALING"), std::string_view("STAGE_OUT"),
                                std::string_view("RESIZING")};
constexpr std::array ended = {
    std::string_view("COMPLETED"),     std::string_view("FAILED"),        std::string_view("CANCELLED"),
    std::string_view("TIMEOUT"),       std::string_view("NODE_FAIL"),     std::string_view("PREEMPTED"),
    std::string_view("OUT_OF_MEMORY"), std::string_view("BOOT_FAIL"),     std::string_view("DEADLINE"),
    std::string_view("REVOKED"),       std::string_view("LAUNCH_FAILED"), std::string_view("RECONFIG_FAIL")};

template <class Words>
bool contains(Words const& words, std::string_view word)
{
    return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_job_id(std::string_view text)
{
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

std::optional<BatchState> parse_slurm_state(std::string_view word)
{
    word = word.substr(0, word.find_first_of(" +"));  // "CANCELLED by 1000", "CANCELLED+"
    if (contains(pending, word)) return BatchState::pending;
    if (contains(running, word)) return BatchState::running;
    if (contains(ended, word)) return BatchState::ended;
    return std::nullopt;
}

Result<SubmittedJob> parse_sbatch(std::string_view text)
{
    auto const line = trim(last_line(text));
    auto const semicolon = std::min(line.find(';'), line.size());
    auto const id = line.substr(0, semicolon);
    if (!is_job_id(id))
        return Error{
            ErrorKind::bad_input, "sbatch names no job", "it printed '" + std::string(line) + "'", {}};
    return SubmittedJob{std::string(id), std::string(line.substr(std::min(semicolon + 1, line.size())))};
}

std::string clusters_in_options(std::vector<std::string> const& options)
{
    std::string_view found;
    for (std::string_view option : options) {
        option = trim(option);
        auto const key = option.substr(0, option.find_first_of("= \t"));
        if (key == "--clusters" || key == "--cluster")
            option.remove_prefix(key.size());
        else if (option.starts_with("-M"))
            option.remove_prefix(2);
        else
            continue;
        if (option.starts_with('=')) option.remove_prefix(1);
        option = trim(option);
        if (option.size() > 1 && (option.front() == '"' || option.front() == '\''))
            option = option.substr(1, option.size() - 2);
        found = option;
    }
    return std::string(found);
}

std::vector<std::string> split_clusters(std::string_view clusters)
{
    std::vector<std::string> parts;
    while (!clusters.empty()) {
        auto const comma = std::min(clusters.find(','), clusters.size());
        if (auto const part = trim(clusters.substr(0, comma)); !part.empty()) parts.emplace_back(part);
        clusters.remove_prefix(std::min(comma + 1, clusters.size()));
    }
    if (parts.empty()) parts.emplace_back();
    return parts;
}

Result<std::vector<BatchJob>> parse_slurm_jobs(std::string_view text)
{
    std::vector<BatchJob> jobs;
    for (auto const line : split_lines(text)) {
        if (trim(line).empty()) continue;
        std::array<std::string_view, 4> fields;
        auto rest = line;
        for (std::size_t i = 0; i < fields.size(); ++i) {
            auto const bar = i + 1 < fields.size() ? rest.find('|') : std::string_view::npos;
            fields[i] = trim(rest.substr(0, bar));
            if (i + 1 < fields.size() && bar == std::string_view::npos)
                return Error{ErrorKind::bad_input,
                             "Slurm's list of jobs cannot be read",
                             "line '" + std::string(line) + "'",
                             {}};
            if (bar != std::string_view::npos) rest.remove_prefix(bar + 1);
        }
        auto const state = parse_slurm_state(fields[2]);
        if (!state || fields[0].empty())
            return Error{ErrorKind::bad_input,
                         "Slurm's list of jobs cannot be read",
                         "state '" + std::string(fields[2]) + "' of job " + std::string(fields[0]),
                         {}};
        auto const reason = fields[3] == "None" || fields[3] == "(null)" ? std::string_view() : fields[3];
        jobs.push_back({std::string(fields[0]), std::string(fields[1]), *state, std::string(fields[2]),
                        std::string(reason)});
    }
    return jobs;
}

bool may_have_submitted(std::string_view sbatch_error)
{
    // Words of a call that got no answer. Slurm sends the job before it waits, so it may be there.
    for (auto const words : {"timed out", "timeout", "Unable to contact", "Connection re", "Zero Bytes",
                             "communication", "ransport", "emporarily", "again", "failure", "standby"}) {
        if (sbatch_error.find(words) != std::string_view::npos) return true;
    }
    return sbatch_error.find("error") == std::string_view::npos;
}

}  // namespace yoda
