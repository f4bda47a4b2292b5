// SPDX-License-Identifier: Apache-2.0
// Quantities as people write them: "10 min", "2 GB", "90" (in the key's own unit), "off".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace yoda {

/// Seconds from "90", "90 s", "1.5 min", "2 h", "1 d", "250 ms". Error: not a number, unknown unit, negative.
Result<double> parse_seconds(std::string_view text);
/// Bytes from "1048576", "2 GB", "512 MB", "1 TB", "64 KiB" (KB = 1000, KiB = 1024).
Result<std::uint64_t> parse_bytes(std::string_view text);
/// A whole number, not negative.
Result<std::uint64_t> parse_count(std::string_view text);
/// yes/no, true/false, on/off, 1/0.
Result<bool> parse_yes_no(std::string_view text);

/// Without blanks at both ends.
std::string_view trim(std::string_view text);

}  // namespace yoda
