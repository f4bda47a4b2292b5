// SPDX-License-Identifier: Apache-2.0
// The merge of opaque outputs: one tar with all files in event order, under the names they have in the
// bundles. `output` may be a stream (sys/base/named_output.hpp).
#pragma once

#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/table/event_table.hpp"
#include "harvest/merge/bundles.hpp"
#include "harvest/merge/merge.hpp"

namespace yoda {

Status merge_tar(EventTable const& table, std::vector<RangeIndex> const& order, MergeBundles& bundles,
                 std::string const& output, MergeOptions const& options, MergeAdvance const& advance,
                 MergeSummary& summary);

}  // namespace yoda
