// SPDX-License-Identifier: Apache-2.0
#include "harvest/batch/base/batch_job.hpp"

#include "core/config/units.hpp"

namespace yoda {

std::string_view print_batch_kind(BatchKind kind)
{
    switch (kind) {
        case BatchKind::slurm:
            return "slurm";
        case BatchKind::pbs:
            return "pbs";
        case BatchKind::local:
            return "local";
    }
    return "local";
}

Result<BatchKind> parse_batch_kind(std::string_view word)
{
    for (auto const kind : {BatchKind::slurm, BatchKind::pbs, BatchKind::local}) {
        if (word == print_batch_kind(kind)) return kind;
    }
    return Error{
        ErrorKind::usage, "'" + std::string(word) + "' is no batch system", {}, "slurm, pbs or local"};
}

std::string_view print_batch_state(BatchState state)
{
    switch (state) {
        case BatchState::pending:
            return "pending";
        case BatchState::running:
            return "running";
        case BatchState::ended:
            return "ended";
    }
    return "ended";
}

std::vector<std::string_view> split_lines(std::string_view text)
{
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        auto const end = text.find('\n');
        auto line = text.substr(0, end);
        if (line.ends_with('\r')) line.remove_suffix(1);
        lines.push_back(line);
        if (end == std::string_view::npos) break;
        text.remove_prefix(end + 1);
    }
    return lines;
}

std::string_view last_line(std::string_view text)
{
    std::string_view last;
    for (auto const line : split_lines(text)) {
        if (auto const trimmed = trim(line); !trimmed.empty()) last = trimmed;
    }
    return last;
}

}  // namespace yoda
