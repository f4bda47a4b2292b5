// SPDX-License-Identifier: Apache-2.0
// Writes state.h5 chunk by chunk, in the thread of the caller. Shared by write_state_file and
// CheckpointWriter.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/table/event_table.hpp"
#include "sys/hdf5/writer.hpp"
#include "sys/run/event_file.hpp"

namespace yoda::event_file {

/// The changing columns of some rows, as the table holds them.
struct StateRow {
    RangeProgress progress;
    std::uint16_t winner = 0;
};

class StateFile {
  public:
    StateFile(std::string const& run, std::string const& run_id, CheckpointInfo const& checkpoint,
              RangeIndex rows);
    /// Rows [first, first + rows.size()). Rows that are as a new table has them take neither time nor space.
    void write(RangeIndex first, std::span<StateRow const> rows);
    /// Adds the table of bundles, syncs, renames.
    Status commit(std::vector<BundleState> const& bundles);

  private:
    void write_bundles(std::vector<BundleState> const& bundles);

    hdf5::Writer writer_;
    std::vector<std::size_t> columns_;
};

}  // namespace yoda::event_file
