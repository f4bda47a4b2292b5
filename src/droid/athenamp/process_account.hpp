// SPDX-License-Identifier: Apache-2.0
// What each process of a payload used: CPU and peak memory. Both are read while the process
// lives, since only its parent learns them afterwards. What a process used after the last
// reading is missing here and in the payload's sum.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "sys/process/spawner.hpp"

namespace yoda::athenamp {

class ProcessAccount {
  public:
    void clear() { processes_.clear(); }
    /// Looks at `root` and all that descends from it: some 50 us a process.
    void look(pid_t root);
    /// {"payload": {"cpu_s", "peak_memory_bytes", "ended"}, "processes": [{"pid", "parent",
    /// "command", "folder", "cpu_s", "peak_memory_bytes"}, ...]}. Seconds are a process's own,
    /// without its children's; `folder` is the last part of where it stands (AthenaMP's worker_<n>);
    /// the payload's figures are the kernel's own.
    std::string print(PayloadExited const& exited) const;
    std::size_t count() const { return processes_.size(); }

  private:
    struct Process {
        pid_t parent = 0;
        std::string command;
        std::string folder;
        std::uint64_t cpu_ms = 0;
        std::uint64_t peak_memory_bytes = 0;
    };
    /// By pid and start: a pid may be used again.
    std::map<std::pair<pid_t, std::uint64_t>, Process> processes_;
};

}  // namespace yoda::athenamp
