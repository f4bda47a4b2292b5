// SPDX-License-Identifier: Apache-2.0
// Runs a program of the batch system: bounded in time and output, no shell.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "sys/base/clock.hpp"

namespace yoda {

struct ProgramEnd {
    int exit_code = -1;  ///< meaningful if it ended by itself
    int signal = 0;
    bool timed_out = false;  ///< it was killed by us
    std::string out;
    std::string err;

    bool well() const { return exit_code == 0 && signal == 0 && !timed_out; }
    /// "sbatch: error: ..." as it said, or how it ended.
    std::string why() const;
};

/// Error (usage): there is no such program in PATH. Its standard input is empty; its environment is ours
/// without what belongs to an MPI launch. With its whole process group it is killed after `limit`.
Result<ProgramEnd> run_program(std::vector<std::string> const& words, Duration limit, Clock const& clock);

/// Whether `name` is an executable somewhere in PATH.
bool is_in_path(std::string const& name);

}  // namespace yoda
