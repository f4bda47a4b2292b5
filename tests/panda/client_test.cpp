// SPDX-License-Identifier: Apache-2.0
// The client against a running server: the fake one, or with YODA_TEST_PANDA_URL a real one (docs/panda.md).
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "panda_world.hpp"
#include "support/scratch_folder.hpp"

namespace yoda {
namespace {

using nlohmann::json;
using test::ClientParts;
using test::PandaWorld;

JobQuery query_for(std::string const& site)
{
    JobQuery query;
    query.site = site;
    query.node = "nid00001";
    query.job_count = 1;
    return query;
}

/// A job from the first request to the last, as any server takes it.
void play_whole_job(PandaClient& client, std::string const& site)
{
    ASSERT_TRUE(client.is_alive().stored());
    auto const jobs = client.get_jobs(query_for(site));
    ASSERT_TRUE(jobs.judgement.stored()) << jobs.judgement.why;
    ASSERT_EQ(jobs.jobs.size(), 1u);
    auto const& job = jobs.jobs[0];
    auto const panda_id = job.at("PandaID").get<std::int64_t>();
    auto const task_id = job.at("taskID").get<std::int64_t>();
    auto const jobset_id = job.at("jobsetID").get<std::int64_t>();
    auto const attempt = job.at("attemptNr").dump();

    auto const count = client.count_ranges(panda_id, jobset_id, task_id);
    ASSERT_TRUE(count.judgement.stored()) << count.judgement.why;
    EXPECT_GT(count.count, 0);
    auto const ranges = client.get_ranges({panda_id, jobset_id, task_id, 3, false, {}});
    ASSERT_TRUE(ranges.judgement.stored()) << ranges.judgement.why;
    std::vector<std::string> ids;
    ASSERT_TRUE(ranges.for_each([&](RangeView const& range) -> Status {
        ids.emplace_back(range.id);
        return {};
    }));
    ASSERT_FALSE(ids.empty());

    auto const running =
        client.update_job({panda_id, "running", {{"attemptNr", attempt}, {"node", "nid00001"}}});
    ASSERT_TRUE(running.judgement.stored()) << running.judgement.why;
    EXPECT_FALSE(running.commands.job_gone());

    UpdateChunk chunk;
    chunk.zip = ZipFile{
        "EventService_premerge_" + std::to_string(panda_id) + ".tar", 5, 1000, 300, "0000000a", ids.size()};
    for (auto const& id : ids) chunk.ranges.push_back({id, "finished", 0, "", {}, {}});
    auto const updates = client.update_ranges(1, ids.size(), print_range_updates(1, {chunk}));
    if (client.api() == PandaApi::classic) {
        ASSERT_TRUE(updates.judgement.stored()) << updates.judgement.why;
        EXPECT_EQ(updates.returns, std::vector(ids.size(), RangeReturn::accepted));
    } else {
        EXPECT_NE(updates.judgement.outcome, PandaOutcome::refused) << updates.judgement.why;
    }
    std::set<std::string> finished;
    auto const statuses =
        client.get_range_statuses({{task_id, panda_id}}, [&](std::string_view id, std::string_view status) {
            if (status == "finished") finished.emplace(id);
        });
    ASSERT_TRUE(statuses.stored()) << statuses.why;
    EXPECT_EQ(finished, std::set<std::string>(ids.begin(), ids.end()));

    auto const states = client.get_job_states({panda_id});
    ASSERT_TRUE(states.judgement.stored()) << states.judgement.why;
    EXPECT_EQ(states.states.at(0).status, "running");
    auto const last =
        client.update_job({panda_id,
                           "finished",
                           {{"attemptNr", attempt}, {"nEvents", std::to_string(ids.size())}, {"xml", "{}"}}});
    EXPECT_TRUE(last.judgement.stored()) << last.judgement.why;
}

TEST(PandaClient, PlaysAWholeJobOverTheClassicInterface)
{
    PandaWorld world;
    world.tell("task", {{"events", 3}});
    ClientParts parts;
    auto client = parts.make(world.url());
    play_whole_job(client, "TEST_HPC");
    EXPECT_EQ(client.api(), PandaApi::classic);
    EXPECT_EQ(world.event_counts(), json({{"done", 3}}));
    EXPECT_EQ(world.tell("counts").at("merge_jobs").size(), 1u);
}

TEST(PandaClient, FindsTheNewInterfaceWhereTheClassicOneIsGone)
{
    PandaWorld world({"--api", "v1"});
    world.tell("task", {{"events", 3}});
    ClientParts parts;
    auto client = parts.make(world.url());
    play_whole_job(client, "TEST_HPC");
    EXPECT_EQ(client.api(), PandaApi::v1);
    EXPECT_EQ(world.event_counts(), json({{"done", 3}}));
}

TEST(PandaClient, PlaysAWholeJobOnARepairedServer)
{
    PandaWorld world({"--api", "v1"});
    world.tell("server", {{"v1_repaired", true}});
    world.tell("task", {{"events", 3}});
    ClientParts parts;
    auto client = parts.make(world.url());
    play_whole_job(client, "TEST_HPC");
}

TEST(PandaClient, ChangesTheInterfaceWhenTheServerIsReplacedUnderIt)
{
    PandaWorld world;
    world.tell("task", {{"events", 3}});
    ClientParts parts;
    auto client = parts.make(world.url());
    ASSERT_TRUE(client.is_alive().stored());
    world.tell("server", {{"classic", false}});
    EXPECT_EQ(client.get_jobs(query_for("TEST_HPC")).jobs.size(), 1u);
    EXPECT_EQ(client.api(), PandaApi::v1);
}

/// Of the ctest run only if the variables are set when cmake runs.
TEST(PandaRealServer, TakesAWholeJob)
{
    auto const* const url = std::getenv("YODA_TEST_PANDA_URL");
    auto const* const site = std::getenv("YODA_TEST_PANDA_SITE");
    ASSERT_TRUE(url && site) << "YODA_TEST_PANDA_URL and YODA_TEST_PANDA_SITE name the server";
    ClientParts parts;
    PandaServer server;
    server.urls = {url};
    PandaCredentials credentials;
    complete_from_environment(credentials, [](char const* name) {
        auto const* const value = std::getenv(name);
        return std::string(value ? value : "");
    });
    auto client = parts.make(server, credentials);
    ASSERT_TRUE(client.check()) << client.check().error().text();
    play_whole_job(client, site);
}

// ---- faults
// ----------------------------------------------------------------------------------------------------

TEST(PandaClient, AServerThatIsDownMeansLaterForEverything)
{
    PandaWorld world;
    world.tell("down");
    ClientParts parts;
    auto client = parts.make(world.url(), PandaApi::classic);
    EXPECT_EQ(client.get_jobs(query_for("TEST_HPC")).judgement.outcome, PandaOutcome::later);
    EXPECT_EQ(client.get_ranges({1, 2, 3, 4, false, {}}).judgement.outcome, PandaOutcome::later);
    EXPECT_EQ(client.update_job({1, "running", {}}).judgement.outcome, PandaOutcome::later);
    world.tell("up");
    EXPECT_TRUE(client.is_alive().stored());
}

TEST(PandaClient, AnAnswerThatIsLostAfterTheWorkLeavesTheOutcomeOpenAndIsNotAskedForTwice)
{
    PandaWorld world;
    world.tell("task", {{"events", 30}, {"jobs", 1}});
    ClientParts parts;
    auto client = parts.make(world.url(), PandaApi::classic);
    ASSERT_EQ(client.get_jobs(query_for("TEST_HPC")).jobs.size(), 1u);
    RangeQuery const query{6900000001, 6900000002, 40000001, 5, false, {}};
    for (char const* kind : {"drop_after", "after", "truncate", "html_200"}) {
        auto const before = world.tell("counts").at("given").get<int>();
        // A connection is kept alive by then: libcurl alone would quietly ask again.
        ASSERT_TRUE(client.is_alive().stored());
        world.tell("faults", {{"rules", {{{"kind", kind}, {"method", "getEventRanges"}}}}});
        EXPECT_EQ(client.get_ranges(query).judgement.outcome, PandaOutcome::unknown) << kind;
        EXPECT_EQ(world.tell("counts").at("given").get<int>() - before, 5) << kind;
    }
    for (char const* kind : {"busy", "html"}) {
        world.tell("faults", {{"rules", {{{"kind", kind}, {"method", "getEventRanges"}}}}});
        EXPECT_EQ(client.get_ranges(query).judgement.outcome, PandaOutcome::later) << kind;
    }
    EXPECT_EQ(world.tell("counts").at("given"), 20);
}

TEST(PandaClient, ASlowServerIsGivenUpAfterTheTimeout)
{
    PandaWorld world;
    world.tell("faults", {{"rules", {{{"kind", "slow"}, {"seconds", 30}}}}});
    ClientParts parts;
    PandaServer server;
    server.urls = {world.url()};
    server.api = PandaApi::classic;
    server.timeout = Duration::from_ms(200);
    auto client = parts.make(server);
    EXPECT_EQ(client.update_job({1, "running", {}}).judgement.outcome, PandaOutcome::unknown);
}

TEST(PandaClient, TriesTheOtherAddressesOfAnAlias)
{
    PandaWorld world;  // It listens on 127.0.0.1 only; "localhost" is also ::1 where IPv6 is there.
    ClientParts parts;
    PandaServer server;
    auto const port = world.url().substr(world.url().rfind(':'));
    server.urls = {"http://127.0.0.3" + port, "http://localhost" + port};
    server.api = PandaApi::classic;
    auto client = parts.make(server);
    for (int i = 0; i < 8; ++i) EXPECT_TRUE(client.is_alive().stored());
}

// ---- who we are
// ------------------------------------------------------------------------------------------------

TEST(PandaClient, ChecksTheServersCertificateAlways)
{
    PandaWorld world({"--tls"});
    world.tell("task");
    ClientParts parts;
    PandaServer server;
    server.urls = {world.https_url()};
    auto const ask_with = [&](PandaCredentials credentials) {
        return parts.make(server, std::move(credentials)).get_jobs(query_for("TEST_HPC")).judgement;
    };
    PandaCredentials good;
    good.ca_file = world.tls("ca");
    good.proxy_file = world.tls("user_pem");
    EXPECT_EQ(ask_with(good).outcome, PandaOutcome::stored) << ask_with(good).why;
    for (char const* ca : {"other_ca", "expired_ca"}) {
        auto wrong = good;
        wrong.ca_file = world.tls(ca);
        auto const judgement = ask_with(wrong);
        EXPECT_EQ(judgement.outcome, PandaOutcome::refused) << ca;
        EXPECT_TRUE(judgement.credentials) << ca;
    }
    auto missing = good;
    missing.ca_file = "/nonexistent/ca.pem";
    EXPECT_EQ(ask_with(missing).outcome, PandaOutcome::refused);
    EXPECT_NE(ask_with(missing).why.find("CA"), std::string::npos) << ask_with(missing).why;
    // A name that is not in the certificate.
    server.urls = {"https://127.0.0.1" + world.https_url().substr(world.https_url().rfind(':'))};
    EXPECT_EQ(ask_with(good).outcome, PandaOutcome::refused);
    // Nobody: the server itself says no.
    server.urls = {world.https_url()};
    auto nobody = good;
    nobody.proxy_file.clear();
    EXPECT_TRUE(ask_with(nobody).credentials);
}

TEST(PandaClient, UsesAnRfc3820Proxy)
{
    PandaWorld world({"--tls"});
    world.tell("task");
    test::ScratchFolder const folder;
    auto const proxy = folder / "proxy.pem";
    std::string const script =
        "set -e; cd " + folder.path() +
        "; openssl req -new -newkey rsa:2048 -nodes -subj '/O=yoda tests/CN=user/CN=123456' "
        "-keyout key.pem -out req.pem; printf 'proxyCertInfo=critical,language:id-ppl-inheritAll\\n' > ext; "
        "openssl x509 -req -in req.pem -CA " +
        world.tls("user_pem") + " -CAkey " + world.tls("user_pem") +
        " -CAcreateserial -days 1 -extfile ext -out cert.pem; cat cert.pem key.pem > proxy.pem; "
        "openssl x509 -in " +
        world.tls("user_pem") + " >> proxy.pem; chmod 600 proxy.pem";
    ASSERT_EQ(std::system(("sh -c \"" + script + "\" > /dev/null 2>&1").c_str()), 0);
    ClientParts parts;
    PandaServer server;
    server.urls = {world.https_url()};
    PandaCredentials credentials;
    credentials.ca_file = world.tls("ca");
    credentials.proxy_file = proxy;
    auto client = parts.make(server, credentials);
    ASSERT_TRUE(client.check()) << client.check().error().text();
    auto const jobs = client.get_jobs(query_for("TEST_HPC"));
    EXPECT_EQ(jobs.jobs.size(), 1u) << jobs.judgement.why;
    ::chmod(proxy.c_str(), 0644);
    EXPECT_FALSE(client.check());
}

TEST(PandaClient, SendsATokenFromAFileAndRenewsItBeforeItEnds)
{
    PandaWorld world;
    test::ScratchFolder const folder;
    ClientParts parts;
    auto const now = parts.clock.unix_ns() / 1'000'000'000;
    auto const token = [](std::int64_t expiry) {
        static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        auto const text = json{{"exp", expiry}}.dump();
        std::string out = "h.";
        unsigned bits = 0;
        int count = 0;
        for (char const c : text) {
            bits = bits << 8 | static_cast<unsigned char>(c);
            for (count += 8; count >= 6; count -= 6) out += digits[bits >> (count - 6) & 63];
        }
        if (count > 0) out += digits[bits << (6 - count) & 63];
        return out + ".s";
    };
    auto const old_token = token(now + 60);
    auto const new_token = token(now + 86400);
    EXPECT_EQ(token_expiry_unix_s(old_token), now + 60);
    auto const keep = [&](std::string const& name, std::string const& text) {
        test::write_text(folder / name, text + "\n");
        ::chmod((folder / name).c_str(), 0600);
    };
    keep("token", old_token);
    keep("key", "the-key");
    world.tell("server", {{"tokens", {{old_token, "/CN=test pilot"}, {new_token, "/CN=test pilot"}}},
                          {"token_keys", {{"the-key", new_token}}}});
    PandaCredentials credentials;
    credentials.token_file = folder / "token";
    credentials.refreshed_token_file = folder / "renewed";
    credentials.token_key_file = folder / "key";
    PandaServer server;
    server.urls = {world.url()};
    EXPECT_FALSE(parts.make(server, credentials).check());  // no origin
    credentials.origin = "atlas.production";
    auto client = parts.make(server, credentials);
    ASSERT_TRUE(client.check()) << client.check().error().text();
    ASSERT_TRUE(client.is_alive().stored());
    EXPECT_EQ(test::file_text(folder / "renewed"), new_token + "\n");
    struct stat info {};
    ASSERT_EQ(::stat((folder / "renewed").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
    // The old one is worthless by now; the renewed one is used.
    world.tell("server", {{"tokens", {{new_token, "/CN=test pilot"}}}});
    EXPECT_TRUE(client.is_alive().stored());
    keep("token", "made-up");
    keep("renewed", "made-up");
    auto const judgement = client.is_alive();
    EXPECT_EQ(judgement.outcome, PandaOutcome::refused);
    EXPECT_TRUE(judgement.credentials);
    EXPECT_EQ(judgement.why.find("made-up"), std::string::npos);
}

TEST(PandaClient, SpeaksPlainHttpOnlyToThisMachineUnlessTold)
{
    ClientParts parts;
    EXPECT_TRUE(parts.make("http://127.0.0.1:25080").check());
    EXPECT_TRUE(parts.make("http://[::1]:25080").check());
    EXPECT_TRUE(parts.make("https://pandaserver.cern.ch:25443/").check());
    EXPECT_FALSE(parts.make("http://pandaserver.cern.ch:25080").check());
    EXPECT_FALSE(parts.make("http://127.evil.example:25080").check());
    PandaServer server;
    server.urls = {"http://pandaserver.cern.ch:25080"};
    server.allow_plain_http = true;
    EXPECT_TRUE(parts.make(server).check());
    for (char const* bad : {"", "ftp://x", "https://", "https://h/path", "https://u@h",
                            "https://h:", "https://h:x", "pandaserver"})
        EXPECT_FALSE(parts.make(bad).check()) << bad;
}

TEST(PandaClient, AKeyPairIsGivenToWhoMayHaveIt)
{
    for (char const* api : {"classic", "v1"}) {
        PandaWorld world({"--api", api});
        ClientParts parts;
        auto client = parts.make(world.url());
        auto const pair = client.get_key_pair("S3_pub.key", "S3_priv.key");
        EXPECT_EQ(pair.public_key, "TEST PUBLIC KEY");
        EXPECT_EQ(pair.private_key, "TEST PRIVATE KEY");
        EXPECT_EQ(client.get_key_pair("S3_pub.key", "nokey").judgement.outcome, PandaOutcome::refused);
    }
}

}  // namespace
}  // namespace yoda
