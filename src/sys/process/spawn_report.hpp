// SPDX-License-Identifier: Apache-2.0
// What the server reports, as the Droid wants to hear it: events, and errors with a reason and a remedy.
#pragma once

#include <string>

#include "sys/process/spawn_wire.hpp"

namespace yoda {

SpawnEvent to_event(SpawnReport const& report, std::string const& program);

}  // namespace yoda
