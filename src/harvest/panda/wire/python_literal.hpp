// SPDX-License-Identifier: Apache-2.0
// Python's repr of plain values (True, None, 'text', {1: None}) as JSON:
// PanDA prints it where it forgot to encode.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

namespace yoda {

/// dict (keys become texts), list, tuple and set (become arrays), str, int, float, True, False, None.
/// nullopt for anything else, and beyond 64 levels.
std::optional<nlohmann::json> parse_python_literal(std::string_view text);

}  // namespace yoda
