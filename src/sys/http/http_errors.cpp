// SPDX-License-Identifier: Apache-2.0
#include "sys/http/http_errors.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include "sys/http/http.hpp"

namespace yoda {

Error curl_error(int code, std::string_view detail, std::string_view method, std::string_view url)
{
    auto const curl_code = static_cast<CURLcode>(code);
    Error error{ErrorKind::unavailable,
                fmt::format("no answer to {} {}", method, printable_url(url)),
                std::string(detail.empty() ? curl_easy_strerror(curl_code) : detail),
                {}};
    // Some detail texts quote the URL; what it hides must stay hidden.
    for (auto at = error.why.find(url); !url.empty() && at != std::string::npos;
         at = error.why.find(url, at + 1))
        error.why.replace(at, url.size(), printable_url(url));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
    switch (curl_code) {
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_ISSUER_ERROR:
            error.kind = ErrorKind::refused;
            error.fix = "check the server's name, and the CA file or folder in the configuration";
            if (error.why.find("expired") != std::string::npos ||
                error.why.find("not yet valid") != std::string::npos)
                error.fix = "check this machine's clock; if it is right, tell the server's people";
            break;
        case CURLE_SSL_CACERT_BADFILE:
        case CURLE_SSL_CRL_BADFILE:
            error.kind = ErrorKind::usage;
            error.fix = "check the CA file or folder in the configuration";
            break;
        case CURLE_SSL_CERTPROBLEM:
        case CURLE_SSL_CIPHER:
            error.kind = ErrorKind::usage;
            error.fix = "check the client certificate or proxy and its key";
            break;
        case CURLE_URL_MALFORMAT:
        case CURLE_UNSUPPORTED_PROTOCOL:
            // Also what "HTTP/0.9", that is no HTTP at all, is reported as.
            if (error.why.find("HTTP/0.9") == std::string::npos) error.kind = ErrorKind::usage;
            break;
        case CURLE_OUT_OF_MEMORY:
            error.kind = ErrorKind::io;
            break;
        default:
            break;
    }
#pragma GCC diagnostic pop
    return error;
}

}  // namespace yoda
