// SPDX-License-Identifier: Apache-2.0
// One life of a run: take the folder, recover, dispatch to the end, leave
// everything so that the next life can go on.
#pragma once

#include "app/yoda_job.hpp"
#include "sys/base/log.hpp"
#include "sys/transport/transport.hpp"

namespace yoda {

struct LifeEnd {
    int exit_code = 0;
    bool everybody_alive = true;  ///< no rank has been lost: MPI may be finalized
    bool ends_now = false;        ///< within a second the process is ended (sys/base/signals.hpp)
};

/// Rank 0's whole work. The other ranks hear the last word before it
/// returns, also after an error at the start.
LifeEnd live_as_rank_zero(YodaOptions const& options, Transport& transport, Log& log);

}  // namespace yoda
