// SPDX-License-Identifier: Apache-2.0
// One of every journal record, and a text of a record by which two can be compared.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "core/journal/journal_format.hpp"

namespace yoda::test {

/// Records of every type. Lists point into static data.
inline std::vector<journal::Record> all_records()
{
    static std::vector<FinishedEntry> const finished{{1, 2, 3, 4}, {0xFFFFFFFE, 0xFFFF, 5, 0xFFFFFFFF}};
    FileEntry file;
    file.job = 1;
    file.task_id = 2;
    file.panda_id = -3;
    file.file_id = INT64_MAX;
    file.lfn = "lfn";
    file.guid = "guid";
    file.scope = "scope";
    file.pfn = "root://host//path";
    FileEntry text_file = file;
    text_file.text_ids = true;
    RangeRow row;
    row.first = 1;
    row.last = 5;
    row.process_id = 0xFFFFFFFE;
    row.file = 3;
    row.attempt = 10;
    return {
        journal::LifeStarted{1770000000, "node-1", "4711.batch"},
        journal::LifeStarted{-1, "", ""},
        journal::LifeEnded{3, "the allocation ends"},
        journal::RangesFinished{7, 2, finished},
        journal::RangesFinished{none, 1, {}},
        journal::RangeFailed{9, RangeState::failed, 0x23, 1220, "it \n died"},
        journal::RangeFailed{9, RangeState::ready, 1, 0, ""},
        journal::OutputLost{12},
        journal::BundleChanged{3, {{100, 1, 2, 3, 4}, 5, true, false}},
        journal::BundleChanged{3, {{-100, 1, 2, 3, 4}, 5, false, true}},
        journal::JobDropped{1},
        journal::FileAdded{3, file},
        journal::FileAdded{4, text_file},
        journal::RangeAdded{11, row, ""},
        journal::RangeAdded{11, row, "an id of its own"},
        journal::InboxApplied{"000001.ranges.json"},
        journal::Closed{},
    };
}

/// Every field of a record.
inline std::string print_record(journal::Record const& record)
{
    struct Printer {
        std::string operator()(journal::LifeStarted const& r)
        {
            return fmt::format("{} {} {}", r.unix_s, r.host, r.batch_job);
        }
        std::string operator()(journal::LifeEnded const& r)
        {
            return fmt::format("{} {}", r.exit_code, r.reason);
        }
        std::string operator()(journal::RangesFinished const& r)
        {
            auto text = fmt::format("{} {}", r.bundle, r.epoch_life);
            for (auto const& entry : r.entries)
                text += fmt::format(" {}/{} {} {}", entry.range, entry.hand_out, entry.cpu_ms, entry.wall_ms);
            return text;
        }
        std::string operator()(journal::RangeFailed const& r)
        {
            return fmt::format("{} {} {} {} {}", r.range, print_state(r.state), r.burnt, r.error_code,
                               r.reason);
        }
        std::string operator()(journal::OutputLost const& r) { return fmt::format("{}", r.range); }
        std::string operator()(journal::BundleChanged const& r)
        {
            auto const& origin = r.state.origin;
            return fmt::format("{} {} {} {} {} {} {} {} {}", r.number, origin.panda_id, origin.job,
                               origin.life, origin.rank, origin.sequence, r.state.epoch_life, r.state.sealed,
                               r.state.lost);
        }
        std::string operator()(journal::JobDropped const& r) { return fmt::format("{}", r.job); }
        std::string operator()(journal::FileAdded const& r)
        {
            auto const& e = r.entry;
            return fmt::format("{} {} {} {} {} {} {} {} {} {}", r.file, e.job, e.task_id, e.panda_id,
                               e.file_id, e.text_ids, e.lfn, e.guid, e.scope, e.pfn);
        }
        std::string operator()(journal::RangeAdded const& r)
        {
            return fmt::format("{} {} {} {} {} {} '{}'", r.range, r.row.first, r.row.last, r.row.process_id,
                               r.row.file, r.row.attempt, r.text_id);
        }
        std::string operator()(journal::InboxApplied const& r) { return std::string(r.name); }
        std::string operator()(journal::Closed const&) { return {}; }
    };
    return fmt::format("{}: {}", record.index(), std::visit(Printer{}, record));
}

/// All records as the frames of one life.
inline std::string journal_of(std::vector<journal::Record> const& records, Life life = 1,
                              std::uint64_t first_sequence = 1)
{
    journal::Writer writer(life, first_sequence);
    std::string bytes;
    for (auto const& record : records) writer.append(record, bytes);
    return bytes;
}

}  // namespace yoda::test
