// SPDX-License-Identifier: Apache-2.0
// root:// and XRootD's own HTTP door against a real XRootD. A program of its own: it
// enters a network of its own.
#include <algorithm>
#include <filesystem>

#include "harvest/stores/make_store.hpp"
#include "servers/kill_world.hpp"
#include "servers/s3_world.hpp"
#include "support/servers/own_network.hpp"
#include "support/skip.hpp"

namespace yoda::test {
namespace {

namespace fs = std::filesystem;

/// One network for all tests of this program.
bool alone()
{
    static bool const entered = enter_own_network();
    return entered;
}

class Xrootd : public ::testing::TestWithParam<std::string> {
  protected:
    void SetUp() override
    {
        YODA_NEEDS_PROGRAMS("xrootd", "openssl");
        if (!alone()) YODA_SKIP("this machine gives no network of its own");
    }
    static ServerProcess& xrootd()
    {
        static ServerProcess server("servers/xrootd.py");
        return server;
    }
    std::string url() const
    {
        if (GetParam() == "root") return "root://" + xrootd().text("root_endpoint") + "//store/deep";
        if (GetParam() == "http") return "http://" + xrootd().text("http_endpoint") + "/store/deep";
        return "davs://" + xrootd().text("https_endpoint") + "/store/deep";
    }
    std::unique_ptr<Store> store()
    {
        StoreConfig config;
        config.tls.ca_file = xrootd().text("ca");
        config.url = url();
        auto made = make_store(config, {}, around_.context());
        if (!made) throw std::runtime_error(made.error().text());
        return *std::move(made);
    }
    std::string there(std::string const& key) { return xrootd().text("root") + "/store/deep/" + key; }

    StoreSurroundings around_;
    ScratchFolder folder_;
};

TEST_P(Xrootd, ServersOwnAdler32ProvesWhatArrived)
{
    auto xrd = store();
    for (std::uint64_t const count : {1000u, 5'000'000u}) {
        std::string const bytes = some_bytes(count);
        auto const spec = make_object(folder_, GetParam() + "/file-" + std::to_string(count) + ".tar", bytes);
        EXPECT_EQ(xrd->check(spec).value(), Presence::absent);
        auto const result = xrd->put(spec, {});
        ASSERT_TRUE(result) << result.error().text();
        EXPECT_EQ(xrd->check(spec).value(), Presence::same);
        EXPECT_TRUE(file_text(there(spec.key)) == bytes);
        ASSERT_TRUE(xrd->get(spec.key, folder_ / "back"));
        EXPECT_TRUE(file_text(folder_ / "back") == bytes);
    }
    EXPECT_EQ(std::distance(fs::directory_iterator(there(GetParam())), {}), 2) << "no temporary name stays";
}

TEST_P(Xrootd, OddNamesArriveUnderExactlyTheirName)
{
    auto xrd = store();
    for (std::string const name : {"with space+plus.tar", "per%20cent%2F",
                                   "r\xC3\xA9sum\xC3\xA9/\xE2\x82\xAC", "a=b&c~d'()*!:@,;$", "hash#"}) {
        auto const key = GetParam() + "-odd/" + name;
        auto const result = xrd->put(make_object(folder_, key, name), {});
        ASSERT_TRUE(result) << key << ": " << result.error().text();
        EXPECT_EQ(file_text(there(key)), name) << key;
        ASSERT_TRUE(xrd->get(key, folder_ / "got")) << key;
        EXPECT_EQ(file_text(folder_ / "got"), name);
        ASSERT_TRUE(xrd->remove(key));
        EXPECT_FALSE(fs::exists(there(key))) << key;
    }
    auto const query = xrd->put(make_object(folder_, GetParam() + "-odd/what?", "x"), {});
    ASSERT_FALSE(query) << "it would lie there under another name";
    EXPECT_EQ(query.error().kind, ErrorKind::refused);
}

TEST_P(Xrootd, OtherContentIsSeenAndReplaced)
{
    auto xrd = store();
    std::string const key = GetParam() + "-replaced";
    ASSERT_TRUE(xrd->put(make_object(folder_, key, "something els"), {}));
    auto const spec = make_object(folder_, key, "of equal size");
    EXPECT_EQ(xrd->check(spec).value(), Presence::different);
    auto const result = xrd->put(spec, {});
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_EQ(xrd->check(spec).value(), Presence::same);
    ASSERT_TRUE(xrd->remove(key));
    EXPECT_EQ(xrd->check(spec).value(), Presence::absent);
    EXPECT_TRUE(xrd->remove(key));
}

TEST_P(Xrootd, DamagedFileIsNotSent)
{
    auto xrd = store();
    auto spec = make_object(folder_, GetParam() + "-damaged", "content");
    spec.adler32 ^= 1;
    auto const result = xrd->put(spec, {});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, ErrorKind::bad_input);
    EXPECT_FALSE(fs::exists(there(spec.key)));
}

/// Not over https: a proxy's name is not in the certificate.
class XrootdBehindAProxy : public Xrootd {};

TEST_P(XrootdBehindAProxy, FaultsOnTheWayAreTriedAgain)
{
    ServerProcess proxy("servers/faultproxy.py",
                        {xrootd().text(GetParam() == "root" ? "root_endpoint" : "http_endpoint")});
    StoreConfig config;
    std::string const endpoint = proxy.text("endpoint");
    config.url =
        GetParam() == "root" ? "root://" + endpoint + "//store/deep" : "http://" + endpoint + "/store/deep";
    auto made = make_store(config, {}, around_.context());
    ASSERT_TRUE(made);
    std::string const bytes = some_bytes(600'000);
    auto const spec = make_object(folder_, GetParam() + "-fault", bytes);
    proxy.tell("rules rst-up:300000 refuse pass");
    auto const result = (*made)->put(spec, {});
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_TRUE(file_text(there(spec.key)) == bytes);
}

TEST_P(Xrootd, OneOutputInsideOfABundleIsSentAlone)
{
    auto xrd = store();
    auto spec = make_object(folder_, GetParam() + "-part", some_bytes(3'000'000));
    auto const part = some_bytes(3'000'000).substr(1'000'001, 1'500'000);
    spec.offset = 1'000'001;
    spec.bytes = part.size();
    spec.adler32 = adler32(part);
    auto const result = xrd->put(spec, {});
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_EQ(xrd->check(spec).value(), Presence::same);
    EXPECT_TRUE(file_text(there(spec.key)) == part);
}

TEST_P(Xrootd, BandwidthIsHeldAndProgressTold)
{
    auto const limit = std::make_shared<RateLimit>(10'000'000);
    auto context = around_.context();
    context.send_limit = limit;
    StoreConfig config;
    config.tls.ca_file = xrootd().text("ca");
    config.url = url();
    auto made = make_store(config, {}, context);
    ASSERT_TRUE(made);
    std::uint64_t moved = 0;
    PutHooks hooks;
    hooks.moved = [&](std::uint64_t bytes) { moved += bytes; };
    auto const begin = around_.clock.now();
    ASSERT_TRUE((*made)->put(make_object(folder_, GetParam() + "-slow", some_bytes(8'000'000)), hooks));
    EXPECT_GE((around_.clock.now() - begin).s(), 0.6) << "8 MB at 10 MB/s: sooner would be no limit";
    EXPECT_EQ(moved, 8'000'000u);
}

#ifdef YODA_HAVE_XROOTD
class KillXrootd : public ::testing::Test, protected KillWorld {
  protected:
    void SetUp() override
    {
        YODA_NEEDS_PROGRAMS("xrootd", "openssl", "xrdcp", "xrdfs");
        if (!alone()) YODA_SKIP("this machine gives no network of its own");
    }
};

TEST_F(KillXrootd, AtRandomInstantsLosesNothingAndLeavesNoTemporaryNames)
{
    ServerProcess xrootd("servers/xrootd.py");
    auto const endpoint = "root://" + xrootd.text("root_endpoint");
    auto const there = xrootd.text("root") + "/store/killed";
    config = {{"folders", {run}},
              {"parallel", 3},
              {"stores", {{"es_events", {{"url", endpoint + "//store/killed"}}}}}};
    kill_rounds(long_tests() ? 300 : 52, 150'000, [&] {
        expect_no_false_claims([&](std::string const& name) { return fs::exists(there + "/" + name); });
    });
    auto const copies = folder / "copies";
    fs::create_directories(copies);
    ASSERT_EQ(run_program({"xrdcp", "--silent", "-r", endpoint + "//store/killed/", copies}), 0);
    auto const deeper = copies + "/killed";
    expect_copies_in(fs::exists(deeper) ? deeper : copies);
    expect_copies_in(there);
    std::string lines;
    ASSERT_EQ(run_program({"xrdfs", endpoint, "ls", "/store/killed"}, &lines), 0);
    EXPECT_EQ(static_cast<std::size_t>(std::count(lines.begin(), lines.end(), '\n')), sums.size());
}
#endif

#ifdef YODA_HAVE_XROOTD
/// The client library reads credentials once a process, so each try is a process of its own.
class XrootdCredentials : public ::testing::Test, protected KillWorld {
  protected:
    void SetUp() override
    {
        YODA_NEEDS_PROGRAMS("xrootd", "openssl", "xrdsssadmin");
        if (!alone()) YODA_SKIP("this machine gives no network of its own");
    }
    void TearDown() override
    {
        for (auto const& name : variables_) ::unsetenv(name.c_str());
    }
    void set(std::string const& name, std::string const& value)
    {
        ::setenv(name.c_str(), value.c_str(), 1);
        variables_.push_back(name);
    }
    /// A server that demands something; runs have ten bundles for it.
    void serve(std::string const& demand)
    {
        server_ = std::make_unique<ServerProcess>("servers/xrootd.py", std::vector{demand});
        config = {
            {"folders", {run}},
            {"stores",
             {{"es_events", {{"url", "root://" + server_->text("root_endpoint") + "//store/guarded"}}}}}};
        make_bundles(0, 10, 1);
    }
    void expect_refused()
    {
        EXPECT_EQ(wait_for(start()), exit_again);
        auto const summary =
            nlohmann::json::parse(file_text(folder / ("out." + std::to_string(process_count))));
        ASSERT_FALSE(summary["failures"].empty()) << summary;
        std::string const reason = summary["failures"][0]["reason"];
        EXPECT_NE(reason.find("Auth failed"), std::string::npos) << reason;
        EXPECT_NE(reason.find("X509_USER_PROXY"), std::string::npos) << reason;
        EXPECT_LE(summary["failed_count"], 8) << "asked in vain for each bundle";
        EXPECT_FALSE(fs::exists(server_->text("root") + "/store/guarded"));
    }
    void expect_taken()
    {
        EXPECT_EQ(wait_for(start()), 0) << file_text(folder / ("out." + std::to_string(process_count)));
        expect_copies_in(server_->text("root") + "/store/guarded");
    }

    std::unique_ptr<ServerProcess> server_;
    std::vector<std::string> variables_;
};

TEST_F(XrootdCredentials, GridProxyOfAKnownAuthorityIsTakenAnotherOrNoneIsNot)
{
    serve("x509");
    set("X509_CERT_DIR", server_->text("ca_dir"));
    set("X509_USER_PROXY", server_->text("proxy_of_others"));
    expect_refused();
    set("X509_USER_PROXY", folder / "nothing");
    expect_refused();
    set("X509_USER_PROXY", server_->text("proxy"));
    expect_taken();
}

TEST_F(XrootdCredentials, SharedSecretOfTheServerIsTakenAnotherOrNoneIsNot)
{
    serve("sss");
    set("XrdSecSSSKT", server_->text("wrong_keytab"));
    expect_refused();
    set("XrdSecSSSKT", folder / "nothing");
    expect_refused();
    set("XrdSecSSSKT", server_->text("keytab"));
    expect_taken();
}
#endif

#ifdef YODA_HAVE_XROOTD
INSTANTIATE_TEST_SUITE_P(Doors, Xrootd, ::testing::Values("root", "http", "https"),
                         [](auto const& door) { return door.param; });
INSTANTIATE_TEST_SUITE_P(Doors, XrootdBehindAProxy, ::testing::Values("root", "http"),
                         [](auto const& door) { return door.param; });
#else
INSTANTIATE_TEST_SUITE_P(Doors, Xrootd, ::testing::Values("http", "https"),
                         [](auto const& door) { return door.param; });
INSTANTIATE_TEST_SUITE_P(Doors, XrootdBehindAProxy, ::testing::Values("http"),
                         [](auto const& door) { return door.param; });
#endif

}  // namespace
}  // namespace yoda::test
