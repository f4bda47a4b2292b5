// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/wire/credentials.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "harvest/stores/base/credentials.hpp"
#include "sys/base/files.hpp"
#include "sys/base/named_output.hpp"
#include "sys/http/certificate.hpp"

namespace yoda {

namespace {

/// base64url without padding, as in a JSON web token.
std::optional<std::string> decode_base64url(std::string_view text)
{
    std::string out;
    unsigned bits = 0;
    int count = 0;
    for (char const c : text) {
        unsigned value = 0;
        if (c >= 'A' && c <= 'Z')
            value = static_cast<unsigned>(c - 'A');
        else if (c >= 'a' && c <= 'z')
            value = static_cast<unsigned>(c - 'a') + 26;
        else if (c >= '0' && c <= '9')
            value = static_cast<unsigned>(c - '0') + 52;
        else if (c == '-' || c == '+')
            value = 62;
        else if (c == '_' || c == '/')
            value = 63;
        else if (c == '=')
            break;
        else
            return std::nullopt;
        bits = (bits << 6 | value) & 0xffffff;
        count += 6;
        if (count >= 8) {
            count -= 8;
            out += static_cast<char>(bits >> count & 0xff);
        }
    }
    return out;
}

std::string strip(std::string text)
{
    auto const blank = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
    while (!text.empty() && blank(text.back())) text.pop_back();
    text.erase(text.begin(), std::find_if_not(text.begin(), text.end(), blank));
    return text;
}

Result<std::string> read_one_token(std::string const& path)
{
    auto text = read_secret_file(path);
    if (!text) return text.error();
    auto token = strip(std::move(*text));
    bool const good = !token.empty() &&
                      std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < '\x7f'; });
    if (!good)
        return Error{ErrorKind::usage, path + " holds no token", "it is empty or has blanks in it", {}};
    return token;
}

bool is_over(std::string_view token, std::int64_t now_unix_s)
{
    auto const expiry = token_expiry_unix_s(token);
    return expiry && *expiry <= now_unix_s;
}

std::string const& certificate_file(PandaCredentials const& credentials)
{
    return credentials.proxy_file.empty() ? credentials.cert_file : credentials.proxy_file;
}

/// The shortest life in the chain counts: an old issuer ends a fresh proxy.
Result<CertificateInfo> read_chain(PandaCredentials const& credentials)
{
    auto const& path = certificate_file(credentials);
    // A proxy is a key: nobody else may read it.
    auto const text = credentials.proxy_file.empty() ? read_file(path, 1 << 20) : read_secret_file(path);
    if (!text) return text.error();
    auto const chain = read_certificates(*text);
    if (!chain)
        return Error{ErrorKind::usage, "cannot use " + path, chain.error().text(), "make a new proxy"};
    auto info = chain->front();
    for (auto const& certificate : *chain) {
        info.valid_from_unix_s = std::max(info.valid_from_unix_s, certificate.valid_from_unix_s);
        info.valid_until_unix_s = std::min(info.valid_until_unix_s, certificate.valid_until_unix_s);
        info.is_limited = info.is_limited || certificate.is_limited;
    }
    return info;
}

}  // namespace

void complete_from_environment(PandaCredentials& credentials,
                               std::function<std::string(char const*)> const& get)
{
    auto const fill = [&get](std::string& field, std::initializer_list<char const*> names) {
        for (auto const* name : names)
            if (field.empty()) field = get(name);
    };
    if (!credentials.uses_token() && credentials.proxy_file.empty() && credentials.cert_file.empty()) {
        fill(credentials.token_file, {"OIDC_AUTH_TOKEN", "PANDA_AUTH_TOKEN"});
        if (credentials.token_file.starts_with("file:")) credentials.token_file.erase(0, 5);
        if (!credentials.uses_token()) fill(credentials.proxy_file, {"X509_USER_PROXY"});
    }
    if (credentials.uses_token()) {
        fill(credentials.origin, {"OIDC_AUTH_ORIGIN", "PANDA_AUTH_ORIGIN"});
        fill(credentials.refreshed_token_file, {"OIDC_REFRESHED_AUTH_TOKEN"});
    }
    if (credentials.ca_file.empty()) fill(credentials.ca_folder, {"X509_CERT_DIR"});
}

void use_grid_authorities(PandaCredentials& credentials)
{
    std::string const folder = "/etc/grid-security/certificates";
    if (credentials.ca_file.empty() && credentials.ca_folder.empty() && path_exists(folder))
        credentials.ca_folder = folder;
}

std::optional<std::int64_t> token_expiry_unix_s(std::string_view token)
{
    auto const first = token.find('.');
    if (first == std::string_view::npos) return std::nullopt;
    auto const second = token.find('.', first + 1);
    if (second == std::string_view::npos) return std::nullopt;
    auto const payload = decode_base64url(token.substr(first + 1, second - first - 1));
    if (!payload) return std::nullopt;
    auto const json = nlohmann::json::parse(*payload, nullptr, false);
    if (!json.is_object() || !json.contains("exp") || !json["exp"].is_number_integer()) return std::nullopt;
    return json["exp"].get<std::int64_t>();
}

Result<std::string> read_token_file(PandaCredentials const& credentials, std::int64_t now_unix_s)
{
    if (!credentials.refreshed_token_file.empty() && path_exists(credentials.refreshed_token_file)) {
        auto renewed = read_one_token(credentials.refreshed_token_file);
        if (renewed && !is_over(*renewed, now_unix_s)) return renewed;
    }
    auto token = read_one_token(credentials.token_file);
    if (!token) return token.error();
    if (is_over(*token, now_unix_s))
        return Error{ErrorKind::usage, "the token in " + credentials.token_file + " has expired",
                     fmt::format("its time was over {} s ago", now_unix_s - *token_expiry_unix_s(*token)),
                     "renew it"};
    return token;
}

Status keep_token(PandaCredentials const& credentials, std::string_view token)
{
    if (credentials.refreshed_token_file.empty())
        return Error{ErrorKind::usage, "a renewed token has no place", "refreshed_token_file is not set", {}};
    if (auto const status = check_replaceable(credentials.refreshed_token_file); !status) return status;
    return replace_file(credentials.refreshed_token_file, std::string(token) + "\n", 0600);
}

Status check_certificate(PandaCredentials const& credentials, std::int64_t now_unix_s)
{
    auto const& path = certificate_file(credentials);
    if (path.empty()) return {};
    auto const info = read_chain(credentials);
    if (!info) return info.error();
    auto const refuse = [&path](std::string why, std::string fix) {
        return Error{ErrorKind::usage, "cannot use " + path, std::move(why), std::move(fix)};
    };
    if (info->valid_until_unix_s <= now_unix_s)
        return refuse(fmt::format("it expired {} s ago", now_unix_s - info->valid_until_unix_s),
                      "make a new proxy");
    if (info->valid_from_unix_s > now_unix_s)
        return refuse(
            fmt::format("it is not valid before {} s from now", info->valid_from_unix_s - now_unix_s),
            "check this machine's clock");
    if (info->is_limited) return refuse("it is a limited proxy, which PanDA refuses", "make a full proxy");
    if (!credentials.key_file.empty())
        if (auto const key = read_secret_file(credentials.key_file); !key) return key.error();
    return {};
}

std::vector<CredentialLife> survey_credentials(PandaCredentials const& credentials, std::int64_t now_unix_s)
{
    std::vector<CredentialLife> lives;
    if (!certificate_file(credentials).empty()) {
        CredentialLife life{
            (credentials.proxy_file.empty() ? "certificate " : "proxy ") + certificate_file(credentials),
            {},
            {}};
        if (auto const info = read_chain(credentials)) life.until_unix_s = info->valid_until_unix_s;
        if (auto const status = check_certificate(credentials, now_unix_s); !status)
            life.problem = status.error();
        lives.push_back(std::move(life));
    }
    if (credentials.uses_token()) {
        CredentialLife life{"token " + credentials.token_file, {}, {}};
        auto const token = read_token_file(credentials, now_unix_s);
        if (token)
            life.until_unix_s = token_expiry_unix_s(*token);
        else
            life.problem = token.error();
        lives.push_back(std::move(life));
    }
    return lives;
}

}  // namespace yoda
