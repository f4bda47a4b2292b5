// SPDX-License-Identifier: Apache-2.0
// The result of a merge as text, since it is made in another process.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "harvest/merge/merge.hpp"

namespace yoda {

std::string print_merge_report(Result<MergeSummary> const& result);
/// Of text that print_merge_report made.
Result<MergeSummary> parse_merge_report(std::string_view text);

}  // namespace yoda
