// SPDX-License-Identifier: Apache-2.0
#include "sys/run/event_file_format.hpp"

#include "core/base/types.hpp"

namespace yoda::event_file {

using hdf5::ColumnSpec;
using hdf5::ElementType;

std::array<ColumnSpec, 5> const& range_columns()
{
    static std::array<ColumnSpec, 5> const columns{{
        {"/ranges/first_event", ElementType::u32, "1", "first event of the range in its file, from 1"},
        {"/ranges/last_event", ElementType::u32, "1", "last event of the range, inclusive"},
        {"/ranges/file", ElementType::u32, "1", "row in /files"},
        {"/ranges/job_processID", ElementType::u32, "1",
         "fourth number of the eventRangeID; where the file's text_ids is TRUE: row in /texts"},
        {"/ranges/attemptNr", ElementType::u16, "1",
         "fifth number of the eventRangeID; PanDA counts it down"},
    }};
    return columns;
}

std::array<ColumnSpec, 8> const& state_columns()
{
    static std::array<ColumnSpec, 8> const columns{{
        {"/ranges/state", ElementType::state, "1",
         "what has become of the range; a sent one stands as READY"},
        {"/ranges/tries_burnt", ElementType::u8, "1", "tries used up by failures of the payload"},
        {"/ranges/payload_deaths", ElementType::u8, "1",
         "deaths of whole payloads with this range in flight, since the last try that they cost"},
        {"/ranges/winner", ElementType::u16, "1",
         "of a finished range: the hand-out whose output counts (with the bundle's epoch_life: the epoch)"},
        {"/ranges/bundle", ElementType::u32, "1", "of a finished range: row in /bundles; else 4294967295",
         none},
        {"/ranges/error_code", ElementType::u16, "1", "of a range not finished: last error code, 0 for none"},
        {"/ranges/cpu_ms", ElementType::u32, "ms", "CPU time of the output that counts"},
        {"/ranges/wall_ms", ElementType::u32, "ms", "wall time of the output that counts"},
    }};
    return columns;
}

std::array<ColumnSpec, 5> const& file_columns()
{
    static std::array<ColumnSpec, 5> const columns{{
        {"/files/job", ElementType::u32, "1", "position of the PanDA job in job.json, from 0"},
        {"/files/task_id", ElementType::i64, "1", "first number of the eventRangeIDs: jediTaskID"},
        {"/files/panda_id", ElementType::i64, "1", "second number of the eventRangeIDs: PandaID"},
        {"/files/file_id", ElementType::i64, "1", "third number of the eventRangeIDs: fileID"},
        {"/files/text_ids", ElementType::flag, "1",
         "whether eventRangeIDs are not five integers and stand in /texts"},
    }};
    return columns;
}

std::array<ColumnSpec, 8> const& bundle_columns()
{
    static std::array<ColumnSpec, 8> const columns{{
        {"/bundles/job", ElementType::u32, "1", "position of the PanDA job in job.json, from 0"},
        {"/bundles/panda_id", ElementType::i64, "1", "PandaID in the bundle's name"},
        {"/bundles/life", ElementType::u32, "1", "life of the run in the bundle's name"},
        {"/bundles/rank", ElementType::u32, "1", "rank of the Droid in the bundle's name"},
        {"/bundles/sequence", ElementType::u32, "1", "number of the bundle in its name"},
        {"/bundles/epoch_life", ElementType::u16, "1", "life of the hand-outs whose outputs it holds"},
        {"/bundles/sealed", ElementType::flag, "1", "whether it is complete under its final name"},
        {"/bundles/lost", ElementType::flag, "1", "whether its data are gone"},
    }};
    return columns;
}

}  // namespace yoda::event_file
