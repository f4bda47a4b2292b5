// SPDX-License-Identifier: Apache-2.0
#include "harvest/stores/s3/s3_store.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <charconv>

#include "core/base/checksum.hpp"
#include "harvest/stores/base/digest.hpp"
#include "harvest/stores/base/object_key.hpp"
#include "harvest/stores/s3/s3_answer.hpp"

namespace yoda {

namespace {

constexpr Duration small_deadline = Duration::from_s(120);

Error damaged(ObjectSpec const& spec, std::uint32_t adler32)
{
    return Error{ErrorKind::bad_input,
                 spec.path + " is damaged",
                 fmt::format("its adler32 is {}, {} was promised", print_adler32(adler32),
                             print_adler32(spec.adler32)),
                 {}};
}

}  // namespace

S3Store::S3Store(StoreUrl url, S3Options options, StoreContext context)
    : url_(std::move(url)), options_(std::move(options)), calls_(std::move(context), url_.endpoint())
{}

std::string S3Store::host() const
{
    return options_.virtual_host ? url_.bucket + "." + url_.host : url_.host;
}

std::string S3Store::path_of(std::string const& key) const
{
    std::string path = "/";
    if (!options_.virtual_host) path += percent_encode(url_.bucket) + "/";
    if (key.empty()) return path;
    if (!url_.path.empty()) path += percent_encode(url_.path, true) + "/";
    return path + percent_encode(key, true);
}

std::string S3Store::url(std::string const& key) const
{
    return url_.text() + "/" + percent_encode(key, true);
}

Status S3Store::prepare()
{
    if (keys_) return {};
    auto keys = options_.keys();
    if (!keys) return keys.error();
    keys_ = *std::move(keys);
    return {};
}

HttpRequest S3Store::sign(Operation const& operation)
{
    SigV4Scope const scope{calls_.context().clock->unix_ns() / 1'000'000'000 + clock_correction_s_,
                           options_.region, "s3"};
    SigV4Request signed_part{
        operation.method, path_of(operation.key), operation.query, operation.headers,
        operation.payload_hash.empty() ? std::string(unsigned_payload) : operation.payload_hash};
    signed_part.headers.emplace_back("Host", host());
    signed_part.headers.emplace_back("x-amz-content-sha256", signed_part.payload_hash);
    signed_part.headers.emplace_back("x-amz-date", sigv4_time(scope.unix_s));
    if (!keys_->session_token.empty())
        signed_part.headers.emplace_back("x-amz-security-token", keys_->session_token);
    HttpRequest request;
    request.method = operation.method;
    std::string const query = sigv4_query(operation.query);
    request.url = fmt::format("{}://{}{}{}{}", url_.tls ? "https" : "http", host(), signed_part.path,
                              query.empty() ? "" : "?", query);
    for (auto const& [name, value] : signed_part.headers) request.headers.add(name, value);
    request.headers.add("Authorization", sigv4_authorization(signed_part, *keys_, scope));
    request.body = operation.body;
    request.file_body = operation.file;
    // Large bodies are sent only after "100 Continue", so that a refusal costs no transfer.
    request.expect_continue =
        operation.file && operation.file->bytes >= (1u << 20) && !calls_.breaker().ever_succeeded();
    request.tls = options_.tls;
    request.use_environment_proxy = false;
    if (operation.sink) {
        operation.sink->rewind();
        request.sink_fd = operation.sink->fd();
    }
    return request;
}

Calls::Make S3Store::make(Operation operation)
{
    return [this, operation = std::move(operation)] { return sign(operation); };
}

Calls::Judge S3Store::judge(Operation const& operation)
{
    std::string what = operation.method + " " + (operation.key.empty() ? url_.text() : url(operation.key));
    return [this, what = std::move(what), may_repeat = operation.may_repeat](
               Result<HttpResponse> const& answer, unsigned try_number) {
        auto judgement = judge_s3(answer, try_number, what, calls_.breaker().ever_succeeded());
        if (answer && answer->status == 403 && clock_correction_s_ == 0 &&
            read_s3_failure(*answer).code == "RequestTimeTooSkewed") {
            if (std::int64_t const theirs = server_time(*answer); theirs != 0) {
                clock_correction_s_ = theirs - calls_.context().clock->unix_ns() / 1'000'000'000;
                calls_.context().log->warning(
                    "clock_skewed", {{"endpoint", url_.endpoint()},
                                     {"behind_s", clock_correction_s_},
                                     {"fix", "set this machine's clock; the store's is used meanwhile"}});
                judgement.again = true;
                judgement.stop_endpoint = false;
            }
        }
        if (!may_repeat && judgement.error && judgement.error->kind == ErrorKind::unavailable)
            judgement.again = false;
        return judgement;
    };
}

Result<HttpResponse> S3Store::call(Operation operation, TimePoint deadline)
{
    auto const verdict = judge(operation);
    return calls_.call(make(std::move(operation)), verdict, deadline);
}

StoredObject read_s3_headers(HttpResponse const& response)
{
    StoredObject object;
    auto const length = response.headers.find("Content-Length");
    std::from_chars(length.data(), length.data() + length.size(), object.bytes);
    auto etag = response.headers.find("ETag");
    while (etag.starts_with('"')) etag.remove_prefix(1);
    while (etag.ends_with('"')) etag.remove_suffix(1);
    auto const digits = etag.substr(0, etag.find('-'));
    // Encrypted objects have ETags that are no MD5; there is nothing to compare with then.
    if (digits.size() == 32 && digits.find_first_not_of("0123456789abcdef") == std::string_view::npos)
        object.md5 = etag;
    object.token = response.headers.find("x-amz-meta-upload-token");
    return object;
}

Result<std::optional<StoredObject>> S3Store::head(std::string const& key)
{
    if (Status const status = check_object_key(key); !status) return status.error();
    if (Status const status = prepare(); !status) return status.error();
    auto answer = call({.method = "HEAD",
                        .key = key,
                        .query = {},
                        .headers = {},
                        .payload_hash = {},
                        .body = {},
                        .file = {}},
                       calls_.now() + small_deadline);
    if (!answer) return answer.error();
    if (answer->status == 404) return std::optional<StoredObject>{};
    return std::optional(read_s3_headers(*answer));
}

Result<std::string> S3Store::expected_md5(ObjectSpec const& spec, std::string const& stored_md5) const
{
    auto const dash = stored_md5.find('-');
    if (spec.proof.starts_with("md5:") &&
        (spec.proof.find('-') != std::string::npos) == (dash != std::string::npos))
        return spec.proof.substr(4);
    PartPlan plan{spec.bytes, std::max<std::uint64_t>(spec.bytes, 1)};
    if (dash != std::string::npos)
        plan = PartPlan::make(spec.bytes, calls_.context().policy.part_bytes);
    else if (!spec.md5.empty())
        return spec.md5;
    auto parts = sum_file(spec.path, spec.offset, plan, calls_.context().policy.hash_threads);
    if (!parts) return parts.error();
    return dash == std::string::npos ? print_hex(parts->front().md5) : combined_md5(*parts);
}

Result<Presence> S3Store::check(ObjectSpec const& spec)
{
    auto found = head(spec.key);
    if (!found) return found.error();
    if (!*found || (*found)->bytes != spec.bytes || (*found)->md5.empty())
        return compare_with_spec(*found, spec);
    auto const expected = expected_md5(spec, (*found)->md5);
    if (!expected) return expected.error();
    return *expected == (*found)->md5 ? Presence::same : Presence::different;
}

S3Store::Operation S3Store::put_operation(std::string const& key, HttpFileBody file,
                                          PartSums const& sums) const
{
    Operation operation{.method = "PUT",
                        .key = key,
                        .query = {},
                        .headers = {},
                        .payload_hash = {},
                        .body = {},
                        .file = file};
    if (options_.bind_by == BindBy::sha256)
        operation.payload_hash = print_hex(sums.sha256);
    else
        operation.headers.emplace_back("Content-MD5", print_base64(sums.md5));
    return operation;
}

Result<PutResult> S3Store::put(ObjectSpec const& spec, PutHooks const& hooks)
{
    if (Status const status = check_object_key(spec.key); !status) return status.error();
    if (Status const status = prepare(); !status) return status.error();
    auto const& policy = calls_.context().policy;
    TimePoint const deadline = calls_.now() + policy.deadline_for(spec.bytes);
    if (spec.bytes > policy.part_bytes) return put_parts(spec, hooks, deadline);
    return put_whole(spec, hooks, deadline);
}

Result<PutResult> S3Store::put_whole(ObjectSpec const& spec, PutHooks const& hooks, TimePoint deadline)
{
    auto fd = open_file(spec.path, O_RDONLY);
    if (!fd) return fd.error();
    auto const sums = sum_part(fd->get(), spec.offset, spec.bytes, options_.bind_by == BindBy::sha256);
    if (!sums) return sums.error();
    if (sums->adler32 != spec.adler32) return damaged(spec, sums->adler32);
    std::string const md5 = print_hex(sums->md5);
    ObjectSpec expected = spec;
    expected.proof = "md5:" + md5;
    Operation operation = put_operation(spec.key, {fd->get(), spec.offset, spec.bytes}, *sums);
    operation.headers.emplace_back("x-amz-meta-adler32", print_adler32(spec.adler32));
    operation.headers.emplace_back("x-amz-meta-upload-token", spec.token);
    operation.may_repeat = false;
    bool may_create = options_.create_bucket;
    for (unsigned try_number = 1;; ++try_number) {
        auto answer = call(operation, deadline);
        if (answer && answer->ok()) {
            if (hooks.moved) hooks.moved(spec.bytes);
            return PutResult{expected.proof, read_s3_headers(*answer).md5 == md5};
        }
        if (answer) {  // 404: no such bucket
            Error const missing{ErrorKind::refused, "PUT " + url(spec.key) + " failed",
                                read_s3_failure(*answer).code,
                                "create the bucket, or allow it by create_bucket"};
            if (!may_create) return missing;
            may_create = false;
            if (Status const status = create_bucket(deadline); !status) return status.error();
            continue;
        }
        if (answer.error().kind != ErrorKind::unavailable ||
            try_number >= calls_.context().policy.try_limit || calls_.now() >= deadline)
            return answer.error();
        // The answer was lost or was an error: whether the object is there is asked, not guessed.
        auto const presence = check(expected);
        if (!presence) return presence.error();
        if (*presence == Presence::same) return PutResult{expected.proof, true};
        calls_.pause(try_number);
    }
}

Status S3Store::create_bucket(TimePoint deadline)
{
    Operation operation{
        .method = "PUT", .key = {}, .query = {}, .headers = {}, .payload_hash = {}, .body = {}, .file = {}};
    auto const verdict = [judge = judge(operation)](Result<HttpResponse> const& answer, unsigned try_number) {
        if (answer && answer->status == 409) return Judgement{};  // it is there by now
        return judge(answer, try_number);
    };
    auto answer = calls_.call(make(operation), verdict, deadline);
    if (!answer) return answer.error();
    calls_.context().log->info("bucket_created", {{"bucket", url_.bucket}, {"endpoint", url_.endpoint()}});
    return {};
}

Status S3Store::get(std::string const& key, std::string const& path)
{
    if (Status const status = check_object_key(key); !status) return status;
    if (Status const status = prepare(); !status) return status;
    auto part = PartFile::create(path);
    if (!part) return part.error();
    Operation operation{
        .method = "GET", .key = key, .query = {}, .headers = {}, .payload_hash = {}, .body = {}, .file = {}};
    operation.sink = &*part;
    auto answer = call(operation, calls_.now() + calls_.context().policy.deadline_longest);
    if (!answer) return answer.error();
    if (answer->status == 404)
        return Error{ErrorKind::refused, "GET " + url(key) + " failed", "there is no such object", {}};
    return part->keep();
}

Status S3Store::remove(std::string const& key)
{
    if (Status const status = check_object_key(key); !status) return status;
    if (Status const status = prepare(); !status) return status;
    auto answer = call({.method = "DELETE",
                        .key = key,
                        .query = {},
                        .headers = {},
                        .payload_hash = {},
                        .body = {},
                        .file = {}},
                       calls_.now() + small_deadline);
    if (!answer) return answer.error();
    return {};
}

Result<std::string> S3Store::presign(std::string const& method, std::string const& key, std::int64_t valid_s)
{
    if (Status const status = check_object_key(key); !status) return status.error();
    if (Status const status = prepare(); !status) return status.error();
    SigV4Scope const scope{calls_.context().clock->unix_ns() / 1'000'000'000 + clock_correction_s_,
                           options_.region, "s3"};
    SigV4Request const request{method, path_of(key), {}, {{"Host", host()}}, {}};
    return fmt::format("{}://{}{}?{}", url_.tls ? "https" : "http", host(), request.path,
                       sigv4_presign(request, *keys_, scope, valid_s));
}

}  // namespace yoda
