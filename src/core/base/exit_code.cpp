// SPDX-License-Identifier: Apache-2.0
#include "core/base/exit_code.hpp"

namespace yoda {

ExitCode exit_code_of(Error const& error)
{
    switch (error.kind) {
        case ErrorKind::usage:
        case ErrorKind::bad_input:
            return exit_usage;
        case ErrorKind::busy:
        case ErrorKind::unavailable:
            return exit_again;
        case ErrorKind::io:
        case ErrorKind::no_space:
        case ErrorKind::refused:
            return exit_person;
    }
    return exit_person;
}

ExitCode worse_exit(ExitCode one, ExitCode other)
{
    for (auto const code : {exit_person, exit_usage, exit_some_failed, exit_again}) {
        if (one == code || other == code) return code;
    }
    return exit_done;
}

}  // namespace yoda
