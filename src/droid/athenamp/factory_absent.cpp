// SPDX-License-Identifier: Apache-2.0
// In place of all of this folder when yoda is built without AthenaMP.
#include "droid/athenamp/factory.hpp"

namespace yoda::athenamp {

std::unique_ptr<PayloadChannel> make_channel(PayloadSetup, Spawner&, Poller&, ChannelEvents&)
{
    return nullptr;
}

std::size_t remove_stale_sockets()
{
    return 0;
}

bool is_built_in()
{
    return false;
}

}  // namespace yoda::athenamp
