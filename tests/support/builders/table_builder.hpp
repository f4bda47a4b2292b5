// SPDX-License-Identifier: Apache-2.0
// Event tables for tests: regular ranges, and a second opinion on a table's counts.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "core/table/event_table.hpp"

namespace yoda::test {

constexpr std::int64_t first_panda_id = 200;  ///< of job 0; job n has this + n

/// Range `n` (from 1) of file `file` of job `job`.
inline EventRange make_range(JobIndex job, unsigned file, unsigned n, unsigned events = 1)
{
    EventRange range;
    range.id = fmt::format("100-{}-{}-{}-10", first_panda_id + job, 300 + file, n);
    range.start_event = std::int64_t{n - 1} * events + 1;
    range.last_event = range.start_event + events - 1;
    range.lfn = fmt::format("EVNT.{}.{}.lhe", job, file);
    range.guid = fmt::format("GUID-{}-{}", job, file);
    range.scope = "mc23";
    return range;
}

inline std::string pfn_of(EventRange const& range)
{
    return "/data/" + range.lfn;
}

struct TableShape {
    std::uint32_t ranges = 1;  ///< per file
    unsigned files = 1;        ///< per job
    JobIndex jobs = 1;
    unsigned events = 1;  ///< per range
    TablePolicy policy = {};
    Life life = 1;
};

inline EventTable make_table(TableShape const& shape)
{
    EventTable table(shape.policy);
    for (JobIndex job = 0; job < shape.jobs; ++job) {
        for (unsigned file = 0; file < shape.files; ++file) {
            for (unsigned n = 1; n <= shape.ranges; ++n) {
                auto const range = make_range(job, file, n, shape.events);
                auto const added = table.add_range(job, range, pfn_of(range));
                YODA_CHECK(added, "a regular range can be added");
            }
        }
    }
    table.start_life(shape.life);
    return table;
}

/// Hands out one range to `rank`; `none` if there is none.
inline RangeIndex hand_one(EventTable& table, Rank rank)
{
    FileIndex file = none;
    std::vector<RangeRun> runs;
    return table.hand_out(rank, file, 1, runs) == 1 ? runs.at(0).begin : none;
}

/// The epoch of a range's latest hand-out.
inline Epoch latest_epoch(EventTable const& table, RangeIndex range)
{
    return Epoch::make(table.life(), table.progress(range).hand_out);
}

struct Recount {
    StateCounts all{};
    std::vector<StateCounts> files;
    std::vector<StateCounts> jobs;
};

/// Counts states row by row, as a check on the counts that the table keeps.
inline Recount recount(EventTable const& table)
{
    Recount counts;
    counts.files.resize(table.files().size());
    counts.jobs.resize(table.job_count());
    for (RangeIndex range = 0; range < table.size(); ++range) {
        auto const state = static_cast<std::size_t>(table.state(range));
        ++counts.all[state];
        ++counts.files[table.row(range).file][state];
        ++counts.jobs[table.job(range)][state];
    }
    return counts;
}

}  // namespace yoda::test
