// SPDX-License-Identifier: Apache-2.0
// The merge of HDF5 outputs: all datasets concatenated, and /index that says which rows are whose.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/table/event_table.hpp"
#include "harvest/merge/bundles.hpp"
#include "harvest/merge/merge.hpp"

namespace yoda {

/// Fills datasets, event_count and events_checked of `summary`.
Status merge_hdf5(EventTable const& table, std::vector<RangeIndex> const& order, MergeBundles& bundles,
                  std::string const& output, MergeOptions const& options, MergeAdvance const& advance,
                  MergeSummary& summary);

}  // namespace yoda
