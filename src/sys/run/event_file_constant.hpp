// SPDX-License-Identifier: Apache-2.0
// Writes events.h5 chunk by chunk, in the thread of the caller. Shared by write_event_file and
// CheckpointWriter.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/table/event_table.hpp"
#include "sys/hdf5/writer.hpp"
#include "sys/run/event_file.hpp"

namespace yoda::event_file {

class EventsFile {
  public:
    EventsFile(std::string const& run, EventFileInfo const& info, RangeIndex rows);
    /// Rows [first, first + rows.size()).
    void write(RangeIndex first, std::span<RangeRow const> rows);
    /// Adds files and texts (more of them than the rows name do no harm), syncs, renames. Error, among
    /// others: a text that HDF5 would give back cut off.
    Status commit(std::vector<FileEntry> const& files, std::vector<std::string> const& texts);

  private:
    void write_files(std::vector<FileEntry> const& files);

    std::string path_;
    hdf5::Writer writer_;
    std::vector<std::size_t> columns_;
};

}  // namespace yoda::event_file
