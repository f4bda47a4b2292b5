// SPDX-License-Identifier: Apache-2.0
// Who we are for PanDA: an X.509 proxy (one PEM file) or an OIDC token (a file), and how long that holds.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace yoda {

struct PandaCredentials {
    std::string proxy_file;  ///< certificate, key and chain in one PEM
    std::string cert_file;   ///< instead of a proxy: a certificate ...
    std::string key_file;    ///< ... and its key (empty: in cert_file)
    std::string ca_file;
    std::string ca_folder;
    std::string token_file;            ///< an OIDC token
    std::string origin;                ///< "vo" or "vo.role", sent with the token
    std::string refreshed_token_file;  ///< where a renewed token is kept (mode 0600)
    std::string token_key_file;        ///< buys a new token from PanDA when the old one ends

    bool uses_token() const { return !token_file.empty(); }
};

/// From the environment's usual names where a field is empty: X509_USER_PROXY, X509_CERT_DIR, OIDC_AUTH_TOKEN
/// or PANDA_AUTH_TOKEN (a file), OIDC_AUTH_ORIGIN or PANDA_AUTH_ORIGIN, OIDC_REFRESHED_AUTH_TOKEN
/// (docs/reference/panda.md §2). `get` looks a variable up; empty when it is not set.
void complete_from_environment(PandaCredentials& credentials,
                               std::function<std::string(char const*)> const& get);

/// Where nobody says whom to trust: the grid's authorities, if this machine has them.
void use_grid_authorities(PandaCredentials& credentials);

/// "exp" of a JSON web token; nullopt if it has none that can be read.
std::optional<std::int64_t> token_expiry_unix_s(std::string_view token);

/// The token to use now: the renewed one while it holds, else the one in token_file.
/// Errors: no such file, open to others, empty, with blanks inside; expired (usage).
Result<std::string> read_token_file(PandaCredentials const& credentials, std::int64_t now_unix_s);
/// Keeps a renewed token, readable by its owner only.
Status keep_token(PandaCredentials const& credentials, std::string_view token);

/// Errors: the file cannot be read or is open to others; it holds no certificate; expired; not valid yet; a
/// limited proxy. Nothing configured is fine (a server may not ask).
Status check_certificate(PandaCredentials const& credentials, std::int64_t now_unix_s);

struct CredentialLife {
    std::string what;  ///< "proxy /path", "token /path"
    std::optional<std::int64_t> until_unix_s;
    std::optional<Error> problem;
};
/// For `harvest status`: each credential with the time it ends.
std::vector<CredentialLife> survey_credentials(PandaCredentials const& credentials, std::int64_t now_unix_s);

/// Whom to warn before it is too late: less than this is left.
inline constexpr std::int64_t credential_warning_s = 24 * 3600;

}  // namespace yoda
