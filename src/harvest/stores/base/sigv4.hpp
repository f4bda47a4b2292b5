// SPDX-License-Identifier: Apache-2.0
// AWS Signature Version 4, pure: a request and a time go in, an Authorization value or a signed query comes
// out. Why our own: docs/adr/0001-own-sigv4-signer.md. Checked against AWS's published vectors.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace yoda {

/// Never logged, never written. `session_token` is empty for lasting keys.
struct S3Keys {
    std::string access;
    std::string secret;
    std::string session_token;
};

/// The parts of a request that a signature covers.
struct SigV4Request {
    std::string method;
    std::string path;  ///< percent-encoded once, exactly as it will be sent; begins with '/'
    std::vector<std::pair<std::string, std::string>> query;    ///< not encoded, any order
    std::vector<std::pair<std::string, std::string>> headers;  ///< all to be signed; Host must be there
    std::string payload_hash;  ///< hex SHA-256 of the body, or "UNSIGNED-PAYLOAD"
};

struct SigV4Scope {
    std::int64_t unix_s = 0;
    std::string region = "us-east-1";
    std::string service = "s3";
};

inline constexpr std::string_view unsigned_payload = "UNSIGNED-PAYLOAD";

/// "20130524T000000Z", the value of x-amz-date.
std::string sigv4_time(std::int64_t unix_s);
/// `a=1&b=%2F`, encoded and sorted as both the signature and the URL want it; "name=" for an empty value.
std::string sigv4_query(std::vector<std::pair<std::string, std::string>> query);
/// The value of the Authorization header. The request's headers must hold x-amz-date.
std::string sigv4_authorization(SigV4Request const& request, S3Keys const& keys, SigV4Scope const& scope);
/// The whole query of a pre-signed URL, X-Amz-Signature last; the payload is unsigned.
std::string sigv4_presign(SigV4Request request, S3Keys const& keys, SigV4Scope const& scope,
                          std::int64_t valid_s);

}  // namespace yoda
