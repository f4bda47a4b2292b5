// SPDX-License-Identifier: Apache-2.0
// What reading and changing a command line have in common.
#pragma once

#include <string>
#include <string_view>

namespace yoda {

/// Of a variable's or an option's name.
inline bool is_name_character(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

inline void replace_all(std::string& text, std::string_view old, std::string_view fresh)
{
    for (std::size_t at = 0; (at = text.find(old, at)) != std::string::npos; at += fresh.size())
        text.replace(at, old.size(), fresh);
}

}  // namespace yoda
