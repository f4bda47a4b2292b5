// SPDX-License-Identifier: Apache-2.0
#include "harvest/stores/base/store_url.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "harvest/stores/base/object_key.hpp"
#include "sys/http/http.hpp"

namespace yoda {

namespace {

struct Scheme {
    std::string_view name;
    StoreKind kind;
    bool tls;
};

constexpr std::array schemes{
    Scheme{"s3", StoreKind::s3, true},         Scheme{"s3+https", StoreKind::s3, true},
    Scheme{"s3+http", StoreKind::s3, false},   Scheme{"davs", StoreKind::dav, true},
    Scheme{"https", StoreKind::dav, true},     Scheme{"dav", StoreKind::dav, false},
    Scheme{"http", StoreKind::dav, false},     Scheme{"root", StoreKind::xrootd, false},
    Scheme{"xroot", StoreKind::xrootd, false}, Scheme{"file", StoreKind::file, false},
};

Error bad_url(std::string_view text, std::string why, std::string fix = {})
{
    return Error{ErrorKind::usage, fmt::format("\"{}\" is no store", printable_url(text)), std::move(why),
                 std::move(fix)};
}

/// `objectstore^s3^s3://host:443^/bucket/path` and `objectstore^root^host:1094^/path` as a URL
/// (docs/reference/panda.md §8).
Result<std::string> from_schedconfig(std::string_view text)
{
    std::vector<std::string_view> parts;
    for (std::string_view rest = text;;) {
        auto const end = rest.find('^');
        parts.push_back(rest.substr(0, end));
        if (end == std::string_view::npos) break;
        rest.remove_prefix(end + 1);
    }
    if (parts.size() != 4) return bad_url(text, "it has not the form objectstore^protocol^host^path");
    auto host = parts[2];
    std::string scheme(parts[1]);
    if (auto const colon = host.find("://"); colon != std::string_view::npos) {
        scheme = host.substr(0, colon);
        host.remove_prefix(colon + 3);
    }
    while (host.ends_with('/')) host.remove_suffix(1);
    return fmt::format("{}://{}{}{}", scheme, host, parts[3].starts_with('/') ? "" : "/", parts[3]);
}

std::string_view strip_slashes(std::string_view path)
{
    while (path.starts_with('/')) path.remove_prefix(1);
    while (path.ends_with('/')) path.remove_suffix(1);
    return path;
}

}  // namespace

std::string StoreUrl::endpoint() const
{
    switch (kind) {
        case StoreKind::s3:
        case StoreKind::dav:
            return (tls ? "https://" : "http://") + host;
        case StoreKind::xrootd:
            return "root://" + host;
        case StoreKind::file:
            break;
    }
    return "file://" + path;
}

std::string StoreUrl::text() const
{
    switch (kind) {
        case StoreKind::s3:
            return fmt::format("{}://{}/{}{}{}", tls ? "s3" : "s3+http", host, bucket,
                               path.empty() ? "" : "/", path);
        case StoreKind::dav:
            return fmt::format("{}://{}/{}", tls ? "https" : "http", host, path);
        case StoreKind::xrootd:
            return fmt::format("root://{}//{}", host, path);
        case StoreKind::file:
            break;
    }
    return "file://" + path;
}

Result<StoreUrl> parse_store_url(std::string_view text)
{
    std::string converted;
    if (text.starts_with("objectstore^")) {
        auto url = from_schedconfig(text);
        if (!url) return url.error();
        converted = *url;
        text = converted;
    }
    auto const colon = text.find("://");
    auto const* const scheme = std::find_if(schemes.begin(), schemes.end(),
                                            [&](Scheme const& s) { return s.name == text.substr(0, colon); });
    if (colon == std::string_view::npos || scheme == schemes.end())
        return bad_url(text, "its scheme is unknown",
                       "use s3://, s3+http://, davs://, https://, root:// or file:///path");
    StoreUrl url;
    url.kind = scheme->kind;
    url.tls = scheme->tls;
    auto const rest = text.substr(colon + 3);
    if (rest.find_first_of("?#") != std::string_view::npos)
        return bad_url(text, "it has a query or fragment");
    auto const slash = std::min(rest.find('/'), rest.size());
    url.host = rest.substr(0, slash);
    if (url.host.find('@') != std::string::npos)
        return bad_url(text, "there are keys or a password in it", "put them into a key file with mode 0600");
    auto const path = percent_decode(rest.substr(slash));
    if (!path) return bad_url(text, "a '%' in it is not followed by two hexadecimal digits");
    auto base = strip_slashes(*path);
    if (!base.empty())
        if (Status const status = check_object_key(base); !status) return bad_url(text, status.error().why);
    if (url.kind == StoreKind::file) {
        if (!url.host.empty() && url.host != "localhost")
            return bad_url(text, "a folder is on this machine", "file:///path");
        if (base.empty()) return bad_url(text, "it names no folder", "file:///path");
        url.host.clear();
        url.path = "/" + std::string(base);
        return url;
    }
    if (url.host.empty()) return bad_url(text, "it names no host");
    if (url.kind == StoreKind::s3) {
        auto const end = std::min(base.find('/'), base.size());
        url.bucket = base.substr(0, end);
        base = strip_slashes(base.substr(end));
        if (url.bucket.empty())
            return bad_url(text, "it names an endpoint but no bucket", "s3://host:port/bucket");
    }
    url.path = base;
    return url;
}

}  // namespace yoda
