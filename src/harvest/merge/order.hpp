// SPDX-License-Identifier: Apache-2.0
// Which ranges are merged, and in which order.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/job/job.hpp"
#include "core/table/event_table.hpp"

namespace yoda {

/// All finished ranges in event order: by job, then by position of the file in the job's inFiles (files that
/// are not in it come last, by LFN), then by first event.
Result<std::vector<RangeIndex>> order_finished(EventTable const& table, std::vector<Job> const& jobs);

/// Error of kind `unavailable` that counts and names unfinished ranges, if there are any. Dropped ones are
/// not wanted any more and do not count.
Status check_all_finished(EventTable const& table);

/// "range 1-2-3-4-5 (EVNT.lhe 16..20)" for messages.
std::string describe_range(EventTable const& table, RangeIndex range);

}  // namespace yoda
