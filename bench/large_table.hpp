// SPDX-License-Identifier: Apache-2.0
// A table of single-event ranges in files of 100,000, as benchmarks need it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "core/table/event_table.hpp"

namespace yoda::bench {

inline EventTable make_large_table(std::uint64_t ranges)
{
    constexpr std::uint32_t ranges_a_file = 100'000;
    EventTable table;
    table.reserve(ranges);
    for (std::uint64_t i = 0; i < ranges; ++i) {
        auto const position = static_cast<std::uint32_t>(i % ranges_a_file);
        if (position == 0) {
            FileEntry file;
            file.task_id = file.panda_id = 6900000001;
            file.file_id = static_cast<std::int64_t>(i / ranges_a_file + 1);
            file.lfn = "EVNT." + std::to_string(file.file_id);
            table.add_file(std::move(file));
        }
        RangeRow row;
        row.file = static_cast<FileIndex>(table.files().size() - 1);
        row.first = row.last = row.process_id = position + 1;
        row.attempt = 10;
        table.add_row(row);
    }
    return table;
}

}  // namespace yoda::bench
