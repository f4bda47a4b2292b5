// SPDX-License-Identifier: Apache-2.0
#include "harvest/stores/base/store_context.hpp"

#include <algorithm>

namespace yoda {

Duration TransferPolicy::deadline_for(std::uint64_t bytes) const
{
    return std::min(deadline_base + deadline_per_mb * (static_cast<double>(bytes) / 1e6), deadline_longest);
}

std::shared_ptr<Breaker> Breakers::of(std::string const& endpoint)
{
    std::scoped_lock const lock(mutex_);
    auto& breaker = breakers_[endpoint];
    if (!breaker) breaker = std::make_shared<Breaker>(policy_);
    return breaker;
}

}  // namespace yoda
