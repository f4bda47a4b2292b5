// SPDX-License-Identifier: Apache-2.0
// What a lock file says, and what to think of it. Pure: lease.hpp does the looking.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/time.hpp"

namespace yoda {

/// Who holds a lease: enough for a human to find the process, and for a process of the same machine to see
/// whether it still lives.
struct LeaseHolder {
    std::string program;  ///< "yoda", "harvest merge"
    std::string host;
    std::string boot_id;    ///< of this boot of the host
    std::string pid_space;  ///< pid namespace: the same pid elsewhere is another process
    std::int32_t pid = 0;
    std::uint64_t pid_start_ticks = 0;  ///< a pid may be used again, not with the same start
    std::string batch_job;              ///< "slurm 77"; empty outside of a batch system
    std::uint32_t life = 0;             ///< 0: none (yet)
    std::int64_t since_unix_s = 0;
};

struct LeaseRecord {
    std::string token;  ///< names this acquisition for ever: 32 hex digits
    LeaseHolder holder;
    std::uint64_t beat = 0;    ///< grows while the holder lives
    bool is_released = false;  ///< the holder is done but could not remove the file
};

/// JSON, padded to lease_file_bytes, so that a new beat overwrites the old one in place and in one write.
std::string print_lease(LeaseRecord const& record);
inline constexpr std::size_t lease_file_bytes = 2048;
/// nullopt: not a lock file of ours, or torn.
std::optional<LeaseRecord> parse_lease(std::string_view text);

/// What this machine's process table says about the holder.
enum class HolderSight {
    elsewhere,  ///< another host, boot or pid namespace: nothing can be seen from here
    present,
    gone,
};

/// One's own observations of a lock, by one's own monotonic clock.
struct LeaseSight {
    std::optional<LeaseRecord> record;  ///< nullopt: unreadable
    HolderSight holder = HolderSight::elsewhere;
    bool has_changed = false;   ///< the content did, while we looked
    Duration unchanged_for{0};  ///< since we first saw this content
};

enum class LeaseVerdict { dead, alive, unsure };

/// Dead: released, its process gone from this machine, or nothing seen to change for `silence_limit`. A
/// process that is seen to live on this machine is alive however silent: it may be waiting for a disk, and
/// whoever wants the lease can end it.
LeaseVerdict judge_lease(LeaseSight const& sight, Duration silence_limit);

/// Kind busy: who has it, since when, and what to do.
Error explain_busy(std::string_view path, std::optional<LeaseRecord> const& record, Duration silence_limit);

}  // namespace yoda
