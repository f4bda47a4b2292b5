// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/wire/json_cursor.hpp"

namespace yoda {

bool JsonCursor::skip_string()
{
    if (at_ == end_ || *at_ != '"') return false;
    for (++at_; at_ != end_; ++at_) {
        if (*at_ == '"') {
            ++at_;
            return true;
        }
        if (*at_ == '\\' && ++at_ == end_) return false;
    }
    return false;
}

bool JsonCursor::take_value(std::string_view& value)
{
    skip_space();
    char const* const first = at_;
    std::size_t depth = 0;
    while (at_ != end_) {
        char const c = *at_;
        if (c == '"') {
            if (!skip_string()) return false;
        } else if (c == '{' || c == '[') {
            ++depth;
            ++at_;
            continue;
        } else if (c == '}' || c == ']') {
            if (depth == 0) break;
            --depth;
            ++at_;
        } else if (depth == 0 && c == ',') {
            break;
        } else if (depth > 0 && (c == ',' || c == ':' || c == ' ' || c == '\n' || c == '\r' || c == '\t')) {
            ++at_;
            continue;
        } else {
            // A number or a word, up to what can follow one.
            while (at_ != end_ && std::strchr(",:{}[]\" \n\r\t", *at_) == nullptr) ++at_;
            if (at_ == end_ && depth > 0) return false;
        }
        if (depth == 0) break;
    }
    value = std::string_view(first, static_cast<std::size_t>(at_ - first));
    return depth == 0 && !value.empty();
}

}  // namespace yoda
