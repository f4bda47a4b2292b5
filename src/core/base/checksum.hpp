// SPDX-License-Identifier: Apache-2.0
// CRC-32C (Castagnoli) for our own frames, adler32 as PanDA and the grid write it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace yoda {

/// CRC-32C of `bytes`, continuing from `crc` (0 to begin). Uses the processor's instruction where it has one.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc = 0);

/// The same without that instruction.
std::uint32_t crc32c_portable(std::string_view bytes, std::uint32_t crc = 0);

/// adler32 of `bytes`, continuing from `sum` (1 to begin).
std::uint32_t adler32(std::string_view bytes, std::uint32_t sum = 1);

/// Eight lower-case hex digits with leading zeros (docs/reference/panda.md §8).
std::string print_adler32(std::uint32_t sum);
/// Takes "ad:" in front or not, and leading zeros missing; nullopt if it is not such a number.
std::optional<std::uint32_t> parse_adler32(std::string_view text);

}  // namespace yoda
