// SPDX-License-Identifier: Apache-2.0
// Where a store is: `scheme://host[:port]/path`, or PanDA's older `objectstore^protocol^host^path`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace yoda {

enum class StoreKind { s3, dav, xrootd, file };

/// s3://, s3+https:// (TLS), s3+http:// (plain); davs://, https:// (TLS), dav://, http:// (plain); root://,
/// xroot://; file:///absolute/path.
struct StoreUrl {
    StoreKind kind = StoreKind::file;
    bool tls = false;
    std::string host;  ///< with the port when one was given; empty for files
    /// Not percent-encoded; S3: what follows the bucket. Only a file's path begins with '/', none ends so.
    std::string path;
    std::string bucket;

    /// "https://host:port", what requests go to; "root://host:port"; of files the folder.
    std::string endpoint() const;
    /// The store's base as a person would write it.
    std::string text() const;
};

/// Reads a store's URL.
/// Errors (usage): an unknown scheme, no host, an S3 endpoint without a bucket, a file path that is not
/// absolute, ".." in the path, keys or passwords in the URL.
Result<StoreUrl> parse_store_url(std::string_view text);

}  // namespace yoda
