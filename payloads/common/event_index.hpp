// SPDX-License-Identifier: Apache-2.0
// Where the events of an input file start, kept in a file of its own: events of text formats can then be
// found without reading what is before them.
//
// Bytes, little-endian: "YODAIDX2", u64 size of the input, i64 its modification time (ns), u64 n, n times u64
// offset, u64 FNV-1a of all before. An index that does not fit the input is refused, and made anew by who
// reads it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace yoda::samples {

struct EventIndex {
    std::uint64_t input_bytes = 0;
    std::int64_t input_modified_ns = 0;
    std::vector<std::uint64_t> offsets;
};

/// The name of the index of an input in the given folder: two inputs of one name have two indexes.
std::string index_path(std::string const& folder, std::string const& input_path);

/// Nothing when there is none, or it is damaged, or size or time are not
/// those of the input; `reason` then says why.
std::optional<EventIndex> read_index(std::string const& path, std::uint64_t input_bytes,
                                     std::int64_t input_modified_ns, std::string& reason);

/// Written under another name and renamed, so that several writers at once
/// do no harm. False if it cannot be written.
bool write_index(std::string const& path, EventIndex const& index);

}  // namespace yoda::samples
