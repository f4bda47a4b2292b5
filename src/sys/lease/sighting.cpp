// SPDX-License-Identifier: Apache-2.0
#include "sys/lease/sighting.hpp"

namespace yoda {

bool is_silent(std::optional<HolderSighting>& sighting, std::uint64_t content, std::string const& boot_id,
               TimePoint now)
{
    if (!sighting || sighting->content != content || sighting->boot_id != boot_id ||
        sighting->since_ns > now.ns)
        sighting = HolderSighting{content, now.ns, boot_id};
    return now - TimePoint{sighting->since_ns} >= holder_silence;
}

}  // namespace yoda
