// SPDX-License-Identifier: Apache-2.0
// The one way from the Droid into this folder, so that yoda can be built without it (YODA_ATHENAMP=OFF: no
// libzmq).
#pragma once

#include <cstddef>
#include <memory>

#include "droid/channel/channel.hpp"

namespace yoda::athenamp {

/// nullptr when this program was built without AthenaMP.
std::unique_ptr<PayloadChannel> make_channel(PayloadSetup setup, Spawner& spawner, Poller& poller,
                                             ChannelEvents& events);
/// Removes sockets that payloads of dead Droids left; returns how many.
std::size_t remove_stale_sockets();
bool is_built_in();

}  // namespace yoda::athenamp
