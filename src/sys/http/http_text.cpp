// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>
#include <charconv>

#include "sys/http/http.hpp"

namespace yoda {

namespace {

bool is_unreserved(unsigned char c)
{
    return std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~';
}

bool same_text(std::string_view a, std::string_view b)
{
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

/// Query parameters that let their holder in or help to guess who may.
bool is_secret_parameter(std::string_view name)
{
    static constexpr std::string_view names[] = {
        "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token",
        "Signature",       "AWSAccessKeyId",   "authz",
        "access_token",    "secretKey",        "token",
        "temp_url_sig"};
    return std::any_of(std::begin(names), std::end(names), [&](auto n) { return same_text(n, name); });
}

}  // namespace

std::string_view HttpHeaders::find(std::string_view name) const
{
    for (auto const& [key, value] : items_)
        if (same_text(key, name)) return value;
    return {};
}

bool HttpHeaders::has(std::string_view name) const
{
    return std::any_of(items_.begin(), items_.end(),
                       [&](auto const& item) { return same_text(item.first, name); });
}

std::string percent_encode(std::string_view text, bool keep_slash)
{
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    out.reserve(text.size());
    for (char const raw : text) {
        auto const c = static_cast<unsigned char>(raw);
        if (is_unreserved(c) || (keep_slash && c == '/')) {
            out += raw;
        } else {
            out += '%';
            out += digits[c >> 4];
            out += digits[c & 15];
        }
    }
    return out;
}

std::optional<std::string> percent_decode(std::string_view text)
{
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        if (i + 2 >= text.size()) return std::nullopt;
        unsigned value = 0;
        auto const [end, code] = std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16);
        if (code != std::errc{} || end != text.data() + i + 3) return std::nullopt;
        out += static_cast<char>(value);
        i += 2;
    }
    return out;
}

std::string printable_url(std::string_view url)
{
    std::string out;
    auto const scheme_end = url.find("://");
    if (scheme_end != std::string_view::npos) {
        auto const host = scheme_end + 3;
        auto const path = std::min(url.find_first_of("/?#", host), url.size());
        auto const at = url.substr(0, path).rfind('@');
        out = url.substr(0, host);
        url.remove_prefix(at != std::string_view::npos && at >= host ? at + 1 : host);
    }
    auto const query = url.find('?');
    out += url.substr(0, query);
    if (query == std::string_view::npos) return out;
    char separator = '?';
    for (std::string_view rest = url.substr(query + 1); !rest.empty(); separator = '&') {
        auto const end = std::min(rest.find('&'), rest.size());
        auto const item = rest.substr(0, end);
        auto const name = item.substr(0, item.find('='));
        out += separator;
        out += is_secret_parameter(name) ? std::string(name) + "=***" : std::string(item);
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return out;
}

}  // namespace yoda
