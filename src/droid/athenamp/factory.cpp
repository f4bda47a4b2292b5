// SPDX-License-Identifier: Apache-2.0
#include "droid/athenamp/factory.hpp"

#include "droid/athenamp/channel.hpp"

namespace yoda::athenamp {

std::unique_ptr<PayloadChannel> make_channel(PayloadSetup setup, Spawner& spawner, Poller& poller,
                                             ChannelEvents& events)
{
    return std::make_unique<Channel>(std::move(setup), spawner, poller, events);
}

std::size_t remove_stale_sockets()
{
    return remove_stale_channels();
}

bool is_built_in()
{
    return true;
}

}  // namespace yoda::athenamp
