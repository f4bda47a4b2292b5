// SPDX-License-Identifier: Apache-2.0
#include "sys/hdf5/superblock.hpp"

#include <fmt/format.h>

#include <array>

namespace yoda::hdf5 {

namespace {

// A root group of the old kind has its symbol table cached in the superblock. When the group becomes one of
// the new kind (an external link in it does that), the cache stays, until the file is opened read-write.
// HDF5 lays out every new file alike: the B-tree of the root group lies at 136, its local heap at 680.
constexpr std::uint64_t cached_symbol_table = 1;
constexpr std::uint64_t first_tree = 136;
constexpr std::uint64_t first_heap = 680;

constexpr std::array<OwnMark, 4> marks_0{{{"consistency_flags", 20, 4, 0},
                                          {"root_cache_type", 72, 4, cached_symbol_table},
                                          {"root_cache_tree", 80, 8, first_tree},
                                          {"root_cache_heap", 88, 8, first_heap}}};
// Version 1 has four more bytes before the addresses (a B-tree's size).
constexpr std::array<OwnMark, 4> marks_1{{{"consistency_flags", 20, 4, 0},
                                          {"root_cache_type", 76, 4, cached_symbol_table},
                                          {"root_cache_tree", 84, 8, first_tree + 4},
                                          {"root_cache_heap", 92, 8, first_heap + 4}}};
// Versions 2 and 3 have no cache, but a checksum over themselves.
constexpr std::array<OwnMark, 2> marks_2{{{"consistency_flags", 11, 1, 0}, {"checksum", 44, 4, 0}}};

constexpr std::size_t version_at = superblock_magic.size();
constexpr std::size_t superblock_bytes = 100;
constexpr char address_bytes = 8;

}  // namespace

std::span<OwnMark const> own_marks(std::string_view bytes)
{
    if (bytes.size() < superblock_bytes || !bytes.starts_with(superblock_magic)) return {};
    auto const version = bytes[version_at];
    // Sizes of addresses and of lengths stand elsewhere in the new versions.
    std::size_t const sizes_at = version < 2 ? 13 : 9;
    if (bytes[sizes_at] != address_bytes || bytes[sizes_at + 1] != address_bytes) return {};
    switch (version) {
        case 0:
            return marks_0;
        case 1:
            return marks_1;
        case 2:
        case 3:
            return marks_2;
        default:
            return {};
    }
}

std::string print_own_marks(std::string_view bytes)
{
    std::string line;
    for (auto const& mark : own_marks(bytes)) {
        if (line.empty()) line = fmt::format("superblock {}", static_cast<int>(bytes[version_at]));
        line += fmt::format(" {}", mark.name);
    }
    return line;
}

void set_own_marks(std::span<char> bytes, OwnMarks to)
{
    for (auto const& mark : own_marks({bytes.data(), bytes.size()})) {
        std::uint64_t const value = to == OwnMarks::as_created ? mark.at_creation : 0;
        for (std::size_t i = 0; i < mark.bytes; ++i)
            bytes[mark.offset + i] = static_cast<char>(value >> (8 * i));
    }
}

}  // namespace yoda::hdf5
