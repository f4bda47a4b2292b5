// SPDX-License-Identifier: Apache-2.0
#include "core/event_text/archive_members.hpp"

#include <algorithm>
#include <string_view>

namespace yoda {

namespace {

constexpr unsigned max_count = 1000;
constexpr std::size_t tar_block = 512;

std::uint64_t byte_at(std::string_view text, std::size_t at)
{
    return static_cast<unsigned char>(text[at]);
}

/// Little-endian, as zip has them.
std::uint64_t number_at(std::string_view text, std::size_t at, std::size_t bytes)
{
    std::uint64_t number = 0;
    for (std::size_t i = bytes; i-- > 0;) number = number << 8 | byte_at(text, at + i);
    return number;
}

/// A field of a tar header: octal digits, or GNU's base 256 for large sizes.
std::uint64_t tar_number(std::string_view field)
{
    std::uint64_t number = 0;
    if (byte_at(field, 0) & 0x80u) {
        for (std::size_t i = 1; i < field.size(); ++i) number = number << 8 | byte_at(field, i);
        return number;
    }
    for (char const c : field.substr(std::min(field.find_first_not_of(' '), field.size()))) {
        if (c < '0' || c > '7') break;
        number = number * 8 + static_cast<std::uint64_t>(c - '0');
    }
    return number;
}

bool is_tar_header(std::string_view block)
{
    if (block.size() < tar_block || block[0] == 0) return false;
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < tar_block; ++i) sum += i >= 148 && i < 156 ? ' ' : byte_at(block, i);
    return tar_number(block.substr(148, 8)) == sum;
}

std::optional<unsigned> count_in_tar(std::uint64_t file_bytes, ReadAt const& read)
{
    // Not files: folders, long names, attributes, volume labels.
    constexpr std::string_view other_types = "5xgXLKV";
    std::optional<unsigned> count;
    for (std::uint64_t offset = 0; offset < file_bytes && count.value_or(0) < max_count;) {
        auto const block = read(offset, tar_block);
        if (!is_tar_header(block)) break;
        auto const bytes = tar_number(std::string_view(block).substr(124, 12));
        count = count.value_or(0) + (other_types.find(block[156]) == std::string_view::npos);
        if (bytes > file_bytes) break;
        offset += tar_block + (bytes + tar_block - 1) / tar_block * tar_block;
    }
    return count;
}

std::optional<unsigned> count_in_zip(std::uint64_t file_bytes, ReadAt const& read)
{
    constexpr std::size_t end_bytes = 22, entry_bytes = 46, max_comment_bytes = 65535;
    if (read(0, 4) != std::string_view("PK\x03\x04")) return std::nullopt;
    auto const tail_bytes = std::min<std::uint64_t>(file_bytes, end_bytes + max_comment_bytes);
    auto const tail = read(file_bytes - tail_bytes, tail_bytes);
    auto const end = tail.rfind("PK\x05\x06");
    if (end == std::string::npos || tail.size() - end < end_bytes) return std::nullopt;
    auto const entries = number_at(tail, end + 10, 2);
    auto offset = number_at(tail, end + 16, 4);
    unsigned count = 0;
    for (std::uint64_t i = 0; i < entries && count < max_count; ++i) {
        auto const entry = read(offset, entry_bytes);
        // Zip64 has the place elsewhere; its many entries are enough to know.
        if (entry.size() < entry_bytes || !entry.starts_with("PK\x01\x02"))
            return static_cast<unsigned>(std::min<std::uint64_t>(entries, max_count));
        auto const name = read(offset + entry_bytes, number_at(entry, 28, 2));
        count += !name.ends_with('/');
        offset += entry_bytes + name.size() + number_at(entry, 30, 2) + number_at(entry, 32, 2);
    }
    return count;
}

}  // namespace

std::optional<unsigned> count_archive_members(std::uint64_t file_bytes, ReadAt const& read)
{
    auto const count = count_in_tar(file_bytes, read);
    return count ? count : count_in_zip(file_bytes, read);
}

}  // namespace yoda
