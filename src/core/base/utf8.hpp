// SPDX-License-Identifier: Apache-2.0
// UTF-8 as text that others are given: without control characters, overlong forms and surrogates.
#pragma once

#include <cstddef>
#include <string_view>

namespace yoda {

/// The bytes of the character that `text` begins with; 0 if these are not
/// well-formed UTF-8 or a control character.
std::size_t clean_utf8_length(std::string_view text);

}  // namespace yoda
