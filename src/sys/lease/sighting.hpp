// SPDX-License-Identifier: Apache-2.0
// What short-lived programs of one machine saw of a holder elsewhere, one after the other: kept in a file
// between them, so that calls from cron add up to the time after which a holder counts as dead. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/time.hpp"

namespace yoda {

struct HolderSighting {
    std::uint64_t content = 0;  ///< a checksum of the holder's file, or any number that changes with it
    std::int64_t since_ns = 0;  ///< on the clock since boot
    std::string boot_id;        ///< of the machine that looked
};
inline constexpr Duration holder_silence = Duration::from_s(60);

/// True when the content has been the same for holder_silence; else `sighting` is what to remember.
bool is_silent(std::optional<HolderSighting>& sighting, std::uint64_t content, std::string const& boot_id,
               TimePoint now);

}  // namespace yoda
