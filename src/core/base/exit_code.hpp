// SPDX-License-Identifier: Apache-2.0
// The exit codes of both programs: one table for all commands (docs/operations.md, "Exit codes").
#pragma once

#include "core/base/result.hpp"

namespace yoda {

enum ExitCode : int {
    exit_done = 0,         ///< all as planned; a job that waits or runs is as planned
    exit_some_failed = 1,  ///< ended, but some ranges failed for good
    exit_usage = 2,        ///< the command line, a setting or an input is wrong
    exit_again = 3,        ///< something did not work and will be tried again by the next call
    exit_person = 4,       ///< a person is needed, or the program cannot go on
};

/// The code that fits an error by its kind.
ExitCode exit_code_of(Error const& error);

/// The code of a call for several runs: the worst of 4, 2, 1, 3, 0.
ExitCode worse_exit(ExitCode one, ExitCode other);

}  // namespace yoda
