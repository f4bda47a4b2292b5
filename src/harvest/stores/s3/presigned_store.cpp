// SPDX-License-Identifier: Apache-2.0
#include "harvest/stores/s3/presigned_store.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include "core/base/checksum.hpp"
#include "harvest/stores/base/digest.hpp"
#include "harvest/stores/base/file_sums.hpp"
#include "harvest/stores/base/object_key.hpp"
#include "harvest/stores/base/part_file.hpp"
#include "harvest/stores/s3/s3_answer.hpp"
#include "harvest/stores/s3/s3_store.hpp"

namespace yoda {

namespace {

constexpr std::uint64_t single_put_limit = 5ull << 30;
constexpr Duration small_deadline = Duration::from_s(120);
constexpr unsigned url_try_limit = 3;

}  // namespace

PresignedStore::PresignedStore(StoreUrl url, UrlSource source, HttpTls tls, StoreContext context)
    : url_(std::move(url)),
      source_(std::move(source)),
      tls_(std::move(tls)),
      calls_(std::move(context), url_.endpoint())
{}

std::string PresignedStore::url(std::string const& key) const
{
    return url_.text() + "/" + percent_encode(key, true);
}

Result<HttpResponse> PresignedStore::call(std::string const& method, std::string const& key,
                                          TimePoint deadline, Dress const& dress)
{
    if (Status const status = check_object_key(key); !status) return status.error();
    std::string const what = method + " " + url(key);
    for (unsigned try_number = 1;; ++try_number) {
        auto signed_url = source_(method, key);
        if (!signed_url) return signed_url.error();
        auto const make = [&] {
            HttpRequest request;
            request.method = method;
            request.url = *signed_url;
            request.tls = tls_;
            request.use_environment_proxy = false;
            if (dress) dress(request);
            return request;
        };
        bool expired = false;
        auto const judge = [&](Result<HttpResponse> const& answer, unsigned) {
            auto judgement = judge_s3(answer, 1, what, false);
            // 403 is the signature's, not the endpoint's: its time may just be over. Another URL tells.
            if (answer && answer->status == 403) {
                expired = true;
                judgement.stop_endpoint = false;
            }
            judgement.again = false;
            return judgement;
        };
        auto answer = calls_.call(make, judge, deadline);
        bool const again = !answer && (expired || answer.error().kind == ErrorKind::unavailable) &&
                           try_number < (expired ? url_try_limit : calls_.context().policy.try_limit) &&
                           calls_.now() < deadline;
        if (!again) return answer;
        calls_.pause(try_number);
    }
}

Result<PutResult> PresignedStore::put(ObjectSpec const& spec, PutHooks const& hooks)
{
    if (spec.bytes > single_put_limit)
        return Error{ErrorKind::refused, url(spec.key) + " is too large for a pre-signed URL",
                     fmt::format("{} bytes, one PUT takes 5 GiB at most", spec.bytes),
                     "seal smaller bundles"};
    auto fd = open_file(spec.path, O_RDONLY);
    if (!fd) return fd.error();
    auto const sums = sum_part(fd->get(), spec.offset, spec.bytes, false);
    if (!sums) return sums.error();
    if (sums->adler32 != spec.adler32)
        return Error{ErrorKind::bad_input,
                     spec.path + " is damaged",
                     fmt::format("its adler32 is {}, {} was promised", print_adler32(sums->adler32),
                                 print_adler32(spec.adler32)),
                     {}};
    TimePoint const deadline = calls_.now() + calls_.context().policy.deadline_for(spec.bytes);
    auto answer = call("PUT", spec.key, deadline, [&](HttpRequest& request) {
        request.file_body = HttpFileBody{fd->get(), spec.offset, spec.bytes};
        request.headers.add("Content-MD5", print_base64(sums->md5));
    });
    if (!answer) return answer.error();
    if (!answer->ok())
        return Error{
            ErrorKind::refused, "PUT " + url(spec.key) + " failed", read_s3_failure(*answer).code, {}};
    if (hooks.moved) hooks.moved(spec.bytes);
    return PutResult{"md5:" + print_hex(sums->md5), read_s3_headers(*answer).md5 == print_hex(sums->md5)};
}

Result<std::optional<StoredObject>> PresignedStore::head(std::string const& key)
{
    auto answer = call("HEAD", key, calls_.now() + small_deadline, {});
    if (!answer) return answer.error();
    if (answer->status == 404) return std::optional<StoredObject>{};
    return std::optional(read_s3_headers(*answer));
}

Result<Presence> PresignedStore::check(ObjectSpec const& spec)
{
    auto found = head(spec.key);
    if (!found) return found.error();
    ObjectSpec expected = spec;
    if (spec.proof.starts_with("md5:")) expected.md5 = spec.proof.substr(4);
    if (expected.md5.empty() && *found && !(*found)->md5.empty()) {
        auto fd = open_file(spec.path, O_RDONLY);
        if (!fd) return fd.error();
        auto const sums = sum_part(fd->get(), spec.offset, spec.bytes, false);
        if (!sums) return sums.error();
        expected.md5 = print_hex(sums->md5);
    }
    return compare_with_spec(*found, expected);
}

Status PresignedStore::get(std::string const& key, std::string const& path)
{
    auto part = PartFile::create(path);
    if (!part) return part.error();
    auto answer =
        call("GET", key, calls_.now() + calls_.context().policy.deadline_longest, [&](HttpRequest& request) {
            part->rewind();
            request.sink_fd = part->fd();
        });
    if (!answer) return answer.error();
    if (answer->status == 404)
        return Error{ErrorKind::refused, "GET " + url(key) + " failed", "there is no such object", {}};
    return part->keep();
}

Status PresignedStore::remove(std::string const& key)
{
    auto answer = call("DELETE", key, calls_.now() + small_deadline, {});
    if (!answer) return answer.error();
    return {};
}

}  // namespace yoda
