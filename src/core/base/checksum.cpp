// SPDX-License-Identifier: Apache-2.0
#include "core/base/checksum.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <array>
#include <charconv>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace yoda {

namespace {

constexpr std::array<std::uint32_t, 256> make_crc32c_table()
{
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) crc = (crc & 1u) ? (crc >> 1) ^ 0x82F63B78u : crc >> 1;
        table[byte] = crc;
    }
    return table;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t crc32c_sse42(std::string_view bytes, std::uint32_t crc)
{
    char const* at = bytes.data();
    std::size_t left = bytes.size();
    std::uint64_t crc64 = crc;
    for (; left >= 8; left -= 8, at += 8) {
        std::uint64_t word;
        std::memcpy(&word, at, 8);
        crc64 = _mm_crc32_u64(crc64, word);
    }
    crc = static_cast<std::uint32_t>(crc64);
    for (; left > 0; --left, ++at) crc = _mm_crc32_u8(crc, static_cast<unsigned char>(*at));
    return crc;
}
#endif

}  // namespace

std::uint32_t crc32c_portable(std::string_view bytes, std::uint32_t crc)
{
    static constexpr auto table = make_crc32c_table();
    crc = ~crc;
    for (char const c : bytes) crc = (crc >> 8) ^ table[(crc ^ static_cast<unsigned char>(c)) & 0xFFu];
    return ~crc;
}

std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc)
{
#if defined(__x86_64__)
    static bool const has_instruction = __builtin_cpu_supports("sse4.2");
    if (has_instruction) return ~crc32c_sse42(bytes, ~crc);
#endif
    return crc32c_portable(bytes, crc);
}

std::uint32_t adler32(std::string_view bytes, std::uint32_t sum)
{
    return static_cast<std::uint32_t>(
        ::adler32_z(sum, reinterpret_cast<unsigned char const*>(bytes.data()), bytes.size()));
}

std::string print_adler32(std::uint32_t sum)
{
    return fmt::format("{:08x}", sum);
}

std::optional<std::uint32_t> parse_adler32(std::string_view text)
{
    if (text.starts_with("ad:")) text.remove_prefix(3);
    std::uint32_t sum = 0;
    auto const [end, code] = std::from_chars(text.data(), text.data() + text.size(), sum, 16);
    if (code != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
    return sum;
}

}  // namespace yoda
