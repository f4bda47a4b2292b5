// SPDX-License-Identifier: Apache-2.0 OR MIT
// Runs a payload without a Droid, in one process, for its author's debugger.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "payload/yoda_payload.hpp"

namespace yoda::payload {

/// The value of YODA_STANDALONE: `FILE:FIRST-LAST` or `FILE:FIRST-LAST:STEP`. FILE may hold colons.
struct StandaloneRequest {
    std::string pfn;
    std::int64_t first = 0;
    std::int64_t last = 0;
    std::int64_t step = 0;  ///< events a range
};
std::optional<StandaloneRequest> read_standalone(std::string_view text);

/// Writes outputs into `folder` and prints what the Droid would hear. Returns kDone or kSomeFailed.
int run_standalone(StandaloneRequest const& request, std::string const& folder, Kit::Work const& work);

}  // namespace yoda::payload
