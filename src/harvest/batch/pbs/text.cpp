// SPDX-License-Identifier: Apache-2.0
#include "harvest/batch/pbs/text.hpp"

#include <cctype>
#include <utility>

#include "core/config/units.hpp"

namespace yoda {

namespace {

Error unreadable(std::string why)
{
    return {ErrorKind::bad_input, "qstat's list of jobs cannot be read", std::move(why), {}};
}

}  // namespace

std::optional<BatchState> parse_pbs_state(std::string_view letter)
{
    if (letter.size() != 1) return std::nullopt;
    switch (letter[0]) {
        case 'Q':  // queued
        case 'H':  // held
        case 'W':  // waits for its time
        case 'T':  // in transit to its host
        case 'M':  // moved to another server, which will run it
            return BatchState::pending;
        case 'R':  // running
        case 'B':  // array with subjobs that run
        case 'E':  // exiting
        case 'S':  // suspended
        case 'U':  // suspended because its workstation's user is back
            return BatchState::running;
        case 'F':  // finished
        case 'C':  // completed (Torque)
        case 'X':  // expired subjob
            return BatchState::ended;
        default:
            return std::nullopt;
    }
}

Result<std::string> parse_qsub(std::string_view text)
{
    auto const line = last_line(text);
    if (line.empty() || std::isdigit(static_cast<unsigned char>(line[0])) == 0 ||
        line.find_first_of(" \t") != std::string_view::npos)
        return Error{ErrorKind::bad_input, "qsub names no job", "it printed '" + std::string(line) + "'", {}};
    return std::string(line);
}

Result<std::vector<BatchJob>> parse_qstat_text(std::string_view text)
{
    struct Block {
        std::string id, name, state, comment;
        std::string* open = nullptr;  ///< a folded value goes on here
        bool begun = false;
        bool tabs = false;  ///< Slurm's wrapper indents by tabs and folds nothing
    };
    std::vector<Block> blocks;
    for (auto const line : split_lines(text)) {
        if (trim(line).empty()) continue;
        if (line.starts_with("Job Id:")) {
            blocks.push_back({std::string(trim(line.substr(7))), {}, {}, {}, nullptr, false, false});
            continue;
        }
        if (blocks.empty()) continue;  // A greeting before the first job.
        auto& block = blocks.back();
        if (!std::exchange(block.begun, true)) block.tabs = line.starts_with('\t');
        if (line.starts_with('\t') && !block.tabs) {
            if (block.open != nullptr) *block.open += trim(line);
            continue;
        }
        auto const equals = line.find('=');
        if (equals == std::string_view::npos) {
            block.open = nullptr;
            continue;
        }
        auto const key = trim(line.substr(0, equals));
        block.open = key == "Job_Name"    ? &block.name
                     : key == "job_state" ? &block.state
                     : key == "comment"   ? &block.comment
                                          : nullptr;
        if (block.open != nullptr) *block.open = trim(line.substr(equals + 1));
    }
    if (blocks.empty() && !trim(text).empty())
        return unreadable("it begins '" + std::string(text.substr(0, 60)) + "'");
    std::vector<BatchJob> jobs;
    for (auto& block : blocks) {
        auto const state = parse_pbs_state(block.state);
        if (!state) return unreadable("state '" + block.state + "' of job " + block.id);
        jobs.push_back({std::move(block.id), std::move(block.name), *state, std::move(block.state),
                        std::move(block.comment)});
    }
    return jobs;
}

std::uint64_t count_idle_pbs_nodes(std::string_view text)
{
    std::uint64_t count = 0;
    bool free = false, busy = false;
    auto const end_node = [&] {
        if (free && !busy) ++count;
        free = busy = false;
    };
    for (auto const line : split_lines(text)) {
        bool const is_name = !line.empty() && line.front() != ' ' && line.front() != '\t';
        if (is_name || trim(line).empty()) {
            end_node();
            continue;
        }
        auto const equals = line.find('=');
        if (equals == std::string_view::npos) continue;
        auto const key = trim(line.substr(0, equals)), value = trim(line.substr(equals + 1));
        if (key == "state") free = value == "free";
        if (key == "jobs") busy = !value.empty();
    }
    end_node();
    return count;
}

bool is_unknown_pbs_job(std::string_view qstat_error)
{
    // OpenPBS "Unknown Job Id 7.p1"; Slurm's wrapper "Invalid job id".
    return qstat_error.find("nknown Job") != std::string_view::npos ||
           qstat_error.find("nvalid job id") != std::string_view::npos;
}

bool is_finished_pbs_job(std::string_view qstat_error)
{
    // "Job has finished, use -x or -H to obtain historical job information"
    return qstat_error.find("Job has finished") != std::string_view::npos;
}

bool qsub_may_have_submitted(std::string_view qsub_error)
{
    for (auto const words : {"onnect", "timed out", "imeout", "ommunication", "rotocol", "emporar",
                             "End of File", "EOF", "again", "not responding"}) {
        if (qsub_error.find(words) != std::string_view::npos) return true;
    }
    return qsub_error.find("qsub") == std::string_view::npos &&
           qsub_error.find("error") == std::string_view::npos;
}

}  // namespace yoda
