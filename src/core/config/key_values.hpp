// SPDX-License-Identifier: Apache-2.0
// Configuration files: `key = value` lines, `#` comments, keys may repeat.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace yoda {

struct KeyValue {
    std::string key;
    std::string value;
    unsigned line = 0;
};

/// Error: a line that is neither blank, comment nor `key = value`; `source` names the file in messages.
Result<std::vector<KeyValue>> parse_key_values(std::string_view text, std::string_view source);

/// The name among `known` that looks most like `word`, for "did you mean"; empty if none is near.
std::string_view nearest_name(std::string_view word, std::vector<std::string_view> const& known);

}  // namespace yoda
