// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/run/turn.hpp"

namespace yoda {

Result<Turn> Turn::take(std::string const& folder, Clock const& clock, LeasePolicy policy)
{
    auto lease = acquire_lease(folder + "/turn", describe_holder("harvest", "", clock), policy, clock);
    if (!lease) {
        auto error = lease.error();
        if (error.kind == ErrorKind::busy) error.what = "another harvest speaks to PanDA for this run";
        return error;
    }
    auto keeper = LeaseKeeper::start(*std::move(lease), policy);
    if (!keeper) return keeper.error();
    return Turn(*std::move(keeper));
}

}  // namespace yoda
