// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/wire/panda_proxy.hpp"

#include <gtest/gtest.h>

namespace yoda {
namespace {

constexpr char const* url = "https://store.example.org/b/k?X-Amz-Signature=abc&X-Amz-Expires=1800";

TEST(PandaProxy, ReadsTheUrlInEveryShapeOfItsVersions)
{
    std::string const object = std::string(R"({"presignedURL": ")") + url + R"("})";
    std::string nested = "\"";
    for (char const c : object) nested += c == '"' ? std::string("\\\"") : std::string(1, c);
    nested += "\"";
    std::string const form =
        "presignedURL=https%3A%2F%2Fstore.example.org%2Fb%2Fk%3FX-Amz-Signature%3Dabc%26X-Amz-Expires%3D1800";
    for (auto const& body : {object, nested, form}) {
        auto const read = read_presigned_url({200, "application/json", body});
        ASSERT_TRUE(read) << body << ": " << read.error().text();
        EXPECT_EQ(*read, url);
    }
}

TEST(PandaProxy, SaysWhyItSignsNothing)
{
    auto const refused = read_presigned_url({200, "application/json", R"({"ErrorMsg": "wrong secret key"})"});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::refused);
    EXPECT_NE(refused.error().text().find("wrong secret key"), std::string::npos);
    EXPECT_EQ(read_presigned_url({403, "text/plain", "forbidden"}).error().kind, ErrorKind::refused);
    for (auto const* body : {"", "<html>busy</html>", "[]", "{}", R"({"presignedURL": 7})", "null"})
        EXPECT_EQ(read_presigned_url({200, "text/html", body}).error().kind, ErrorKind::unavailable) << body;
    EXPECT_EQ(read_presigned_url({503, "text/html", "busy"}).error().kind, ErrorKind::unavailable);
}

TEST(PandaProxy, TakesOnlyUrlsAndNeverQuotesThem)
{
    for (auto const* bad : {"file:///etc/passwd", "ftp://x/y", "https://x/a b", "https://x/\\n", "secret"}) {
        auto const read =
            read_presigned_url({200, "application/json", std::string(R"({"presignedURL": ")") + bad + "\"}"});
        ASSERT_FALSE(read) << bad;
        EXPECT_EQ(read.error().text().find(bad), std::string::npos);
    }
}

TEST(PandaProxy, IsSpokenToInTheClearOnThisMachineOnlyUnlessTold)
{
    PandaProxySettings settings{"https://proxy.example.org:25128/proxy/panda", "a.pub", "a", false, {}, {}};
    EXPECT_TRUE(check_panda_proxy(settings));
    settings.url = "http://127.0.0.1:25064/proxy/panda";
    EXPECT_TRUE(check_panda_proxy(settings));
    settings.url = "http://proxy.example.org:25064/proxy/panda";
    EXPECT_FALSE(check_panda_proxy(settings));
    settings.allow_plain_http = true;
    EXPECT_TRUE(check_panda_proxy(settings));
    settings.private_key_name.clear();
    EXPECT_FALSE(check_panda_proxy(settings));
    for (auto const* bad : {"", "proxy", "s3://host/proxy"}) {
        settings.url = bad;
        EXPECT_FALSE(check_panda_proxy(settings)) << bad;
    }
}

}  // namespace
}  // namespace yoda
