// SPDX-License-Identifier: Apache-2.0
// Reads the columns of one HDF5 file that a Writer sealed. Like ByteReader it turns bad instead of failing at
// each step: after the first failure every call returns zeros or nothing, and status() says what failed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "sys/base/files.hpp"
#include "sys/hdf5/driver.hpp"
#include "sys/hdf5/types.hpp"

namespace yoda::hdf5 {

class Reader {
  public:
    /// `fix` goes into every error, as what to do about it.
    Reader(std::string path, std::string fix);

    std::uint64_t get_number(std::string const& path, std::string const& name);
    std::string get_text(std::string const& path, std::string const& name);
    /// Opens a one-dimensional dataset of this very type; returns the number to read it by.
    std::size_t open_column(std::string const& path, ElementType type);
    std::uint64_t rows(std::size_t column) const;
    void read(std::size_t column, std::uint64_t first, std::uint64_t count, void* out);
    std::vector<std::string> read_texts(std::string const& path);

    bool ok() const { return !error_.has_value(); }
    Status status() const { return error_ ? Status(*error_) : Status(); }
    /// Notes that the content is wrong, unless something failed before.
    void refuse(std::string why);

  private:
    struct Column {
        std::string path;
        Handle dataset;
        Handle type;
        std::uint64_t rows = 0;
    };
    Handle open_dataset(std::string const& path, std::uint64_t& rows);
    Handle open_attribute(std::string const& path, std::string const& name);
    void fail(std::string_view doing);

    std::string path_;
    std::string fix_;
    FileDescriptor fd_;
    std::unique_ptr<Storage> storage_;
    Handle file_;
    std::vector<Column> columns_;
    std::optional<Error> error_;
};

}  // namespace yoda::hdf5
