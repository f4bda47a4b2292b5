// SPDX-License-Identifier: Apache-2.0
// A job as a batch system tells of it, in words that are the same for all of them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace yoda {

enum class BatchKind { slurm, pbs, local };
std::string_view print_batch_kind(BatchKind kind);
/// Error: none of slurm, pbs, local.
Result<BatchKind> parse_batch_kind(std::string_view word);

/// How a job ended does not matter here: an event service job that ran out of time has done its work. What
/// is left of the run decides.
enum class BatchState { pending, running, ended };
std::string_view print_batch_state(BatchState state);

struct BatchJob {
    std::string id;
    std::string name;
    BatchState state = BatchState::pending;
    std::string word;          ///< the system's own word for the state: "TIMEOUT", "F"
    std::string reason;        ///< why it waits or ended, in the system's words; may be empty
    std::string cluster = {};  ///< Slurm with --clusters: where it is; empty: the commands' own cluster
    bool operator==(BatchJob const&) const = default;
};

/// How a job is asked for. Its name is unique for ever; its number is not: another cluster, and a server that
/// was set up anew, give the same ones to other people's jobs.
struct JobRef {
    std::string name;
    std::string id;       ///< empty: not known
    std::string cluster;  ///< Slurm: one, or several ("a,b", "all") while it is not known which has it
};

/// The text's lines, without the last empty one and without carriage returns.
std::vector<std::string_view> split_lines(std::string_view text);
/// The last line that is not blank: programs of sites print greetings before their answer.
std::string_view last_line(std::string_view text);

}  // namespace yoda
