// SPDX-License-Identifier: Apache-2.0
// The event ranges of a world: its table as events.h5 would have it, and what a feed adds.
#pragma once

#include <string>
#include <vector>

#include "core/table/event_range.hpp"
#include "core/table/event_table.hpp"
#include "plan.hpp"

namespace yoda::sim {

TablePolicy table_policy(Plan const& plan);
EventTable make_table(Plan const& plan);
std::vector<std::int64_t> panda_ids(Plan const& plan);
std::string input_pfn(JobIndex job, std::uint32_t file);

/// The ranges of feed number `feed`: a file of their own, of the note's job.
std::vector<EventRange> make_feed(Plan const& plan, std::size_t feed);
void add_feed(EventTable& table, Plan const& plan, std::size_t feed);
/// The feeds whose ranges are in this table, in order.
std::vector<std::size_t> find_feeds(EventTable const& table);

}  // namespace yoda::sim
