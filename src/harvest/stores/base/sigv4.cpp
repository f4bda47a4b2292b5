// SPDX-License-Identifier: Apache-2.0
#include "harvest/stores/base/sigv4.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <ctime>

#include "harvest/stores/base/digest.hpp"
#include "sys/http/http.hpp"

namespace yoda {

namespace {

std::string to_lower(std::string text)
{
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

/// Blanks at both ends go, several in the middle become one.
std::string squeeze(std::string_view value)
{
    std::string out;
    for (char const c : value) {
        bool const blank = c == ' ' || c == '\t';
        if (!blank)
            out += c;
        else if (!out.empty() && out.back() != ' ')
            out += ' ';
    }
    if (!out.empty() && out.back() == ' ') out.pop_back();
    return out;
}

struct CanonicalHeaders {
    std::string lines;  ///< "name:value\n" sorted by name
    std::string names;  ///< "name;name"
};

CanonicalHeaders canonical_headers(SigV4Request const& request)
{
    std::vector<std::pair<std::string, std::string>> sorted;
    for (auto const& [name, value] : request.headers) sorted.emplace_back(to_lower(name), squeeze(value));
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](auto const& a, auto const& b) { return a.first < b.first; });
    CanonicalHeaders out;
    for (std::size_t i = 0; i < sorted.size(); ++i) {
        auto const& [name, value] = sorted[i];
        if (i > 0 && sorted[i - 1].first == name) {  // one name twice: values joined by commas
            out.lines.back() = ',';
            out.lines += value + "\n";
            continue;
        }
        out.lines += name + ":" + value + "\n";
        out.names += (out.names.empty() ? "" : ";") + name;
    }
    return out;
}

std::string scope_text(SigV4Scope const& scope)
{
    return fmt::format("{}/{}/{}/aws4_request", sigv4_time(scope.unix_s).substr(0, 8), scope.region,
                       scope.service);
}

std::string sign(SigV4Request const& request, CanonicalHeaders const& headers, S3Keys const& keys,
                 SigV4Scope const& scope)
{
    std::string const canonical =
        fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, request.path, sigv4_query(request.query),
                    headers.lines, headers.names, request.payload_hash);
    std::string const text =
        fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", sigv4_time(scope.unix_s), scope_text(scope),
                    print_hex(digest_of(DigestKind::sha256, canonical)));
    std::string key = hmac_sha256("AWS4" + keys.secret, sigv4_time(scope.unix_s).substr(0, 8));
    for (std::string_view const part :
         {std::string_view(scope.region), std::string_view(scope.service), std::string_view("aws4_request")})
        key = hmac_sha256(key, part);
    return print_hex(hmac_sha256(key, text));
}

}  // namespace

std::string sigv4_time(std::int64_t unix_s)
{
    std::time_t const time = unix_s;
    std::tm parts{};
    gmtime_r(&time, &parts);
    return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                       parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::string sigv4_query(std::vector<std::pair<std::string, std::string>> query)
{
    for (auto& [name, value] : query) {
        name = percent_encode(name);
        value = percent_encode(value);
    }
    std::sort(query.begin(), query.end());
    std::string out;
    for (auto const& [name, value] : query) out += (out.empty() ? "" : "&") + name + "=" + value;
    return out;
}

std::string sigv4_authorization(SigV4Request const& request, S3Keys const& keys, SigV4Scope const& scope)
{
    auto const headers = canonical_headers(request);
    return fmt::format("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}", keys.access,
                       scope_text(scope), headers.names, sign(request, headers, keys, scope));
}

std::string sigv4_presign(SigV4Request request, S3Keys const& keys, SigV4Scope const& scope,
                          std::int64_t valid_s)
{
    auto const headers = canonical_headers(request);
    request.payload_hash = unsigned_payload;
    request.query.emplace_back("X-Amz-Algorithm", "AWS4-HMAC-SHA256");
    request.query.emplace_back("X-Amz-Credential", keys.access + "/" + scope_text(scope));
    request.query.emplace_back("X-Amz-Date", sigv4_time(scope.unix_s));
    request.query.emplace_back("X-Amz-Expires", std::to_string(valid_s));
    if (!keys.session_token.empty()) request.query.emplace_back("X-Amz-Security-Token", keys.session_token);
    request.query.emplace_back("X-Amz-SignedHeaders", headers.names);
    return sigv4_query(request.query) + "&X-Amz-Signature=" + sign(request, headers, keys, scope);
}

}  // namespace yoda
