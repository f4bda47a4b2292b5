// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/wire/panda_proxy.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "harvest/panda/wire/client.hpp"
#include "harvest/panda/wire/envelope.hpp"
#include "harvest/panda/wire/form.hpp"
#include "harvest/panda/wire/settings.hpp"
#include "harvest/stores/base/credentials.hpp"

namespace yoda {

namespace {

/// The part before the path, as a server's address.
std::string_view address_of(std::string_view url)
{
    auto const scheme = url.find("://");
    auto const slash = scheme == std::string_view::npos ? scheme : url.find('/', scheme + 3);
    return url.substr(0, slash);
}

Error no_url(ErrorKind kind, std::string why, std::string fix = {})
{
    return {kind, "PandaProxy signs no URL", std::move(why), std::move(fix)};
}

/// pandaProxySecretKey, as it came with the job. Errors: none came; the file is open to others.
Result<std::string> read_proxy_secret(std::string const& folder, std::int64_t panda_id)
{
    auto const text = read_secret_file(secrets_path(folder, panda_id));
    if (!text) return text.error();
    auto const json = nlohmann::json::parse(*text, nullptr, false);
    auto const found = json.is_object() ? json.find("pandaProxySecretKey") : json.end();
    if (!json.is_object() || found == json.end() || !found->is_string() || *found == "" || *found == "NULL")
        return no_url(ErrorKind::usage, fmt::format("job {} came without pandaProxySecretKey", panda_id),
                      "give the store keys of its own (key_file)");
    return found->get<std::string>();
}

std::string_view text_of(nlohmann::json const& object, char const* name)
{
    auto const found = object.find(name);
    return found != object.end() && found->is_string()
               ? std::string_view(found->get_ref<std::string const&>())
               : std::string_view{};
}

}  // namespace

Status check_panda_proxy(PandaProxySettings const& settings)
{
    auto const address = parse_server_url(address_of(settings.url));
    if (!address)
        return Error{ErrorKind::usage,
                     fmt::format("'{}' is no address of a PandaProxy", settings.url),
                     {},
                     "write it as https://host:25128/proxy/panda"};
    if (address->plain && !is_loopback(address->host) && !settings.allow_plain_http)
        return Error{ErrorKind::usage, settings.url + " is not encrypted",
                     "the job's secret and the signed URLs would go in the clear",
                     "use https, or allow it with panda.plain_http"};
    if (settings.public_key_name.empty() || settings.private_key_name.empty())
        return Error{ErrorKind::usage,
                     "PandaProxy must be told which keys to sign with",
                     {},
                     "set panda_public_key and panda_private_key of the store"};
    return {};
}

Result<std::string> read_presigned_url(RawAnswer const& answer)
{
    if (answer.status == 403 || answer.status == 401)
        return no_url(ErrorKind::refused, fmt::format("it answered HTTP {}", answer.status));
    if (answer.status != 200)
        return no_url(ErrorKind::unavailable, fmt::format("it answered HTTP {}", answer.status));
    // A JSON object, that object as a JSON text, or a form: the answers of its versions.
    auto const content = decode_nested(decode_body(answer.body));
    if (!content.is_object()) return no_url(ErrorKind::unavailable, "its answer is no JSON object");
    auto const url = text_of(content, "presignedURL");
    if (url.empty()) {
        auto const why = text_of(content, "ErrorMsg");
        if (why.empty())
            return no_url(ErrorKind::unavailable, "its answer has neither presignedURL nor ErrorMsg");
        return no_url(ErrorKind::refused, quote_for_people(why));
    }
    bool const plain_text = url.find_first_of(" \t\r\n\"<>\\") == std::string_view::npos &&
                            url.find('\0') == std::string_view::npos;
    if ((!url.starts_with("https://") && !url.starts_with("http://")) || !plain_text)
        return no_url(ErrorKind::unavailable, "what it gave is no URL");
    return std::string(url);
}

PresignSource make_presign_source(PandaProxySettings settings, std::string secrets_folder, Clock const& clock)
{
    return [settings = std::move(settings), secrets_folder = std::move(secrets_folder), &clock](
               ObjectOwner const& owner, std::string const& method,
               std::string const& object_url) -> Result<std::string> {
        if (auto const status = check_panda_proxy(settings); !status) return status.error();
        auto const secret = read_proxy_secret(secrets_folder, owner.panda_id);
        if (!secret) return secret.error();
        constexpr std::string_view plain = "s3+http://";  // Our own word, which it does not know.
        auto const asked =
            object_url.starts_with(plain) ? "s3://" + object_url.substr(plain.size()) : object_url;
        HttpRequest request;
        request.method = "POST";
        request.url = settings.url + "/getPresignedURL";
        request.headers.add("Accept", "application/json");
        request.headers.add("Content-Type", "application/x-www-form-urlencoded");
        request.body = print_form({{"pandaID", std::to_string(owner.panda_id)},
                                   {"secretKey", *secret},
                                   {"publicKey", "publicKey:" + settings.public_key_name},
                                   {"privateKey", "privateKey:" + settings.private_key_name},
                                   {"url", asked},
                                   {"method", method}});
        request.tls = settings.tls;
        request.timeout = settings.timeout;
        request.body_limit_bytes = 1 << 20;
        // Several threads ask at once; a client serves one.
        HttpClient http(clock);
        auto answer = http.perform(std::move(request));
        if (!answer) return answer.error();
        auto url = read_presigned_url(
            {answer->status, std::string(answer->headers.find("Content-Type")), std::move(answer->body)});
        if (!url) return url;
        // What the store's own address promises must not be lost on the way through somebody else.
        if (object_url.starts_with("s3://") && !url->starts_with("https://"))
            return no_url(ErrorKind::refused, "the URL it gave is not encrypted, the store's is");
        return url;
    };
}

}  // namespace yoda
