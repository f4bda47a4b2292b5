// SPDX-License-Identifier: Apache-2.0
#include "harvest/merge/order.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <tuple>

namespace yoda {

namespace {

constexpr std::size_t max_named = 5;

/// Where each file stands among all, from 0; files of one job with one LFN stand together.
Result<std::vector<std::uint32_t>> rank_files(EventTable const& table, std::vector<Job> const& jobs)
{
    auto const& files = table.files();
    struct Place {
        JobIndex job;
        std::size_t position;
        std::string_view lfn;
        auto operator<=>(Place const&) const = default;
    };
    std::vector<Place> places;
    for (auto const& file : files) {
        if (file.job >= jobs.size())
            return Error{
                ErrorKind::bad_input,
                "events.h5 and job.json do not belong together",
                fmt::format("{} belongs to job {}, and there are {}", file.lfn, file.job, jobs.size()),
                {}};
        auto const& inputs = jobs[file.job].inputs();
        auto const found = std::find_if(inputs.begin(), inputs.end(),
                                        [&](InputFile const& input) { return input.lfn == file.lfn; });
        places.push_back({file.job, static_cast<std::size_t>(found - inputs.begin()), file.lfn});
    }
    std::vector<FileIndex> order(files.size());
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(), [&](FileIndex a, FileIndex b) { return places[a] < places[b]; });
    std::vector<std::uint32_t> ranks(files.size());
    std::uint32_t rank = 0;
    for (std::size_t i = 0; i < order.size(); ++i) {
        if (i > 0 && places[order[i - 1]] < places[order[i]]) ++rank;
        ranks[order[i]] = rank;
    }
    return ranks;
}

}  // namespace

Result<std::vector<RangeIndex>> order_finished(EventTable const& table, std::vector<Job> const& jobs)
{
    auto const ranks = rank_files(table, jobs);
    if (!ranks) return ranks.error();
    std::vector<RangeIndex> order;
    order.reserve(table.counts()[static_cast<std::size_t>(RangeState::finished)]);
    for (RangeIndex i = 0; i < table.size(); ++i) {
        if (table.state(i) == RangeState::finished) order.push_back(i);
    }
    auto const key = [&](RangeIndex range) {
        auto const& row = table.row(range);
        auto const& file = table.files()[row.file];
        // What follows the events only matters where two ranges cover the same ones.
        return std::tuple((*ranks)[row.file], row.first, row.last, file.file_id, row.process_id, range);
    };
    auto const less = [&](RangeIndex a, RangeIndex b) { return key(a) < key(b); };
    if (!std::is_sorted(order.begin(), order.end(), less)) std::sort(order.begin(), order.end(), less);
    return order;
}

Status check_all_finished(EventTable const& table)
{
    auto const lacks = [](RangeState state) {
        return state != RangeState::finished && state != RangeState::dropped;
    };
    std::string states;
    std::uint64_t count = 0;
    for (unsigned i = 0; i < range_state_count; ++i) {
        auto const state = static_cast<RangeState>(i);
        if (!lacks(state) || table.counts()[i] == 0) continue;
        count += table.counts()[i];
        states += fmt::format("{}{} {}", states.empty() ? "" : ", ", table.counts()[i], print_state(state));
    }
    if (count == 0) return {};
    std::string names;
    std::size_t named = 0;
    for (RangeIndex i = 0; i < table.size() && named < max_named; ++i) {
        if (!lacks(table.state(i))) continue;
        names += fmt::format("{}{}", names.empty() ? "" : ", ", describe_range(table, i));
        ++named;
    }
    return Error{ErrorKind::unavailable, fmt::format("{} of {} ranges are not finished", count, table.size()),
                 fmt::format("{}: {}{}", states, names,
                             count > named ? fmt::format(" and {} more", count - named) : ""),
                 "run yoda again until all are finished, or merge what there is with --partial"};
}

std::string describe_range(EventTable const& table, RangeIndex range)
{
    auto const& row = table.row(range);
    return fmt::format("range {} ({} {}..{})", table.range_id(range), table.files()[row.file].lfn, row.first,
                       row.last);
}

}  // namespace yoda
