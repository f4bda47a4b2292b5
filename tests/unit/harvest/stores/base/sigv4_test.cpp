// SPDX-License-Identifier: Apache-2.0
// Vectors: AWS's Signature Version 4 test suite (service "service", 2015-08-30) and the examples of the S3
// API reference (2013-05-24). Both are published with these keys, which open nothing.
#include "harvest/stores/base/sigv4.hpp"

#include <gtest/gtest.h>

#include "harvest/stores/base/digest.hpp"

namespace yoda {
namespace {

constexpr std::int64_t suite_time = 1440938160;  // 20150830T123600Z
constexpr std::int64_t s3_time = 1369353600;     // 20130524T000000Z
S3Keys const suite_keys{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", {}};
S3Keys const s3_keys{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", {}};

using Pairs = std::vector<std::pair<std::string, std::string>>;

std::string signature_of(std::string const& authorization)
{
    return authorization.substr(authorization.find("Signature=") + 10);
}

std::string sign_suite(std::string method, std::string path, Pairs query, Pairs more_headers = {},
                       std::string_view body = {})
{
    SigV4Request request{std::move(method), std::move(path), std::move(query), std::move(more_headers),
                         print_hex(digest_of(DigestKind::sha256, body))};
    request.headers.emplace_back("Host", "example.amazonaws.com");
    request.headers.emplace_back("X-Amz-Date", sigv4_time(suite_time));
    return sigv4_authorization(request, suite_keys, {suite_time, "us-east-1", "service"});
}

std::string sign_s3(std::string method, std::string path, Pairs query, Pairs more_headers = {},
                    std::string_view body = {})
{
    std::string const hash = print_hex(digest_of(DigestKind::sha256, body));
    SigV4Request request{std::move(method), std::move(path), std::move(query), std::move(more_headers), hash};
    request.headers.emplace_back("Host", "examplebucket.s3.amazonaws.com");
    request.headers.emplace_back("x-amz-content-sha256", hash);
    request.headers.emplace_back("x-amz-date", sigv4_time(s3_time));
    return signature_of(sigv4_authorization(request, s3_keys, {s3_time, "us-east-1", "s3"}));
}

TEST(SigV4, PrintsTheTimeInUtc)
{
    EXPECT_EQ(sigv4_time(suite_time), "20150830T123600Z");
    EXPECT_EQ(sigv4_time(s3_time), "20130524T000000Z");
}

TEST(SigV4, GetVanillaOfTheSuiteGivesTheWholeHeader)
{
    EXPECT_EQ(sign_suite("GET", "/", {}),
              "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
              "SignedHeaders=host;x-amz-date, "
              "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

TEST(SigV4, PostVanillaOfTheSuite)
{
    EXPECT_EQ(signature_of(sign_suite("POST", "/", {})),
              "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
}

TEST(SigV4, QueryKeysAreSortedWhateverTheirOrder)
{
    EXPECT_EQ(signature_of(sign_suite("GET", "/", {{"Param2", "value2"}, {"Param1", "value1"}})),
              "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
}

TEST(SigV4, UnreservedCharactersStayInTheQuery)
{
    std::string const all = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    EXPECT_EQ(signature_of(sign_suite("GET", "/", {{all, all}})),
              "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197");
}

TEST(SigV4, Utf8PathIsSignedAsItIsSent)
{
    EXPECT_EQ(signature_of(sign_suite("GET", "/%E1%88%B4", {})),
              "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85");
}

TEST(SigV4, BlanksAroundAndInsideHeaderValuesAreSqueezed)
{
    EXPECT_EQ(signature_of(
                  sign_suite("GET", "/", {}, {{"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}})),
              "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736");
}

TEST(SigV4, BodyAndContentTypeOfTheSuite)
{
    EXPECT_EQ(signature_of(sign_suite(
                  "POST", "/", {}, {{"Content-Type", "application/x-www-form-urlencoded"}}, "Param1=value1")),
              "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a");
}

TEST(SigV4, S3GetObjectWithRange)
{
    EXPECT_EQ(sign_s3("GET", "/test.txt", {}, {{"Range", "bytes=0-9"}}),
              "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(SigV4, S3PutObjectWithSignedPayload)
{
    EXPECT_EQ(
        sign_s3("PUT", "/test%24file.text", {},
                {{"Date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                "Welcome to Amazon S3."),
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(SigV4, S3SubresourceWithoutValue)
{
    EXPECT_EQ(sign_s3("GET", "/", {{"lifecycle", ""}}),
              "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

TEST(SigV4, S3ListObjects)
{
    EXPECT_EQ(sign_s3("GET", "/", {{"prefix", "J"}, {"max-keys", "2"}}),
              "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(SigV4, S3PresignedGet)
{
    SigV4Request const request{"GET", "/test.txt", {}, {{"Host", "examplebucket.s3.amazonaws.com"}}, {}};
    auto const query = sigv4_presign(request, s3_keys, {s3_time, "us-east-1", "s3"}, 86400);
    EXPECT_EQ(query,
              "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%"
              "2Fs3%2F"
              "aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-"
              "Signature="
              "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

TEST(SigV4, OneHeaderTwiceIsSignedAsOneWithBothValues)
{
    EXPECT_EQ(sign_suite("GET", "/", {}, {{"a", "1"}, {"a", "2"}}),
              sign_suite("GET", "/", {}, {{"A", "1,2"}}));
}

TEST(Digest, KnownValues)
{
    EXPECT_EQ(print_hex(digest_of(DigestKind::md5, "abc")), "900150983cd24fb0d6963f7d28e17f72");
    EXPECT_EQ(print_base64(digest_of(DigestKind::md5, "")), "1B2M2Y8AsgTpgAmY7PhCfg==");
    EXPECT_EQ(print_hex(digest_of(DigestKind::sha256, "abc")),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Digest, IsAsNewAfterFinish)
{
    Digest digest(DigestKind::md5);
    digest.add("something");
    (void)digest.finish();
    digest.add("a");
    digest.add("bc");
    EXPECT_EQ(print_hex(digest.finish()), "900150983cd24fb0d6963f7d28e17f72");
}

}  // namespace
}  // namespace yoda
