// SPDX-License-Identifier: Apache-2.0
// Runs a piece of work in a child process, because a library may crash on damaged input and take us with it
// (HDF5 1.10 does). The caller then learns of a crash as of any other failure.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "core/base/result.hpp"

namespace yoda {

/// Seen by both processes: how far the child is.
struct GuardedProgress {
    std::atomic<std::uint64_t> done{0};
    std::atomic<std::uint64_t> total{0};
    std::atomic<std::uint64_t> item{0};  ///< what it works on: what to blame when it dies
};

struct GuardedResult {
    std::string text;   ///< what the work returned
    std::string death;  ///< not empty: how the child died instead, "killed by signal 11 (Segmentation fault)"
    std::uint64_t item = 0;  ///< as last told
    pid_t child = 0;
};

/// `work` runs in the child, which is killed when this process dies. `watch` (may be empty) is called here a
/// few times a second. Error: no child could be made. To be called while this process has no other thread.
Result<GuardedResult> run_guarded(std::function<std::string(GuardedProgress&)> const& work,
                                  std::function<void(GuardedProgress const&)> const& watch);

}  // namespace yoda
