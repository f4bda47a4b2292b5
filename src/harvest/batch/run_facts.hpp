// SPDX-License-Identifier: Apache-2.0
// What submitting needs to know of a run: what is left, how long a range takes, whether somebody works on it.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.hpp"

namespace yoda {

struct RunFacts {
    std::uint64_t unended_count = 0;
    std::uint64_t returned_count = 0;  ///< not ended either, but of jobs that PanDA wants no more of
    std::uint64_t range_count = 0;
    std::uint64_t failed_count = 0;
    std::uint64_t open_bundle_count = 0;  ///< with output in them, not sealed
    double range_s = 0;                   ///< measured; 0: nothing has finished yet
    bool more_may_come = false;
    bool yoda_lives = false;
    std::uint32_t life = 0;  ///< newest that yoda has told of or left a result of; 0: none has begun
};

/// Reads the run without changing it. `unix_s`: now. Errors: no run folder, its files broken.
Result<RunFacts> read_facts(std::string const& run, std::int64_t unix_s);

}  // namespace yoda
