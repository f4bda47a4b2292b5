// SPDX-License-Identifier: Apache-2.0
// Frees a forked process from what it inherited: signal handlers and masks, open files.
#pragma once

#include "sys/base/files.hpp"

namespace yoda {

/// Blocks every signal, puts every signal's default action back, and returns a descriptor (signalfd) that
/// tells of SIGCHLD (ends only, no stops) and SIGHUP; invalid, with errno set, if there can be none.
FileDescriptor take_over_signals();

/// Leaves open: 0, 1, 2 on /dev/null (mpirun waits for the end of file on ours), and 3, which is `fd` from
/// now on, and close-on-exec. False, with errno set, if that failed.
bool keep_only_as_3(int fd);

}  // namespace yoda
