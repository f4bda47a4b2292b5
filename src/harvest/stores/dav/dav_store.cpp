// SPDX-License-Identifier: Apache-2.0
#include "harvest/stores/dav/dav_store.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <charconv>

#include "core/base/checksum.hpp"
#include "harvest/stores/base/credentials.hpp"
#include "harvest/stores/base/digest.hpp"
#include "harvest/stores/base/file_sums.hpp"
#include "harvest/stores/base/object_key.hpp"

namespace yoda {

namespace {

constexpr Duration small_deadline = Duration::from_s(120);

std::string trim(std::string text)
{
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
        text.pop_back();
    return text;
}

/// Base64 to lower-case hex; empty when it is no MD5.
std::string md5_from_base64(std::string_view text)
{
    std::string bytes;
    unsigned value = 0;
    int bits = 0;
    for (char const c : text) {
        static constexpr std::string_view digits =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        if (c == '=') break;
        auto const digit = digits.find(c);
        if (digit == std::string_view::npos) return {};
        value = (value << 6) | static_cast<unsigned>(digit);
        if ((bits += 6) >= 8) bytes += static_cast<char>((value >> (bits -= 8)) & 0xFFu);
    }
    return bytes.size() == 16 ? print_hex(bytes) : std::string{};
}

}  // namespace

void read_digest(std::string_view value, StoredObject& object)
{
    while (!value.empty()) {
        auto const end = std::min(value.find(','), value.size());
        auto item = value.substr(0, end);
        value.remove_prefix(std::min(end + 1, value.size()));
        while (item.starts_with(' ')) item.remove_prefix(1);
        auto const equals = item.find('=');
        if (equals == std::string_view::npos) continue;
        auto const name = item.substr(0, equals);
        auto const text = item.substr(equals + 1);
        if (name == "adler32" || name == "ADLER32") object.adler32 = parse_adler32(text);
        if (name == "md5" || name == "MD5") object.md5 = md5_from_base64(text);
    }
}

Judgement judge_http(Result<HttpResponse> const& answer, unsigned try_number, std::string const& what)
{
    if (auto judgement = judge_transport(answer)) {
        judgement->error->what = what + ": " + judgement->error->what;
        return *judgement;
    }
    Judgement judgement;
    int const status = answer->status;
    if (answer->ok() || status == 404) return judgement;
    Error error{ErrorKind::refused, what + " failed", fmt::format("HTTP {}", status), {}};
    judgement.retry_after = retry_after_of(*answer);
    if (status == 507 || status == 413) {
        error.kind = ErrorKind::no_space;
        error.fix = "free space or raise the quota there";
        judgement.stop_endpoint = status == 507;
    } else if ((status >= 500 && status != 501) || status == 429 || status == 408 || status == 423) {
        error.kind = ErrorKind::unavailable;
        judgement.again = true;
        judgement.endpoint_failed = status >= 500 || status == 429;
    } else if (status == 401 || status == 403) {
        error.fix = "check the proxy certificate or the token, and what they allow there";
        judgement.stop_endpoint = true;
    } else if ((status == 400 || status == 501) && try_number == 1) {
        judgement.again = true;  // Garbled on the way; XrdHttp now and then says 501 to a HEAD of a new file.
    }
    judgement.error = std::move(error);
    return judgement;
}

DavStore::DavStore(StoreUrl url, DavOptions options, StoreContext context)
    : url_(std::move(url)), options_(std::move(options)), calls_(std::move(context), url_.endpoint())
{}

std::string DavStore::url(std::string const& key) const
{
    return fmt::format("{}/{}{}{}", url_.endpoint(), percent_encode(url_.path, true),
                       url_.path.empty() ? "" : "/", percent_encode(key, true));
}

Result<HttpRequest> DavStore::request(std::string const& method, std::string const& key)
{
    if (Status const status = check_path_key(key); !status) return status.error();
    HttpRequest request;
    request.method = method;
    request.url = url(key);
    request.tls = options_.tls;
    request.redirect_limit = 5;  // dCache sends writers to its pools
    request.use_environment_proxy = false;
    if (!options_.token_file.empty()) {
        if (!url_.tls)
            return Error{ErrorKind::usage, "a token is not sent to " + url_.endpoint(),
                         "the connection is not encrypted", "use the davs:// or https:// URL of that store"};
        auto token = read_secret_file(options_.token_file);
        if (!token) return token.error();
        request.headers.add("Authorization", "Bearer " + trim(*token));
    }
    return request;
}

Result<HttpResponse> DavStore::call(HttpRequest request, TimePoint deadline, PartFile* sink)
{
    std::string const what = request.method + " " + printable_url(request.url);
    auto const make = [&] {
        HttpRequest next = request;
        if (sink) {
            sink->rewind();
            next.sink_fd = sink->fd();
        }
        return next;
    };
    return calls_.call(
        make, [&](auto const& answer, unsigned try_number) { return judge_http(answer, try_number, what); },
        deadline);
}

Status DavStore::make_parents(std::string const& key, TimePoint deadline)
{
    std::string const path = url_.path.empty() ? key : url_.path + "/" + key;
    for (auto slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
        auto made = request("MKCOL", key);
        if (!made) return made.error();
        made->url = fmt::format("{}/{}/", url_.endpoint(), percent_encode(path.substr(0, slash), true));
        std::string const what = "MKCOL " + made->url;
        auto answer = calls_.call([&] { return *made; },
                                  [&](Result<HttpResponse> const& got, unsigned try_number) {
                                      // There already (405, 409 of some), or not ours
                                      // to make: the PUT will tell.
                                      if (got && got->status < 500) return Judgement{};
                                      return judge_http(got, try_number, what);
                                  },
                                  deadline);
        if (!answer) return answer.error();
    }
    return {};
}

Status DavStore::put_to(std::string const& key, ObjectSpec const& spec, TimePoint deadline)
{
    auto fd = open_file(spec.path, O_RDONLY);
    if (!fd) return fd.error();
    // Summed before anything is sent: a damaged file must not even begin to appear there.
    auto const sums = sum_part(fd->get(), spec.offset, spec.bytes, false);
    if (!sums) return sums.error();
    if (sums->adler32 != spec.adler32)
        return Error{ErrorKind::bad_input,
                     spec.path + " is damaged",
                     fmt::format("its adler32 is {}, {} was promised", print_adler32(sums->adler32),
                                 print_adler32(spec.adler32)),
                     {}};
    for (bool may_make_folders = true;; may_make_folders = false) {
        auto put = request("PUT", key);
        if (!put) return put.error();
        put->file_body = HttpFileBody{fd->get(), spec.offset, spec.bytes};
        put->expect_continue = spec.bytes >= (1u << 20);
        put->headers.add("Content-Type", "application/octet-stream");
        put->headers.add("Digest", "adler32=" + print_adler32(spec.adler32));
        std::string const what = "PUT " + put->url;
        auto answer = calls_.call([&] { return *put; },
                                  [&](Result<HttpResponse> const& got, unsigned try_number) {
                                      if (got && got->status == 409)
                                          return Judgement{};  // no such folder (RFC 4918)
                                      return judge_http(got, try_number, what);
                                  },
                                  deadline);
        if (!answer) return answer.error();
        if (answer->ok()) return {};
        if (!may_make_folders)
            return Error{ErrorKind::refused, what + " failed", fmt::format("HTTP {}", answer->status),
                         "make the folder there, or allow making it"};
        if (Status const status = make_parents(key, deadline); !status) return status;
    }
}

Status DavStore::move(std::string const& from, std::string const& to, TimePoint deadline)
{
    auto move = request("MOVE", from);
    if (!move) return move.error();
    move->headers.add("Destination", url(to));
    move->headers.add("Overwrite", "T");
    auto answer = call(*std::move(move), deadline);
    if (!answer) return answer.error();
    if (answer->ok()) return {};
    // 404: the answer to an earlier MOVE was lost, or somebody removed it; check() of the final name decides.
    return {};
}

Result<PutResult> DavStore::put(ObjectSpec const& spec, PutHooks const& hooks)
{
    TimePoint const deadline = calls_.now() + calls_.context().policy.deadline_for(spec.bytes);
    std::string target = spec.key;
    // XrdHttp 5.5 takes the name in a MOVE's Destination as it stands, still encoded. Such names are written
    // in place, after what lies there is gone.
    bool const by_move = options_.overwrite_by_move && percent_encode(spec.key, true) == spec.key;
    if (by_move) target = part_key(spec.key, spec.token);
    if (options_.overwrite_by_move && !by_move)
        if (Status const status = remove(target); !status) return status.error();
    if (Status const status = put_to(target, spec, deadline); !status) return status.error();
    if (hooks.moved) hooks.moved(spec.bytes);
    if (by_move) {
        ObjectSpec part = spec;
        part.key = target;
        auto const presence = check(part);
        if (!presence) return presence.error();
        if (*presence != Presence::same && *presence != Presence::unproven) {
            (void)remove(target);
            return Error{ErrorKind::unavailable,
                         "PUT " + url(target) + " left something else there",
                         "its size or checksum is not ours",
                         {}};
        }
        if (Status const status = move(target, spec.key, deadline); !status) return status.error();
    }
    return PutResult{"adler32:" + print_adler32(spec.adler32), false};
}

Result<std::optional<StoredObject>> DavStore::head(std::string const& key)
{
    auto head = request("HEAD", key);
    if (!head) return head.error();
    head->headers.add("Want-Digest", "adler32,md5;q=0.5");
    auto answer = call(*std::move(head), calls_.now() + small_deadline);
    if (!answer) return answer.error();
    if (answer->status == 404) return std::optional<StoredObject>{};
    StoredObject object;
    auto const length = answer->headers.find("Content-Length");
    std::from_chars(length.data(), length.data() + length.size(), object.bytes);
    read_digest(answer->headers.find("Digest"), object);
    return std::optional(object);
}

Result<Presence> DavStore::check(ObjectSpec const& spec)
{
    auto found = head(spec.key);
    if (!found) return found.error();
    return compare_with_spec(*found, spec);
}

void DavStore::remove_leftovers(ObjectSpec const& spec)
{
    if (!options_.overwrite_by_move) return;
    if (auto const removed = remove(part_key(spec.key, spec.token)); !removed)
        calls_.context().log->warning("leftover_stays", removed.error());
}

Status DavStore::get(std::string const& key, std::string const& path)
{
    auto part = PartFile::create(path);
    if (!part) return part.error();
    auto get = request("GET", key);
    if (!get) return get.error();
    auto answer = call(*std::move(get), calls_.now() + calls_.context().policy.deadline_longest, &*part);
    if (!answer) return answer.error();
    if (answer->status == 404)
        return Error{ErrorKind::refused, "GET " + url(key) + " failed", "there is no such file", {}};
    return part->keep();
}

Status DavStore::remove(std::string const& key)
{
    auto remove = request("DELETE", key);
    if (!remove) return remove.error();
    auto answer = call(*std::move(remove), calls_.now() + small_deadline);
    if (!answer) return answer.error();
    return {};
}

}  // namespace yoda
