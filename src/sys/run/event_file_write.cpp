// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>

#include "sys/run/event_file.hpp"
#include "sys/run/event_file_constant.hpp"
#include "sys/run/event_file_state.hpp"

namespace yoda {

using namespace event_file;

namespace {

constexpr RangeIndex block_rows = 4 * hdf5::chunk_rows;

}  // namespace

std::string make_run_id()
{
    std::uint64_t words[2] = {};
    // Never short for up to 256 bytes once the kernel's generator is up (getrandom(2)).
    ssize_t const got = ::getrandom(words, sizeof words, 0);
    YODA_CHECK(got == static_cast<ssize_t>(sizeof words), "getrandom gives what was asked");
    return fmt::format("{:016x}{:016x}", words[0], words[1]);
}

Status write_event_file(std::string const& run, EventTable const& table, EventFileInfo const& info)
{
    RangeIndex const rows = table.size();
    EventsFile file(run, info, rows);
    std::vector<RangeRow> block;
    RangeIndex count = 0;
    for (RangeIndex first = 0; first < rows; first += count) {
        count = std::min(block_rows, rows - first);
        block.resize(count);
        for (RangeIndex i = 0; i < count; ++i) block[i] = table.row(first + i);
        file.write(first, block);
    }
    return file.commit(table.files(), table.texts());
}

Status write_state_file(std::string const& run, EventTable const& table, std::string const& run_id,
                        CheckpointInfo const& checkpoint)
{
    RangeIndex const rows = table.size();
    StateFile file(run, run_id, checkpoint, rows);
    std::vector<StateRow> block;
    RangeIndex count = 0;
    for (RangeIndex first = 0; first < rows; first += count) {
        count = std::min(block_rows, rows - first);
        block.resize(count);
        for (RangeIndex i = 0; i < count; ++i)
            block[i] = {table.progress(first + i), table.row(first + i).winner};
        file.write(first, block);
    }
    return file.commit(table.bundles());
}

}  // namespace yoda
