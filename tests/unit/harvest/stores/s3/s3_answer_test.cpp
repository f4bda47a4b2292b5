// SPDX-License-Identifier: Apache-2.0
#include "harvest/stores/s3/s3_answer.hpp"

#include <gtest/gtest.h>

#include "harvest/stores/base/file_sums.hpp"

namespace yoda {
namespace {

Result<HttpResponse> answer(int status, std::string const& code = {}, HttpHeaders headers = {})
{
    HttpResponse response;
    response.status = status;
    response.headers = std::move(headers);
    if (!code.empty()) response.body = "<Error><Code>" + code + "</Code><Message></Message></Error>";
    return response;
}

Judgement judge(Result<HttpResponse> const& got, unsigned try_number = 1, bool proven = false)
{
    return judge_s3(got, try_number, "PUT x", proven);
}

TEST(S3Answer, XmlIsReadWhereItIsAndMissingPartsAreEmpty)
{
    std::string const xml =
        "<L><Part><N>1</N><E>&quot;a&amp;b&quot;</E></Part><Part><N>2</N></Part><Cut>never closed</L>";
    ASSERT_EQ(xml_elements(xml, "Part").size(), 2u);
    EXPECT_EQ(xml_text(xml_elements(xml, "Part")[0], "E"), "\"a&b\"");
    EXPECT_EQ(xml_text(xml, "Cut"), "");
    EXPECT_EQ(xml_text("", "N"), "");
}

TEST(S3Answer, GoodAndMissingAreNoFailures)
{
    EXPECT_FALSE(judge(answer(200)).error);
    EXPECT_FALSE(judge(answer(404, "NoSuchKey")).error);
}

TEST(S3Answer, ServersTroubleIsTriedAgain)
{
    for (auto const& [status, code] : {std::pair{500, "InternalError"}, std::pair{503, "SlowDown"},
                                       std::pair{502, ""}, std::pair{429, "TooManyRequests"}}) {
        auto const judgement = judge(answer(status, code));
        EXPECT_TRUE(judgement.again) << status;
        EXPECT_TRUE(judgement.endpoint_failed) << status;
        EXPECT_EQ(judgement.error->kind, ErrorKind::unavailable);
    }
    EXPECT_TRUE(judge(answer(200, "InternalError")).again) << "Complete can fail after its 200";
    EXPECT_EQ(judge(answer(503, "SlowDown", {{"Retry-After", "7"}})).retry_after, Duration::from_s(7));
    EXPECT_EQ(judge(answer(503, "SlowDown", {{"Retry-After", "soon"}})).retry_after, Duration{});
}

TEST(S3Answer, BytesThatChangedOnTheWayAreSentAgainWithoutBlamingTheEndpoint)
{
    for (std::string const code : {"BadDigest", "XAmzContentSHA256Mismatch", "RequestTimeout"}) {
        auto const judgement = judge(answer(400, code));
        EXPECT_TRUE(judgement.again) << code;
        EXPECT_FALSE(judgement.endpoint_failed) << code;
    }
}

TEST(S3Answer, RefusalsStopTheEndpointUnlessOurKeysWorkedAMomentAgo)
{
    auto const refused = judge(answer(403, "InvalidAccessKeyId"));
    EXPECT_FALSE(refused.again);
    EXPECT_TRUE(refused.stop_endpoint);
    EXPECT_EQ(refused.error->kind, ErrorKind::refused);
    EXPECT_TRUE(judge(answer(403, "SignatureDoesNotMatch"), 1, true).again);
    EXPECT_FALSE(judge(answer(403, "SignatureDoesNotMatch"), 2, true).again);
}

TEST(S3Answer, FullStoresAreForTheOtherStore)
{
    for (auto const& got : {answer(403, "QuotaExceeded"), answer(507), answer(507, "InsufficientStorage")}) {
        EXPECT_EQ(judge(got).error->kind, ErrorKind::no_space);
        EXPECT_TRUE(judge(got).stop_endpoint);
    }
}

TEST(S3Answer, MessagesNameCodeAndRequestEvenWhenTheServersIsEmpty)
{
    auto const text = judge(answer(403, "AccessDenied", {{"x-amz-request-id", "tx17"}})).error->text();
    EXPECT_NE(text.find("AccessDenied"), std::string::npos);
    EXPECT_NE(text.find("tx17"), std::string::npos);
}

TEST(S3Answer, ServersTime)
{
    EXPECT_EQ(server_time(*answer(403, "", {{"Date", "Fri, 24 May 2013 00:00:00 GMT"}})), 1369353600);
    EXPECT_EQ(server_time(*answer(403, "", {{"Date", "yesterday"}})), 0);
}

TEST(HttpText, UrlsAreShownWithoutTheirSecrets)
{
    EXPECT_EQ(printable_url("https://h/p?X-Amz-Date=1&X-Amz-Signature=abc&x=2&x-amz-credential=k%2F1"),
              "https://h/p?X-Amz-Date=1&X-Amz-Signature=***&x=2&x-amz-credential=***");
    EXPECT_EQ(printable_url("https://user:pass@h/p@q"), "https://h/p@q");
    EXPECT_EQ(printable_url("not a url"), "not a url");
}

TEST(HttpText, PercentEncodingIsItsOwnInverse)
{
    std::string all;
    for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
    EXPECT_EQ(percent_decode(percent_encode(all)), all);
    EXPECT_EQ(percent_encode("a/b c", true), "a/b%20c");
    EXPECT_EQ(percent_encode("a/b"), "a%2Fb");
    EXPECT_FALSE(percent_decode("%2"));
    EXPECT_FALSE(percent_decode("%zz"));
}

TEST(RateLimit, GivesItsRateAndNoMoreThanATenthOfASecondAtOnce)
{
    RateLimit limit(1000);
    EXPECT_EQ(limit.take(TimePoint{}, 5000), 0u);
    EXPECT_EQ(limit.take(TimePoint{} + Duration::from_s(10), 5000), 100u) << "unused time is not saved up";
    std::uint64_t sum = 0;
    for (int i = 1; i <= 100; ++i) sum += limit.take(TimePoint{} + Duration::from_s(10 + i * 0.05), 5000);
    EXPECT_NEAR(static_cast<double>(sum), 5000, 100);
}

TEST(PartPlan, CutsAFileIntoAtMostAThousandParts)
{
    EXPECT_EQ(PartPlan::make(0, 100).count(), 1u);
    auto const large = PartPlan::make(5ull << 40, 16 << 20);
    EXPECT_LE(large.count(), 1000u);
    std::uint64_t sum = 0;
    for (std::uint64_t part = 0; part < large.count(); ++part) sum += large.size(part);
    EXPECT_EQ(sum, 5ull << 40);
}

}  // namespace
}  // namespace yoda
