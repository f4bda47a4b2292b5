// SPDX-License-Identifier: Apache-2.0
#include "core/base/utf8.hpp"

#include <cstdint>

namespace yoda {

std::size_t clean_utf8_length(std::string_view text)
{
    if (text.empty()) return 0;
    auto const byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    unsigned const first = byte(0);
    if (first < 0x20 || first == 0x7F) return 0;
    std::size_t const length = first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if ((first >= 0x80 && first < 0xC2) || first > 0xF4 || length > text.size()) return 0;
    std::uint32_t code = length == 1 ? first : first & (0xFFu >> (length + 1));
    for (std::size_t k = 1; k < length; ++k) {
        if ((byte(k) & 0xC0u) != 0x80u) return 0;
        code = (code << 6) | (byte(k) & 0x3Fu);
    }
    static constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    return code < least[length] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000) ? 0 : length;
}

}  // namespace yoda
