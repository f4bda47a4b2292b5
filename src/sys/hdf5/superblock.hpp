// SPDX-License-Identifier: Apache-2.0
// The bytes of HDF5's superblock that change when a program opens a file read-write, although it writes
// nothing: HDF5's own marks, which say nothing about the content. By version of the superblock, as HDF5's
// file format specification (III.A) has them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace yoda::hdf5 {

constexpr std::string_view superblock_magic = "\x89HDF\r\n\x1a\n";

/// One of these fields.
struct OwnMark {
    std::string_view name;
    std::size_t offset = 0;  ///< from the superblock's begin
    std::size_t bytes = 0;
    std::uint64_t at_creation = 0;  ///< what HDF5 writes when it makes a file
};

/// Of the superblock that `bytes` begin with; none where its version or its sizes are not known.
std::span<OwnMark const> own_marks(std::string_view bytes);

/// "superblock 0 consistency_flags ...": what own_marks(bytes) returns, in one line;
/// empty if that is nothing.
std::string print_own_marks(std::string_view bytes);

enum class OwnMarks { cleared, as_created };

/// Makes them all zero, or what HDF5 writes when it makes a file (of version 0 or 1).
void set_own_marks(std::span<char> bytes, OwnMarks to);

}  // namespace yoda::hdf5
