// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/wire/form.hpp"

#include <algorithm>

namespace yoda {

namespace {

constexpr std::string_view hex_digits = "0123456789ABCDEF";

bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::string decode(std::string_view text)
{
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+') {
            out += ' ';
        } else if (text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
                   hex_value(text[i + 2]) >= 0) {
            out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

std::string print(FormFields const& fields, bool plus)
{
    std::size_t bytes = 0;
    for (auto const& [name, value] : fields) bytes += name.size() + value.size() + 2;
    std::string out;
    out.reserve(bytes + bytes / 4);
    for (auto const& [name, value] : fields) {
        if (!out.empty()) out += '&';
        append_url_encoded(name, plus, out);
        out += '=';
        append_url_encoded(value, plus, out);
    }
    return out;
}

}  // namespace

void append_url_encoded(std::string_view text, bool plus, std::string& out)
{
    for (char const c : text) {
        if (is_plain(c)) {
            out += c;
        } else if (c == ' ' && plus) {
            out += '+';
        } else {
            auto const byte = static_cast<unsigned char>(c);
            out += '%';
            out += hex_digits[byte >> 4];
            out += hex_digits[byte & 15];
        }
    }
}

std::string print_form(FormFields const& fields)
{
    return print(fields, true);
}
std::string print_query(FormFields const& fields)
{
    return print(fields, false);
}

std::optional<FormFields> parse_form(std::string_view text)
{
    if (text.empty()) return std::nullopt;
    if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) <= ' '; }))
        return std::nullopt;
    FormFields fields;
    for (;;) {
        auto const end = text.find('&');
        auto const field = text.substr(0, end);
        auto const equals = field.find('=');
        if (equals == std::string_view::npos || equals == 0 ||
            !std::all_of(field.begin(), field.begin() + static_cast<std::ptrdiff_t>(equals),
                         [](char c) { return is_plain(c) || c == '%' || c == '+'; }))
            return std::nullopt;
        fields.emplace_back(decode(field.substr(0, equals)), decode(field.substr(equals + 1)));
        if (end == std::string_view::npos) return fields;
        text.remove_prefix(end + 1);
    }
}

}  // namespace yoda
