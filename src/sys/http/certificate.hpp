// SPDX-License-Identifier: Apache-2.0
// What an X.509 certificate file says of itself: whose, and until when. Nothing is verified here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace yoda {

struct CertificateInfo {
    std::string subject;  ///< "/O=.../CN=..."
    std::int64_t valid_from_unix_s = 0;
    std::int64_t valid_until_unix_s = 0;
    bool is_proxy = false;    ///< RFC 3820
    bool is_limited = false;  ///< a proxy that servers of jobs refuse
};

/// All certificates of a PEM text, in its order: of a proxy file first the proxy, then its issuers.
/// Errors (bad_input): none in it, or one that cannot be read. A private key in the text is passed over.
Result<std::vector<CertificateInfo>> read_certificates(std::string_view pem);

}  // namespace yoda
