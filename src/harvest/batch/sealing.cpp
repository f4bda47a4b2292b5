// SPDX-License-Identifier: Apache-2.0
#include "harvest/batch/sealing.hpp"

#include <unistd.h>

#include "sys/lease/keeper.hpp"
#include "sys/lease/lease.hpp"
#include "sys/run/run_opening.hpp"

namespace yoda {

Status seal_open_bundles(std::string const& run, Clock const& clock)
{
    RunFolder const folder(run);
    auto lease = acquire_lease(folder.lock(), describe_holder("harvest", "", clock), {}, clock);
    if (!lease) return lease.error();
    // Copies of large bundles take long: whoever waits for the run sees that we are alive.
    auto keeper = LeaseKeeper::start(*std::move(lease), {});
    if (!keeper) return keeper.error();
    OpenOptions options;
    options.mode = OpenMode::take_over;
    options.unix_s = clock.unix_ns() / 1'000'000'000;
    auto const opened = open_run(folder, options);
    if (!opened) return opened.error();
    if (auto const held = (*keeper)->status(); !held) return held;
    char host[256] = {};
    ::gethostname(host, sizeof host - 1);
    return save_recovery(folder, *opened, options.unix_s, host);
}

}  // namespace yoda
