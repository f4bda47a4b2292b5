// SPDX-License-Identifier: Apache-2.0 OR MIT
// The text of one event range, as the Droid sends it: a JSON list of one flat object on one line.
#pragma once

#include <string>
#include <string_view>

#include "payload/yoda_payload.hpp"

namespace yoda::payload {

/// Reads `[{"eventRangeID": "...", "startEvent": 1, "lastEvent": 5, "GUID": "...", "LFN": "...", ...}]` into
/// `range`. Unknown keys are skipped, numbers may be quoted. Returns an empty text, or what is wrong with it;
/// `range.id` is then the id as far as it was seen. Allocates nothing once the strings of `range` have grown.
std::string read_range(std::string_view text, Range& range);

}  // namespace yoda::payload
