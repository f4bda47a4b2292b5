// SPDX-License-Identifier: Apache-2.0
// What /proc says about processes: which descend from which, and what a whole tree uses.
// A process that forks while /proc is read may be missed, so whoever kills a tree asks again.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace yoda {

struct ProcessInfo {
    pid_t pid = 0;
    pid_t parent = 0;
    pid_t group = 0;
    pid_t session = 0;
    char state = '?';                ///< R S D Z T ... (proc(5))
    std::uint64_t start_ticks = 0;   ///< since boot; pid and start_ticks together name a process for good
    std::uint64_t cpu_ms = 0;        ///< user and system, its own and that of children it waited for
    std::uint64_t own_cpu_ms = 0;    ///< without its children's
    std::uint64_t memory_bytes = 0;  ///< resident set
    std::string command;             ///< name of its program, at most 15 bytes, any bytes

    /// Ended, and only not yet waited for.
    bool is_dead() const { return state == 'Z' || state == 'X'; }
};

/// One line of /proc/PID/stat; nullopt if it is none. The command in it may hold spaces and brackets.
std::optional<ProcessInfo> parse_process_stat(std::string_view line);
/// nullopt if there is no such process (any more).
std::optional<ProcessInfo> read_process(pid_t pid);
/// The value of a variable in the environment that the process was started with; nullopt if it has none,
/// is gone, or is not ours to look at.
std::optional<std::string> read_process_variable(pid_t pid, std::string_view name);
/// All processes that this user may see: about 10 us each. Error: no /proc.
Result<std::vector<ProcessInfo>> list_processes();

/// The process's children, of all its threads; nullopt if this kernel keeps no such lists.
std::optional<std::vector<pid_t>> list_children(pid_t pid);
/// `root`, then everything below it, parents first; empty if there is no such process.
/// Time grows with the size of the tree; without lists of children in /proc, with all processes of the node.
std::vector<ProcessInfo> process_tree(pid_t root);
/// The same, out of a list that is at hand.
std::vector<ProcessInfo> process_tree(std::vector<ProcessInfo> const& all, pid_t root);

/// The largest resident set that the process ever had; nullopt if it has ended.
std::optional<std::uint64_t> read_peak_memory_bytes(pid_t pid);

struct TreeUsage {
    std::uint64_t cpu_ms = 0;
    std::uint64_t memory_bytes = 0;
    std::uint32_t process_count = 0;
};

/// CPU and memory of a whole tree. Memory is what forked workers really cost: pages that n processes share
/// count 1/n in each (PSS; resident set where the kernel does not say). Walks page tables: some ms for a GB.
TreeUsage measure_tree(pid_t root);

}  // namespace yoda
