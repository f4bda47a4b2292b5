// SPDX-License-Identifier: Apache-2.0
// A small event table that has been worked on: every state, several jobs and files, ids of both kinds.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/table/event_table.hpp"

namespace yoda::test {

inline EventTable make_worked_table()
{
    EventTable table;
    auto const add = [&](JobIndex job, std::string const& id, std::int64_t first, std::string const& lfn) {
        auto const added =
            table.add_range(job, {id, first, first + 4, lfn, "GUID-" + lfn, "mc23"}, "/data/" + lfn);
        YODA_CHECK(added, "a good range");
        return *added;
    };
    add(0, "100-200-300-1-10", 1, "EVNT.A.lhe");
    add(0, "100-200-300-2-10", 6, "EVNT.A.lhe");
    add(0, "100-200-300-3-10", 11, "EVNT.A.lhe");
    add(0, "100-200-301-1-9", 1, "EVNT.B.lhe");
    add(1, "100-201-302-1-10", 1, "EVNT.C.lhe");
    add(1, "range-of-its-own", 6, "EVNT.C.lhe");
    add(1, "100-201-302-3-10", 11, "EVNT.C.lhe");
    add(0, "100-200-301-2-9", 6, "EVNT.B.lhe");

    table.start_life(3);
    std::vector<RangeRun> runs;
    FileIndex file = none;
    while (table.hand_out(5, file, 1, runs) > 0) {
    }
    auto const bundle = table.bundle({200, 0, 3, 5, 0});
    auto const other = table.bundle({201, 1, 3, 5, 1});
    auto const first_epoch = Epoch::make(3, 1);
    table.finish(0, first_epoch, bundle, 1500, 2000);
    table.finish(4, first_epoch, other, 70, 80);
    table.seal_bundle(other);
    table.fail(1, first_epoch, 5, FailKind::failed, code::payload_failure);  // Ready again, one try less.
    table.fail(2, first_epoch, 5, FailKind::fatal, code::es_fatal);
    table.fail(3, first_epoch, 5, FailKind::payload_death, code::athenamp_died);
    for (std::uint16_t hand_out = 1; table.state(5) == RangeState::sent; ++hand_out) {
        table.fail(5, Epoch::make(3, hand_out), 5, FailKind::failed, code::reached_max_time);
        std::vector<RangeRun> again;
        FileIndex its = table.row(5).file;
        table.hand_out(5, its, 1, again);
    }
    table.set_progress(6, {RangeState::dropped, 0, 0, none, 0, 0}, 0);
    table.rebuild();
    return table;  // 7 was sent when it stopped, and is ready.
}

/// One line a range, as a reader of events.h5 is to see the table above.
inline std::string print_worked_table()
{
    auto const table = make_worked_table();
    std::string text;
    for (RangeIndex i = 0; i < table.size(); ++i) {
        auto const& progress = table.progress(i);
        bool const finished = progress.state == RangeState::finished;
        std::string state(print_state(progress.state));
        std::transform(state.begin(), state.end(), state.begin(), ::toupper);
        auto const range = table.event_range(i);
        text += fmt::format("{} {} {} {} {} {} {} {} {} {} {}\n", range.id, range.lfn, range.start_event,
                            range.last_event, state, progress.burnt & 15,
                            finished || progress.holder == none ? 0 : progress.holder, table.row(i).winner,
                            finished ? std::to_string(table.winning_epoch(i).life()) : "-", progress.cpu_ms,
                            progress.wall_ms);
    }
    return text;
}

}  // namespace yoda::test
