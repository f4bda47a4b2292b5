// SPDX-License-Identifier: Apache-2.0
// Who works on a run's files: each harvest is a holder with a name of its own and a beat that it keeps
// changing. A holder is dead at once when its process is gone from our machine (or our machine was booted
// since), else when its beat has not changed for 60 s as seen by our own clock; what one harvest saw counts
// for the next one on this machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/time.hpp"

namespace yoda {

struct HolderIdentity {
    std::string host;
    std::string boot_id;
    std::string pid_space;  ///< of the container; a pid means nothing in another one
    std::int64_t pid = 0;
    std::int64_t started_ticks = 0;  ///< tells a process from a later one with its pid
    std::uint64_t beat = 0;
    std::int64_t since_unix_s = 0;
    bool operator==(HolderIdentity const&) const = default;
};

std::string print_holder(HolderIdentity const& holder);
std::optional<HolderIdentity> parse_holder(std::string_view text);

/// This process.
HolderIdentity own_identity(std::int64_t now_unix_s);
/// "<host>-<pid>-<random>": no other holder ever has it.
std::string make_holder_name(HolderIdentity const& holder);

/// Whether that process is gone for certain; false also when nobody here can know.
bool is_gone_here(HolderIdentity const& holder, HolderIdentity const& own);

/// What somebody on this machine saw of a holder elsewhere.
struct HolderSighting {
    std::uint64_t beat = 0;
    std::int64_t since_ns = 0;  ///< on the clock since boot
    std::string boot_id;
};
inline constexpr Duration holder_silence = Duration::from_s(60);
/// True when the beat has been the same for holder_silence; else `sighting` is what to remember.
bool is_silent(std::optional<HolderSighting>& sighting, std::uint64_t beat, std::string const& boot_id,
               TimePoint now);

}  // namespace yoda
