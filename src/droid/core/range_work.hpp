// SPDX-License-Identifier: Apache-2.0
// A range on its way through a Droid: the request for it, the work that a worker gets, and its output.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/types.hpp"
#include "core/messages/messages.hpp"
#include "core/table/event_range.hpp"

namespace yoda {

/// One request for a range by some worker of a job's payload; numbered by the channel, never reused.
using RequestId = std::uint64_t;

/// A file that ranges come from, as FileInfo told.
struct DroidFile {
    JobIndex job = 0;
    std::int64_t task_id = 0;
    std::int64_t panda_id = 0;
    std::int64_t file_id = 0;
    std::string lfn;
    std::string guid;
    std::string scope;
    std::string pfn;
};

/// One range as a worker gets it.
struct WorkItem {
    HandOut what;
    JobIndex job = 0;
    EventRange range;
    std::string pfn;
};

/// What a worker made of a range.
struct RangeOutput {
    HandOut what;
    JobIndex job = 0;
    std::string range_id;
    std::vector<std::string> paths;  ///< absolute or in `folder`; empty if the payload makes no output
    std::vector<std::string> names;  ///< in the bundle, by path; empty: the files' own
    std::string missing;             ///< why these are not all that there must be; empty: they are
    std::string folder;              ///< the worker's; all outputs must lie in it
    std::uint32_t cpu_ms = 0;
    std::uint32_t wall_ms = 0;
};

}  // namespace yoda
