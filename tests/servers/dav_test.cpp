// SPDX-License-Identifier: Apache-2.0
// The DAV store against real nginx: what arrived is what lies in nginx's folder.
#include "harvest/stores/dav/dav_store.hpp"

#include <filesystem>

#include "servers/s3_world.hpp"

namespace yoda::test {
namespace {

namespace fs = std::filesystem;

class Dav : public ::testing::Test {
  protected:
    void SetUp() override { YODA_NEEDS_PROGRAMS("nginx", "openssl"); }

    static ServerProcess& nginx()
    {
        static ServerProcess server("servers/nginx_dav.py");
        return server;
    }
    DavStore store(std::string const& base, DavOptions options = {})
    {
        return {parse_store_url(base).value(), std::move(options), around_.context()};
    }
    DavStore plain() { return store("dav://" + nginx().text("endpoint") + "/store/deep"); }
    std::string there(std::string const& key) { return nginx().text("root") + "/store/deep/" + key; }

    StoreSurroundings around_;
    ScratchFolder folder_;
};

TEST_F(Dav, ArrivesUnderItsNameAndNoTemporaryOneStays)
{
    auto dav = plain();
    std::string const bytes = some_bytes(3'000'000);
    auto const spec = make_object(folder_, "a/b/name with space+%.tar", bytes);
    EXPECT_EQ(dav.check(spec).value(), Presence::absent);
    auto const result = dav.put(spec, {});
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_TRUE(file_text(there(spec.key)) == bytes);
    EXPECT_EQ(std::distance(fs::directory_iterator(there("a/b")), {}), 1);
    // nginx names no checksums: its word on the size is all there is.
    EXPECT_EQ(dav.check(spec).value(), Presence::unproven);
    ASSERT_TRUE(dav.get(spec.key, folder_ / "back"));
    EXPECT_TRUE(file_text(folder_ / "back") == bytes);
    ASSERT_TRUE(dav.remove(spec.key));
    EXPECT_FALSE(dav.head(spec.key).value());
    EXPECT_TRUE(dav.remove(spec.key));
}

TEST_F(Dav, WhatLiesThereIsReplacedAtOnceOrNotAtAll)
{
    auto dav = plain();
    ASSERT_TRUE(dav.put(make_object(folder_, "replaced", "old content"), {}));
    ServerProcess proxy("servers/faultproxy.py", {nginx().text("endpoint")});
    around_.policy.try_limit = 1;
    auto cut = store("dav://" + proxy.text("endpoint") + "/store/deep");
    proxy.tell("rules rst-up:200000");
    auto const spec = make_object(folder_, "replaced", some_bytes(500'000));
    EXPECT_FALSE(cut.put(spec, {}));
    EXPECT_EQ(file_text(there("replaced")), "old content");
    ASSERT_TRUE(dav.put(spec, {}));
    EXPECT_TRUE(file_text(there("replaced")) == some_bytes(500'000));
}

TEST_F(Dav, FaultsOnTheWayAreTriedAgain)
{
    ServerProcess proxy("servers/faultproxy.py", {nginx().text("endpoint")});
    int count = 0;
    for (std::string const rules :
         {"rst-up:100000 pass", "lost-reply pass", "trunc-reply:20 pass", "http503:1 pass",
          "stall-up:100000 pass", "garbage refuse pass", "late500 pass"}) {
        SCOPED_TRACE(rules);
        around_.breakers = std::make_unique<Breakers>(around_.policy.breaker);
        // A loaded machine stalls good tries too: more of them.
        around_.policy.stall_window = Duration::from_ms(rules.starts_with("stall") ? 1500 : 20'000);
        around_.policy.try_limit = 30;
        auto dav = store("dav://" + proxy.text("endpoint") + "/store/deep");
        std::string const bytes = some_bytes(400'000, static_cast<std::uint64_t>(++count));
        auto const spec = make_object(folder_, "fault-" + std::to_string(count), bytes);
        proxy.tell("rules " + rules);
        auto const result = dav.put(spec, {});
        ASSERT_TRUE(result) << result.error().text();
        EXPECT_TRUE(file_text(there(spec.key)) == bytes);
    }
}

TEST_F(Dav, FullStoreAndDamagedFile)
{
    auto full = store("dav://" + nginx().text("endpoint") + "/nowhere");
    auto const result = full.put(make_object(folder_, "x", "x"), {});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, ErrorKind::no_space);
    around_.breakers = std::make_unique<Breakers>(around_.policy.breaker);
    auto spec = make_object(folder_, "damaged", "x");
    spec.adler32 ^= 1;
    auto dav = plain();
    EXPECT_EQ(dav.put(spec, {}).error().kind, ErrorKind::bad_input);
    EXPECT_FALSE(fs::exists(there("damaged")));
}

TEST_F(Dav, BearerTokenOverTlsOnlyFromAClosedFile)
{
    std::string const file = folder_ / "token";
    write_text(file, nginx().text("token") + "\n");
    DavOptions options;
    options.token_file = file;
    options.tls.ca_file = nginx().text("ca");
    std::string const base = "https://" + nginx().text("tls_endpoint") + "/token";
    auto const spec = make_object(folder_, "by-token", "let in");
    fs::permissions(file, fs::perms::owner_read | fs::perms::others_read);
    EXPECT_EQ(store(base, options).put(spec, {}).error().kind, ErrorKind::usage);
    fs::permissions(file, fs::perms::owner_read);
    auto dav = store(base, options);
    auto const result = dav.put(spec, {});
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_EQ(file_text(nginx().text("root") + "/token/by-token"), "let in");
    auto unencrypted = store("http://" + nginx().text("endpoint") + "/token", options);
    EXPECT_EQ(unencrypted.put(spec, {}).error().kind, ErrorKind::usage)
        << "a token must not travel in the clear";
    DavOptions without;
    without.tls = options.tls;
    auto const refused = store(base, without).put(spec, {});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::refused);
}

TEST_F(Dav, CertificateOfTheUserOpensTheDoor)
{
    DavOptions options;
    options.tls.ca_file = nginx().text("ca");
    std::string const base = "davs://" + nginx().text("tls_endpoint") + "/cert";
    auto const spec = make_object(folder_, "by-certificate", "let in");
    auto const refused = store(base, options).put(spec, {});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::refused);
    around_.breakers = std::make_unique<Breakers>(around_.policy.breaker);
    options.tls.cert_file = nginx().text("user_pem");
    auto const result = store(base, options).put(spec, {});
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_EQ(file_text(nginx().text("root") + "/cert/by-certificate"), "let in");
}

TEST_F(Dav, UnknownAuthorityIsRefused)
{
    DavOptions options;
    options.tls.ca_file = nginx().text("other_ca");
    auto dav = store("davs://" + nginx().text("tls_endpoint") + "/store", options);
    auto const result = dav.put(make_object(folder_, "x", "x"), {});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, ErrorKind::refused) << result.error().text();
}

TEST(DigestHeader, ReadsBothChecksums)
{
    StoredObject object;
    read_digest("md5=kAFQmDzST7DWlj99KOF/cg==, adler32=24d0127", object);
    EXPECT_EQ(object.md5, "900150983cd24fb0d6963f7d28e17f72");
    EXPECT_EQ(object.adler32, 0x024d0127u) << "leading zeros may be missing";
    StoredObject nothing;
    read_digest("sha-256=abc,adler32=xyz,md5=%%%,", nothing);
    EXPECT_FALSE(nothing.adler32);
    EXPECT_TRUE(nothing.md5.empty());
}

}  // namespace
}  // namespace yoda::test
