// SPDX-License-Identifier: Apache-2.0
// Large objects in parts: hashed ahead by threads, several on the wire, resumed by
// what the server already has.
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "core/base/checksum.hpp"
#include "harvest/stores/base/digest.hpp"
#include "harvest/stores/s3/s3_answer.hpp"
#include "harvest/stores/s3/s3_store.hpp"
#include "sys/base/files.hpp"

namespace yoda {

struct S3Store::Multipart {
    std::string key;
    std::string upload_id;
    PartPlan plan;
    int fd = -1;
    std::uint64_t file_offset = 0;
    PartHasher* hasher = nullptr;
    PartList there;              ///< what the server has already
    std::vector<PartSums> sums;  ///< of all parts, in order, as far as they are
    bool gone = false;           ///< the server forgot this upload
    Status failure;              ///< the first one, which ends the rest
};

namespace {

constexpr Duration tick = Duration::from_ms(100);

std::string read_upload_id(std::string const& resume, PartPlan const& plan)
{
    auto const json = nlohmann::json::parse(resume, nullptr, false);
    if (!json.is_object() || json.value("part_bytes", std::uint64_t{0}) != plan.part_bytes) return {};
    return json.value("upload_id", std::string{});
}

std::string strip_quotes(std::string text)
{
    std::erase(text, '"');
    return text;
}

}  // namespace

Result<std::string> S3Store::find_upload(ObjectSpec const& spec, TimePoint deadline)
{
    std::string const name = url_.path.empty() ? spec.key : url_.path + "/" + spec.key;
    Operation operation{.method = "GET",
                        .key = {},
                        .query = {{"uploads", ""}, {"prefix", name}},
                        .headers = {},
                        .payload_hash = {},
                        .body = {},
                        .file = {}};
    // Some servers have no such list, some keys may not see it: then a stray upload is
    // left to the bucket's rules.
    auto const verdict = [judge = judge(operation)](Result<HttpResponse> const& answer, unsigned try_number) {
        if (answer && (answer->status == 403 || answer->status == 405 || answer->status == 501))
            return Judgement{};
        return judge(answer, try_number);
    };
    auto answer = calls_.call(make(operation), verdict, deadline);
    if (!answer) return answer.error();
    std::string newest, newest_time;
    for (auto const upload : xml_elements(answer->body, "Upload")) {
        if (xml_text(upload, "Key") != name) continue;
        auto time = xml_text(upload, "Initiated");
        if (!newest.empty() && time < newest_time) continue;
        newest = xml_text(upload, "UploadId");
        newest_time = std::move(time);
    }
    return newest;
}

Result<std::string> S3Store::begin_upload(ObjectSpec const& spec, TimePoint deadline)
{
    Operation operation{.method = "POST",
                        .key = spec.key,
                        .query = {{"uploads", ""}},
                        .headers = {},
                        .payload_hash = {},
                        .body = {},
                        .file = {}};
    operation.headers.emplace_back("x-amz-meta-adler32", print_adler32(spec.adler32));
    operation.headers.emplace_back("x-amz-meta-upload-token", spec.token);
    for (bool may_create = options_.create_bucket;; may_create = false) {
        auto answer = call(operation, deadline);
        if (!answer) return answer.error();
        auto id = xml_text(answer->body, "UploadId");
        if (answer->ok() && !id.empty()) return id;
        Error const missing{ErrorKind::refused, "upload to " + url(spec.key) + " cannot begin",
                            read_s3_failure(*answer).code, "create the bucket, or allow it by create_bucket"};
        if (!may_create || answer->status != 404) return missing;
        if (Status const status = create_bucket(deadline); !status) return status.error();
    }
}

Result<std::optional<S3Store::PartList>> S3Store::list_parts(std::string const& key,
                                                             std::string const& upload_id, TimePoint deadline)
{
    PartList list;
    for (std::string marker;;) {
        Operation operation{.method = "GET",
                            .key = key,
                            .query = {{"uploadId", upload_id}},
                            .headers = {},
                            .payload_hash = {},
                            .body = {},
                            .file = {}};
        if (!marker.empty()) operation.query.emplace_back("part-number-marker", marker);
        auto const verdict = [judge = judge(operation)](Result<HttpResponse> const& answer,
                                                        unsigned try_number) {
            if (answer && (answer->status == 405 || answer->status == 501)) return Judgement{};
            return judge(answer, try_number);
        };
        auto answer = calls_.call(make(operation), verdict, deadline);
        if (!answer) return answer.error();
        if (answer->status == 404) return std::optional<PartList>{};
        if (!answer->ok()) return std::optional(list);  // no such list here: every part is sent again
        for (auto const part : xml_elements(answer->body, "Part")) {
            std::uint64_t number = 0, bytes = 0;
            auto const number_text = xml_text(part, "PartNumber"), size_text = xml_text(part, "Size");
            std::from_chars(number_text.data(), number_text.data() + number_text.size(), number);
            std::from_chars(size_text.data(), size_text.data() + size_text.size(), bytes);
            list[number] = {strip_quotes(xml_text(part, "ETag")), bytes};
        }
        auto next = xml_text(answer->body, "NextPartNumberMarker");
        // A marker that does not move would keep us here for ever.
        if (xml_text(answer->body, "IsTruncated") != "true" || next == marker) return std::optional(list);
        marker = std::move(next);
    }
}

Status S3Store::send_parts(Multipart& upload, PutHooks const& hooks, TimePoint deadline)
{
    std::uint64_t next = 0;
    std::uint64_t on_the_wire = 0;
    auto const start_part = [&](std::uint64_t part, PartSums const& sums) {
        Operation operation = put_operation(
            upload.key, {upload.fd, upload.file_offset + upload.plan.offset(part), upload.plan.size(part)},
            sums);
        operation.query = {{"partNumber", std::to_string(part + 1)}, {"uploadId", upload.upload_id}};
        ++on_the_wire;
        auto const verdict = judge(operation);
        std::string const md5 = print_hex(sums.md5);
        calls_.start(make(std::move(operation)), verdict, deadline,
                     [&, md5, bytes = sums.bytes](Result<HttpResponse> answer) {
                         --on_the_wire;
                         if (!upload.failure) return;
                         if (!answer) {
                             upload.failure = answer.error();
                         } else if (answer->status == 404) {
                             upload.gone = true;
                             upload.failure = Error{ErrorKind::unavailable,
                                                    "the upload of " + upload.key + " was forgotten",
                                                    read_s3_failure(*answer).code,
                                                    {}};
                         } else if (auto const stored = read_s3_headers(*answer).md5;
                                    !stored.empty() && stored != md5) {
                             upload.failure = Error{ErrorKind::unavailable,
                                                    "a part of " + upload.key + " arrived changed",
                                                    fmt::format("stored as {}, sent as {}", stored, md5),
                                                    {}};
                         } else if (hooks.moved) {
                             hooks.moved(bytes);
                         }
                     });
    };
    while (upload.failure && (next < upload.plan.count() || on_the_wire > 0)) {
        while (upload.failure && next < upload.plan.count() &&
               on_the_wire < calls_.context().policy.parts_at_once) {
            auto sums = upload.hasher->take(next);
            if (!sums) break;
            if (!*sums) {
                upload.failure = sums->error();
                break;
            }
            auto const there = upload.there.find(next + 1);
            bool const have = there != upload.there.end() && there->second.first == print_hex((*sums)->md5) &&
                              there->second.second == (*sums)->bytes;
            if (have && hooks.moved) hooks.moved((*sums)->bytes);
            if (!have) start_part(next, **sums);
            upload.sums.push_back(**std::move(sums));
            ++next;
        }
        calls_.run(tick);
    }
    calls_.cancel_all();
    return upload.failure;
}

Status S3Store::complete(Multipart const& upload, TimePoint deadline)
{
    std::string body = "<CompleteMultipartUpload>";
    for (std::size_t i = 0; i < upload.sums.size(); ++i)
        body += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>&quot;{}&quot;</ETag></Part>", i + 1,
                            print_hex(upload.sums[i].md5));
    body += "</CompleteMultipartUpload>";
    Operation operation{.method = "POST",
                        .key = upload.key,
                        .query = {{"uploadId", upload.upload_id}},
                        .headers = {{"Content-Type", "application/xml"}},
                        .payload_hash = print_hex(digest_of(DigestKind::sha256, body)),
                        .body = body,
                        .file = {}};
    // A lost answer: completing again is answered 200, or 404 when the
    // server has put the list away; check() decides.
    auto answer = call(operation, deadline);
    if (!answer) return answer.error();
    return {};
}

void S3Store::abort_upload(std::string const& key, std::string const& upload_id)
{
    auto answer = call({.method = "DELETE",
                        .key = key,
                        .query = {{"uploadId", upload_id}},
                        .headers = {},
                        .payload_hash = {},
                        .body = {},
                        .file = {}},
                       calls_.now() + Duration::from_s(30));
    if (!answer) calls_.context().log->warning("upload_not_aborted", answer.error());
}

void S3Store::remove_leftovers(ObjectSpec const& spec)
{
    if (spec.bytes <= calls_.context().policy.part_bytes) return;
    if (Status const status = prepare(); !status) return;
    auto const stray = find_upload(spec, calls_.now() + Duration::from_s(60));
    if (stray && !stray->empty())
        abort_upload(spec.key, *stray);
    else if (!stray)
        calls_.context().log->warning("leftover_stays", stray.error());
}

Result<PutResult> S3Store::put_parts(ObjectSpec const& spec, PutHooks const& hooks, TimePoint deadline)
{
    auto fd = open_file(spec.path, O_RDONLY);
    if (!fd) return fd.error();
    auto const& policy = calls_.context().policy;
    auto const plan = PartPlan::make(spec.bytes, policy.part_bytes);
    std::string known_id = read_upload_id(spec.resume, plan);
    for (bool first = true;; first = false) {
        PartHasher hasher(fd->get(), spec.offset, plan, options_.bind_by == BindBy::sha256,
                          policy.hash_threads, policy.parts_at_once + policy.hash_threads,
                          [this] { calls_.wake(); });
        Multipart upload;
        upload.key = spec.key;
        upload.plan = plan;
        upload.fd = fd->get();
        upload.file_offset = spec.offset;
        upload.hasher = &hasher;
        upload.upload_id = first ? known_id : "";
        if (upload.upload_id.empty() && first) {
            // A try that was killed before it could note its upload left one that nobody else will end.
            auto stray = find_upload(spec, deadline);
            if (!stray) return stray.error();
            upload.upload_id = *stray;
        }
        if (!upload.upload_id.empty()) {
            auto there = list_parts(spec.key, upload.upload_id, deadline);
            if (!there) return there.error();
            if (*there)
                upload.there = **std::move(there);
            else
                upload.upload_id.clear();
        }
        if (upload.upload_id.empty()) {
            auto id = begin_upload(spec, deadline);
            if (!id) return id.error();
            upload.upload_id = *id;
        }
        if (hooks.keep_resume)
            hooks.keep_resume(
                nlohmann::json{{"upload_id", upload.upload_id}, {"part_bytes", plan.part_bytes}}.dump());
        if (Status const status = send_parts(upload, hooks, deadline); !status) {
            if (upload.gone && first) continue;
            return status.error();
        }
        if (auto const sum = combined_adler32(upload.sums); sum != spec.adler32) {
            abort_upload(spec.key, upload.upload_id);
            return Error{ErrorKind::bad_input,
                         spec.path + " is damaged",
                         fmt::format("its adler32 is {}, {} was promised", print_adler32(sum),
                                     print_adler32(spec.adler32)),
                         {}};
        }
        if (Status const status = complete(upload, deadline); !status) return status.error();
        // The answer to Complete names no checksum on some servers (Ceph 16): the object is asked.
        return PutResult{"md5:" + combined_md5(upload.sums), false};
    }
}

}  // namespace yoda
