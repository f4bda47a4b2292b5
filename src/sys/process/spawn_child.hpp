// SPDX-License-Identifier: Apache-2.0
// Makes one payload process out of an order: opens its files, clones, sets it up, runs the program.
#pragma once

#include <sys/types.h>

#include "sys/process/spawn_wire.hpp"

namespace yoda {

struct SpawnOutcome {
    pid_t pid = 0;  ///< 0: it failed
    SpawnStage stage = SpawnStage::ready;
    int errno_value = 0;
};

/// Returns when the program runs or could not be started; nothing is left behind in the second case.
/// The caller is single-threaded, has all signals blocked, has /dev/null as 0, 1 and 2, and everything else
/// it has open is close-on-exec. `extra_fd` is -1 for none.
SpawnOutcome start_child(SpawnOrder const& order, int extra_fd);

}  // namespace yoda
