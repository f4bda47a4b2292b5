// SPDX-License-Identifier: Apache-2.0
// Event ranges out of the text of a JSON list, one at a time, without a tree: PanDA gives 10,000 in 2.1 MB.
// The fixed shape that the server prints is read by hand; anything else (escapes, other key orders with
// unknown keys, numbers as texts) is given to the JSON library, object by object.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "core/base/result.hpp"
#include "core/table/event_range.hpp"

namespace yoda {

/// Calls `take` for each range in the list, in its order, and gives how many there were; the texts
/// of a range live only as long as that call. Stops at the first error that `take` gives. Errors:
/// no JSON list; an element without a text eventRangeID or without whole event numbers. On an
/// error some ranges may already have been given.
Result<std::size_t> scan_ranges(std::string_view list, std::function<Status(RangeView const&)> const& take);

}  // namespace yoda
