// SPDX-License-Identifier: Apache-2.0
// Writes one HDF5 file that is there whole or not at all: PATH.<pid>.part, fsync, rename.
// After the first failure every call does nothing; commit() says what failed. No object
// times, so that equal content gives equal bytes.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "sys/base/files.hpp"
#include "sys/hdf5/driver.hpp"
#include "sys/hdf5/types.hpp"

namespace yoda::hdf5 {

/// One-dimensional dataset; shuffled and deflated (level 1) in chunks of `chunk_rows`.
struct ColumnSpec {
    std::string path;
    ElementType type = ElementType::u32;
    std::string units;  ///< attribute "units"; "1" for a pure number
    std::string meaning;
    std::uint64_t fill = 0;  ///< value of rows never written
};

constexpr std::uint64_t chunk_rows = 65'536;

/// Where a file is while process `pid` writes it.
std::string part_path(std::string const& path, pid_t pid);

class Writer {
  public:
    /// With `sealed` the file gets a seal (sys/hdf5/seal.hpp), so that a Reader takes it, and nobody may
    /// write it. Else its path is one that a user named (sys/base/named_output.hpp).
    Writer(std::string path, bool sealed);
    ~Writer();
    Writer(Writer&&) noexcept;
    Writer& operator=(Writer&&) = delete;

    void add_group(std::string const& path);
    /// Returns the number to write to it by.
    std::size_t add_column(ColumnSpec const& spec, std::uint64_t rows);
    /// Rows [first, first+count) of a column; whole chunks are fastest. `data` has the column's type.
    void write(std::size_t column, std::uint64_t first, std::uint64_t count, void const* data);
    /// A whole column of texts, stored with the length of the longest.
    void add_texts(std::string const& path, std::string_view meaning, std::uint64_t rows,
                   std::function<std::string_view(std::uint64_t)> const& text);
    /// Attributes of the group or dataset at `path`.
    void set_text(std::string const& path, std::string const& name, std::string_view value);
    void set_number(std::string const& path, std::string const& name, std::uint64_t value);
    /// `path` shows what is at `target` in `file`, a name relative to this file's folder.
    void add_external_link(std::string const& path, std::string const& file, std::string const& target);

    bool ok() const { return !error_.has_value(); }
    Status status() const { return error_ ? Status(*error_) : Status(); }
    /// For those who write more into the file than columns: the open file, and
    /// a way to note that a call of HDF5 failed.
    hid_t file() const { return file_.get(); }
    void check(bool good, std::string_view doing);
    /// Closes, syncs and renames. Nothing may be called after it.
    Status commit();

  private:
    struct Column {
        Handle dataset;
        Handle type;
    };
    Handle create_dataset(std::string const& path, Handle const& type, std::uint64_t rows,
                          std::uint64_t rows_per_chunk, void const* fill);
    void put_attribute(std::string const& path, std::string const& name, hid_t type, void const* value);
    /// HDF5 changes marks of its own when it opens a file read-write for the first time: now, so that no
    /// other program's opening changes the file.
    void settle();
    /// Notes a failure unless there was one before.
    void fail(std::string_view doing);

    std::string path_;
    std::string part_;
    bool sealed_;
    FileDescriptor fd_;
    std::unique_ptr<Storage> storage_;
    Handle file_;
    std::vector<Column> columns_;
    std::optional<Error> error_;
};

}  // namespace yoda::hdf5
