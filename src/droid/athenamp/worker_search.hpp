// SPDX-License-Identifier: Apache-2.0
// Which worker of AthenaMP has which range: a worker stands in a folder of its own (`worker_<n>`), and the
// range's output file in it bears the range's id.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace yoda::athenamp {

struct FoundWorker {
    std::string range_id;
    pid_t pid = 0;
    std::string folder;
};

/// Walks the processes below `root` that stand in a folder below `top`; at most one entry
/// for each id, in no order.
std::vector<FoundWorker> find_workers(pid_t root, std::string const& top,
                                      std::vector<std::string> const& range_ids);

}  // namespace yoda::athenamp
