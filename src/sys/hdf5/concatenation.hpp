// SPDX-License-Identifier: Apache-2.0
// Makes one HDF5 file of many: each dataset holds the rows of all sources, one source after the other. The
// first source says which datasets there are, of which types and shapes, and gives the attributes; all others
// must agree. Memory: about 256 KiB a dataset, and one source at a time.
//
//     Concatenation out("jets.h5", "index");
//     for (auto const& source : sources) ok = ok && out.open_source(source) && out.append_source();
//     if (ok) ok = bool(out.commit());
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "sys/hdf5/driver.hpp"
#include "sys/hdf5/growing.hpp"
#include "sys/hdf5/schema.hpp"
#include "sys/hdf5/writer.hpp"

namespace yoda::hdf5 {

class Concatenation {
  public:
    /// `reserved` is a group at the root that sources must not have: the caller puts its own columns there.
    Concatenation(std::string path, std::string reserved);
    ~Concatenation();
    Concatenation(Concatenation const&) = delete;
    Concatenation& operator=(Concatenation const&) = delete;

    /// Opens a source and compares it with the first one.
    /// What `storage` points to must live until close_source().
    /// Errors say what is wrong with the source; their `what` is left empty.
    Status open_source(Storage const& storage);
    /// Forgets the open source; its storage may go then.
    void close_source();
    /// Of the first source.
    std::vector<DatasetInfo> const& datasets() const { return schema_.datasets; }
    std::vector<GroupInfo> const& groups() const { return schema_.groups; }
    /// Number of a dataset in datasets(); nullopt if there is none of that path.
    std::optional<std::size_t> find(std::string_view path) const;
    /// Rows of dataset `dataset` (index into datasets()) in the open source; 0 for a scalar.
    std::uint64_t source_rows(std::size_t dataset) const { return source_rows_[dataset]; }
    /// Written so far.
    std::uint64_t rows(std::size_t dataset) const;
    /// A one-dimensional dataset of integers of the open source.
    Result<std::vector<std::int64_t>> read_integers(std::size_t dataset);
    /// Appends all of the open source. Errors: it cannot be read, or the output cannot be written.
    Status append_source();

    /// A column of the caller's own.
    std::size_t add_column(ColumnSpec const& spec);
    void append(std::size_t column, void const* values, std::uint64_t count);
    Writer& writer() { return writer_; }

    /// Writes the rest, syncs, renames.
    Status commit();

  private:
    struct Output {
        std::optional<GrowingDataset> growing;
        std::vector<char> scalar;  ///< the first source's value
    };
    Status take_schema();
    Status compare_schema();
    Status create_outputs();
    Status append_rows(std::size_t dataset);
    Status check_scalar(std::size_t dataset);
    Error source_error(std::string why) const;
    Error output_error();

    Writer writer_;
    std::string reserved_;
    Schema schema_;
    std::vector<Output> outputs_;
    std::vector<std::unique_ptr<GrowingDataset>> columns_;
    Storage storage_;  ///< of the open source
    Handle access_;
    Handle source_;
    std::vector<Handle> source_datasets_;
    std::vector<std::uint64_t> source_rows_;
    std::vector<char> block_;
};

}  // namespace yoda::hdf5
