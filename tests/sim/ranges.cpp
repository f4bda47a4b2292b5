// SPDX-License-Identifier: Apache-2.0
#include "ranges.hpp"

#include <fmt/format.h>

namespace yoda::sim {

namespace {

constexpr std::int64_t first_task = 100;
constexpr std::int64_t first_panda_id = 5'000'000'000;
constexpr std::uint32_t feed_file = 1'000'000;

std::uint32_t event_count(Plan const& plan, std::uint32_t number)
{
    return plan.uneven ? 1 + static_cast<std::uint32_t>(mix(plan.seed, number) % plan.range_events)
                       : plan.range_events;
}

FileEntry make_file(Plan const& plan, JobIndex job, std::uint32_t number, bool text_ids)
{
    FileEntry file;
    file.job = job;
    file.task_id = first_task + job;
    file.panda_id = panda_ids(plan)[job];
    file.file_id = number;
    file.text_ids = text_ids;
    file.lfn = fmt::format("input.{}.{}", job, number);
    file.guid = fmt::format("guid-{}", number);
    file.scope = "mc";
    file.pfn = input_pfn(job, number);
    return file;
}

}  // namespace

std::string input_pfn(JobIndex job, std::uint32_t file)
{
    return fmt::format("/data/input.{}.{}", job, file);
}

TablePolicy table_policy(Plan const& plan)
{
    TablePolicy policy;
    policy.tries = plan.tries;
    policy.payload_deaths = plan.payload_deaths;
    return policy;
}

std::vector<std::int64_t> panda_ids(Plan const& plan)
{
    std::vector<std::int64_t> ids;
    for (JobIndex job = 0; job < plan.job_count; ++job) ids.push_back(first_panda_id + job);
    return ids;
}

EventTable make_table(Plan const& plan)
{
    EventTable table(table_policy(plan));
    table.reserve(plan.range_count());
    for (JobIndex job = 0; job < plan.job_count; ++job) {
        for (std::uint32_t number = 0; number < plan.file_count; ++number) {
            bool const text_ids = plan.text_ids && number + 1 == plan.file_count;
            auto const file = table.add_file(make_file(plan, job, number, text_ids));
            std::uint32_t first = 1;
            for (std::uint32_t i = 0; i < plan.file_ranges; ++i) {
                RangeRow row;
                row.file = file;
                row.first = first;
                row.last = first + event_count(plan, i) - 1;
                row.process_id =
                    text_ids ? table.add_text(fmt::format("text-{}-{}-{}", job, number, i)) : i + 1;
                row.attempt = text_ids ? 0 : 10;
                first = row.last + 1;
                table.add_row(row);
            }
        }
    }
    return table;
}

std::vector<EventRange> make_feed(Plan const& plan, std::size_t feed)
{
    auto const& note = plan.notes[feed];
    auto const number = feed_file + static_cast<std::uint32_t>(feed);
    auto const file = make_file(plan, note.job, number, false);
    std::vector<EventRange> ranges;
    for (std::uint32_t i = 0; i < note.count; ++i) {
        RangeId const id{file.task_id, file.panda_id, file.file_id, i + 1, 10};
        auto const first = 1 + i * plan.range_events;
        ranges.push_back({id.text(), first, first + plan.range_events - 1, file.lfn, file.guid, file.scope});
    }
    return ranges;
}

void add_feed(EventTable& table, Plan const& plan, std::size_t feed)
{
    for (auto const& range : make_feed(plan, feed)) {
        auto const added = table.add_range(plan.notes[feed].job, range, input_pfn(plan.notes[feed].job, 0));
        YODA_CHECK(added, "a feed's ranges make sense");
    }
}

std::vector<std::size_t> find_feeds(EventTable const& table)
{
    std::vector<std::size_t> feeds;
    for (auto const& file : table.files()) {
        if (file.file_id >= feed_file) feeds.push_back(static_cast<std::size_t>(file.file_id - feed_file));
    }
    return feeds;
}

}  // namespace yoda::sim
