// SPDX-License-Identifier: Apache-2.0
// A dataset that grows along its first axis. Rows are gathered until a chunk is full, so that appending a few
// rows at a time costs no more than writing all at once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sys/hdf5/handle.hpp"

namespace yoda::hdf5 {

class GrowingDataset {
  public:
    /// Creates it, without a row; false from ok() if HDF5 could not. `type` is the type in memory and on disk
    /// (may differ where lengths vary); `row_size` the extents beyond the first axis.
    GrowingDataset(hid_t file, std::string const& path, hid_t type, hid_t memory_type,
                   std::vector<hsize_t> row_size, bool variable);

    bool ok() const { return static_cast<bool>(dataset_); }
    hid_t get() const { return dataset_.get(); }
    /// False: HDF5's error stack says why.
    bool append(void const* rows, std::uint64_t count);
    /// Writes what is gathered. To be called before the file is closed.
    bool flush();
    std::uint64_t rows() const { return rows_; }

  private:
    bool write(char const* rows, std::uint64_t count);

    Handle dataset_;
    Handle memory_type_;
    std::vector<hsize_t> row_size_;
    std::size_t row_bytes_ = 0;
    std::uint64_t chunk_rows_ = 1;
    bool variable_;
    std::uint64_t rows_ = 0;     ///< appended
    std::uint64_t written_ = 0;  ///< of these, in the file
    std::vector<char> gathered_;
};

}  // namespace yoda::hdf5
