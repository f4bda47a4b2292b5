// SPDX-License-Identifier: Apache-2.0
// Credentials as they lie about on a login node: too old, too open, too limited.
#include "harvest/panda/wire/credentials.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

#include "support/scratch_folder.hpp"
#include "sys/base/clock.hpp"
#include "sys/http/certificate.hpp"

namespace yoda {
namespace {

class PandaCredentialsTest : public ::testing::Test {
  protected:
    /// A self-signed certificate with its key in one file, valid for `days` from now.
    std::string make_pem(std::string const& name, std::string const& subject, int days)
    {
        auto const path = folder_ / name;
        auto const command =
            "cd " + folder_.path() +
            " && openssl req -x509 -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj '" +
            subject + "' -days " + std::to_string(days) +
            " -keyout key -out cert 2> /dev/null && cat cert key > " + path + " && chmod 600 " + path;
        EXPECT_EQ(std::system(command.c_str()), 0);
        return path;
    }
    std::int64_t now_s() const { return SystemClock().unix_ns() / 1'000'000'000; }

    test::ScratchFolder folder_;
};

TEST_F(PandaCredentialsTest, AProxyMustBeOursClosedAndInItsTime)
{
    PandaCredentials credentials;
    EXPECT_TRUE(check_certificate(credentials, now_s()));  // Nothing is configured: a server may not ask.
    credentials.proxy_file = make_pem("proxy", "/O=grid/CN=me", 2);
    EXPECT_TRUE(check_certificate(credentials, now_s()))
        << check_certificate(credentials, now_s()).error().text();

    auto const later = check_certificate(credentials, now_s() + 3 * 86400);
    ASSERT_FALSE(later);
    EXPECT_NE(later.error().why.find("expired"), std::string::npos) << later.error().text();
    auto const earlier = check_certificate(credentials, now_s() - 86400);
    ASSERT_FALSE(earlier);
    EXPECT_NE(earlier.error().fix.find("clock"), std::string::npos) << earlier.error().text();

    ::chmod(credentials.proxy_file.c_str(), 0644);
    auto const open = check_certificate(credentials, now_s());
    ASSERT_FALSE(open);
    EXPECT_NE(open.error().fix.find("chmod"), std::string::npos) << open.error().text();
    credentials.proxy_file = folder_ / "absent";
    EXPECT_FALSE(check_certificate(credentials, now_s()));
    credentials.proxy_file = make_pem("limited", "/O=grid/CN=me/CN=limited proxy", 2);
    EXPECT_FALSE(check_certificate(credentials, now_s()));
    test::write_text(folder_ / "garbage", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    ::chmod((folder_ / "garbage").c_str(), 0600);
    credentials.proxy_file = folder_ / "garbage";
    EXPECT_FALSE(check_certificate(credentials, now_s()));
}

TEST_F(PandaCredentialsTest, TheShortestLifeInTheChainCounts)
{
    auto const proxy = make_pem("proxy", "/O=grid/CN=me/CN=1", 10);
    auto const issuer = make_pem("issuer", "/O=grid/CN=me", 1);
    auto const both = folder_ / "both";
    test::write_text(both, test::file_text(proxy) + test::file_text(issuer));
    ::chmod(both.c_str(), 0600);
    auto const chain = read_certificates(test::file_text(both));
    ASSERT_TRUE(chain) << chain.error().text();
    ASSERT_EQ(chain->size(), 2u);
    EXPECT_EQ(chain->at(1).subject, "/O=grid/CN=me");
    PandaCredentials credentials;
    credentials.proxy_file = both;
    auto const lives = survey_credentials(credentials, now_s());
    ASSERT_EQ(lives.size(), 1u);
    EXPECT_EQ(lives[0].until_unix_s, chain->at(1).valid_until_unix_s);
    EXPECT_FALSE(lives[0].problem);
    EXPECT_FALSE(check_certificate(credentials, now_s() + 2 * 86400));
}

TEST_F(PandaCredentialsTest, TheEnvironmentFillsWhatTheConfigurationLeavesOpen)
{
    std::map<std::string, std::string> variables{{"X509_USER_PROXY", "/p"}, {"X509_CERT_DIR", "/ca"}};
    auto const get = [&](char const* name) { return variables[name]; };
    PandaCredentials credentials;
    complete_from_environment(credentials, get);
    EXPECT_EQ(credentials.proxy_file, "/p");
    EXPECT_EQ(credentials.ca_folder, "/ca");
    credentials = {};
    credentials.cert_file = "/mine";
    complete_from_environment(credentials, get);
    EXPECT_EQ(credentials.proxy_file, "");
    variables["PANDA_AUTH_TOKEN"] = "file:/t";
    variables["PANDA_AUTH_ORIGIN"] = "atlas";
    credentials = {};
    complete_from_environment(credentials, get);
    EXPECT_EQ(credentials.token_file, "/t");
    EXPECT_EQ(credentials.origin, "atlas");
    EXPECT_EQ(credentials.proxy_file, "");
}

TEST_F(PandaCredentialsTest, ATokenThatIsNoTokenHasNoEnd)
{
    for (char const* text : {"", "a", "a.b", "a.b.c", "a.!!.c", "a.eyJhIjoxfQ.c", "a.eyJleHAiOiJ4In0.c"})
        EXPECT_FALSE(token_expiry_unix_s(text)) << text;
    EXPECT_EQ(token_expiry_unix_s("h.eyJleHAiOjE3MDAwMDAwMDB9.s"), 1700000000);
}

TEST_F(PandaCredentialsTest, AnExpiredTokenIsNotSent)
{
    PandaCredentials credentials;
    credentials.token_file = folder_ / "token";
    test::write_text(credentials.token_file, "h.eyJleHAiOjE3MDAwMDAwMDB9.s\n");
    ::chmod(credentials.token_file.c_str(), 0600);
    EXPECT_TRUE(read_token_file(credentials, 1699999999));
    EXPECT_FALSE(read_token_file(credentials, 1700000000));
    auto const lives = survey_credentials(credentials, 1700000000);
    ASSERT_EQ(lives.size(), 1u);
    EXPECT_TRUE(lives[0].problem);
    test::write_text(credentials.token_file, "two words\n");
    EXPECT_FALSE(read_token_file(credentials, 0));
}

}  // namespace
}  // namespace yoda
