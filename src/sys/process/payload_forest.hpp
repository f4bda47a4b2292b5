// SPDX-License-Identifier: Apache-2.0
// Which payload every process below this one belongs to, and how to kill all of one payload's and no other's.
//
// This process is the "child subreaper" of all payloads: a process whose parent ends becomes our child,
// whatever its process group or session. So all processes of payloads form one forest below us. Its roots are
// our children: the payloads' first processes ("leaders") and orphans. A leader's tree belongs to its
// payload. An orphan belongs to the payload that its environment marker names, or whose session it is in, or
// in whose tree it was seen while that tree was being killed. An orphan without any of these (it cleaned its
// environment and made its own session) may belong to any payload that runs. It stays until all of these have
// ended, since killing another payload's process would be worse than keeping one too long.
//
// A pid never comes to mean another process unnoticed: our children are reaped by us alone, and all processes
// further down are checked by their start time and signalled through a pidfd.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "sys/base/files.hpp"
#include "sys/process/process_tree.hpp"
#include "sys/process/spawn_wire.hpp"

namespace yoda {

/// Signals a process only if it still is the one that was looked at.
void signal_process(ProcessInfo const& process, int signal_number);

class PayloadForest {
  public:
    explicit PayloadForest(std::string token);

    void add(SpawnId id, pid_t leader);
    /// The payload is done with. Orphans that could only have been its are nobody's from now on.
    void remove(SpawnId id);
    /// A child was reaped: its pid may be anybody's from now on.
    void forget(pid_t pid);

    /// Looks for children that we did not start, and finds out whose they are. One
    /// system call if there are none.
    void adopt();
    /// Whether an orphan is this payload's, or (for the first few looks) might be.
    bool has_strays(SpawnId id) const;
    bool has_unowned() const;

    /// Stops, then kills, the payload's whole tree. What forks in between is left for the next call, so call
    /// it until nothing is left. Returns how many processes, leader apart, it met for the first time.
    std::uint32_t kill(SpawnId id);
    /// The same for one process and what is below it; nothing if it is not part of the payload.
    void kill_member(SpawnId id, pid_t member);
    void kill_unowned();
    void kill_all();
    /// Processes of this payload that are alive now.
    std::uint32_t count(SpawnId id) const;

  private:
    struct Orphan {
        std::vector<SpawnId> candidates;
        int looks_left = 0;
    };
    struct Doomed {
        SpawnId owner = 0;
        std::uint64_t start_ticks = 0;
    };
    using Roots = std::function<std::vector<pid_t>()>;

    std::vector<pid_t> read_children() const;
    std::optional<SpawnId> identify(ProcessInfo const& process) const;
    std::vector<SpawnId> everybody() const;
    std::vector<pid_t> roots_of(SpawnId id) const;
    std::uint32_t destroy(SpawnId owner, Roots const& roots);

    std::string token_;
    FileDescriptor children_;                     ///< /proc/thread-self/children, where the kernel has it
    std::unordered_map<SpawnId, pid_t> leaders_;  ///< 0 once reaped
    std::unordered_map<pid_t, SpawnId> owners_;   ///< by leader, which is also by session
    std::unordered_map<pid_t, Orphan> orphans_;
    std::unordered_map<pid_t, Doomed> doomed_;  ///< what was seen in a tree that is being killed
    std::optional<SpawnId> hunted_;             ///< adopt() stops this payload's processes as it meets them
};

}  // namespace yoda
