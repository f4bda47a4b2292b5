// SPDX-License-Identifier: Apache-2.0
// The transport between the threads of one process: `yoda RUN` alone, tests.
#pragma once

#include <memory>
#include <vector>

#include "core/base/result.hpp"
#include "sys/transport/transport.hpp"

namespace yoda {

/// One end for each rank; each is used by one thread. Ends may outlive each other.
Result<std::vector<std::unique_ptr<Transport>>> make_local_transports(std::uint32_t rank_count);

}  // namespace yoda
