// SPDX-License-Identifier: Apache-2.0
#include "harvest/stores/s3/s3_answer.hpp"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <array>

namespace yoda {

namespace {

bool is_one_of(std::string_view code, std::initializer_list<std::string_view> codes)
{
    return std::find(codes.begin(), codes.end(), code) != codes.end();
}

std::string decode_entities(std::string_view text)
{
    static constexpr std::array<std::pair<std::string_view, char>, 5> entities{
        {{"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}, {"&amp;", '&'}}};
    std::string out;
    while (!text.empty()) {
        auto const* const entity = std::find_if(entities.begin(), entities.end(),
                                                [&](auto const& e) { return text.starts_with(e.first); });
        if (entity != entities.end()) {
            out += entity->second;
            text.remove_prefix(entity->first.size());
        } else {
            out += text.front();
            text.remove_prefix(1);
        }
    }
    return out;
}

}  // namespace

std::vector<std::string_view> xml_elements(std::string_view xml, std::string_view element)
{
    std::string const open = fmt::format("<{}>", element);
    std::string const close = fmt::format("</{}>", element);
    std::vector<std::string_view> found;
    for (std::size_t at = 0;;) {
        auto begin = xml.find(open, at);
        if (begin == std::string_view::npos) return found;
        begin += open.size();
        auto const end = xml.find(close, begin);
        if (end == std::string_view::npos) return found;
        found.push_back(xml.substr(begin, end - begin));
        at = end + close.size();
    }
}

std::string xml_text(std::string_view xml, std::string_view element)
{
    auto const found = xml_elements(xml, element);
    return found.empty() ? std::string{} : decode_entities(found.front());
}

std::string xml_escape(std::string_view text)
{
    std::string out;
    for (char const c : text) {
        switch (c) {
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '&':
                out += "&amp;";
                break;
            case '"':
                out += "&quot;";
                break;
            default:
                out += c;
        }
    }
    return out;
}

bool is_s3_failure(HttpResponse const& response)
{
    return !response.ok() || response.body.find("<Error>") != std::string::npos;
}

S3Failure read_s3_failure(HttpResponse const& response)
{
    S3Failure failure{xml_text(response.body, "Code"), xml_text(response.body, "Message"),
                      xml_text(response.body, "RequestId")};
    if (failure.request_id.empty()) failure.request_id = response.headers.find("x-amz-request-id");
    if (failure.code.empty()) failure.code = fmt::format("HTTP {}", response.status);
    return failure;
}

std::int64_t server_time(HttpResponse const& response)
{
    std::string const text(response.headers.find("Date"));
    std::tm parts{};
    char const* const end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    return end ? static_cast<std::int64_t>(::timegm(&parts)) : 0;
}

Judgement judge_s3(Result<HttpResponse> const& answer, unsigned try_number, std::string const& what,
                   bool proven)
{
    if (auto judgement = judge_transport(answer)) {
        judgement->error->what = what + ": " + judgement->error->what;
        return *judgement;
    }
    Judgement judgement;
    HttpResponse const& response = *answer;
    if (!is_s3_failure(response) || response.status == 404) return judgement;
    auto const failure = read_s3_failure(response);
    int const status = response.ok() ? 500 : response.status;  // a 200 with an <Error> inside failed late
    Error error{ErrorKind::refused,
                what + " failed",
                fmt::format("{}{}{}, request {}", failure.code, failure.message.empty() ? "" : ": ",
                            failure.message, failure.request_id.empty() ? "unknown" : failure.request_id),
                {}};
    judgement.retry_after = retry_after_of(response);
    if (is_one_of(failure.code, {"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull"}) ||
        status == 507) {
        error.kind = ErrorKind::no_space;
        error.fix = "free space or raise the quota there";
        judgement.stop_endpoint = true;
    } else if (status >= 500 && status != 501) {
        error.kind = ErrorKind::unavailable;
        judgement.again = judgement.endpoint_failed = true;
    } else if (status == 429 || status == 408 || failure.code == "RequestTimeout") {
        error.kind = ErrorKind::unavailable;
        judgement.again = true;
        judgement.endpoint_failed = status == 429;
    } else if (is_one_of(failure.code, {"BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody",
                                        "InvalidDigest", "OperationAborted", "ConcurrentModification"})) {
        // The bytes changed on the way: another way may be better.
        error.kind = ErrorKind::unavailable;
        judgement.again = true;
    } else if (failure.code == "RequestTimeTooSkewed") {
        error.why = fmt::format("the store's clock and this machine's differ too much ({})", failure.code);
        error.fix = "set this machine's clock (chrony, ntp)";
        judgement.stop_endpoint = true;
    } else if (status == 401 || status == 403) {
        error.fix = "check the keys and what they allow on this bucket";
        // Keys that worked a moment ago may have been garbled on the way once; others are not tried again.
        judgement.again = proven && try_number == 1;
        judgement.stop_endpoint = !judgement.again;
    } else if (status == 301 || status == 307) {
        error.fix = "the bucket is elsewhere; check the endpoint and the region";
        judgement.stop_endpoint = true;
    } else if (status == 400 && failure.code == "HTTP 400" && try_number == 1) {
        judgement.again = true;  // no S3 answer at all: a garbled request line, or something in between
    }
    judgement.error = std::move(error);
    return judgement;
}

}  // namespace yoda
