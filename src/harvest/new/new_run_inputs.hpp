// SPDX-License-Identifier: Apache-2.0
// What `harvest new` finds out about its input files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/event_text/event_span.hpp"

namespace yoda {

struct NewRunInput {
    std::string lfn;
    std::string pfn;   ///< absolute
    std::string guid;  ///< made from the content: the same file has the same one in every run
    std::uint64_t bytes = 0;
    std::uint32_t adler32 = 0;
    std::uint64_t event_count = 0;  ///< to be worked on
    std::vector<bool> joined;       ///< as LheScanner::joined: no range ends before such an event
};

/// Errors: no input, as for survey_input; one LFN twice; a name that a payload would misread; an unknown
/// format without a number of events; a number that parts a group of events; more events asked for than there
/// are, or more than 2^32.
Result<std::vector<NewRunInput>> survey_inputs(std::vector<std::string> const& paths,
                                               std::vector<std::uint64_t> const& event_counts,
                                               CutEvents cut = CutEvents::refuse);

}  // namespace yoda
