// SPDX-License-Identifier: Apache-2.0
#include "harvest/stores/base/store.hpp"

namespace yoda {

Presence compare_with_spec(std::optional<StoredObject> const& found, ObjectSpec const& spec)
{
    if (!found) return Presence::absent;
    if (found->bytes != spec.bytes) return Presence::different;
    if (found->adler32) return *found->adler32 == spec.adler32 ? Presence::same : Presence::different;
    if (!found->md5.empty() && !spec.md5.empty())
        return found->md5 == spec.md5 ? Presence::same : Presence::different;
    return Presence::unproven;
}

}  // namespace yoda
