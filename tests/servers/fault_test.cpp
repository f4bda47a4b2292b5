// SPDX-License-Identifier: Apache-2.0
// The S3 store through a proxy that hurts connections, before a real gateway; and faults of the gateway
// itself. After each fault the object is there exactly as sent, or the failure says what it is.
#include "core/base/checksum.hpp"
#include "harvest/stores/s3/s3_answer.hpp"
#include "servers/s3_world.hpp"
#include "support/shifted_clock.hpp"

namespace yoda::test {
namespace {

constexpr std::uint64_t large_bytes = 12u << 20;

class Faults : public ::testing::Test {
  protected:
    void SetUp() override
    {
        YODA_NEEDS_RADOSGW();
        proxy_ =
            std::make_unique<ServerProcess>("servers/faultproxy.py", std::vector{radosgw().text("endpoint")});
    }

    S3Store store(S3Options options = s3_options())
    {
        return {s3_url(proxy_->text("endpoint"), "faults"), std::move(options), around_.context()};
    }
    void hurt(std::string const& rules) { proxy_->tell("rules " + rules); }

    /// Puts through the faults; the object must be there, byte by byte.
    void expect_arrival(std::string const& rules, std::uint64_t count)
    {
        SCOPED_TRACE(rules + ", " + std::to_string(count) + " bytes");
        std::string const bytes = some_bytes(count, ++seed_);
        auto const spec = make_object(folder_, "object-" + std::to_string(seed_), bytes);
        around_.breakers = std::make_unique<Breakers>(around_.policy.breaker);
        auto s3 = store();
        hurt(rules);
        auto const proof = s3.put(spec, {});
        EXPECT_TRUE(proof) << proof.error().text();
        hurt("pass");
        EXPECT_EQ(store().check(spec).value(), Presence::same);
        EXPECT_TRUE(read_by_boto("faults", spec.key) == bytes);
    }
    Error expect_failure(S3Store& s3, std::uint64_t count = 1000)
    {
        auto const proof = s3.put(make_object(folder_, "failing", some_bytes(count)), {});
        EXPECT_FALSE(proof);
        return proof ? Error{} : proof.error();
    }

    StoreSurroundings around_;
    ScratchFolder folder_;
    std::unique_ptr<ServerProcess> proxy_;
    std::uint64_t seed_ = 0;
};

TEST_F(Faults, ResetAtEachTenthOfTheBody)
{
    expect_arrival("pass", 1000);  // the bucket
    for (std::uint64_t tenth = 0; tenth < 10; ++tenth)
        expect_arrival("rst-up:" + std::to_string(tenth * 300'000 / 10 + 1) + " pass", 300'000);
    expect_arrival("rst-up:3000000 rst-up:1000 fin-up:2000000 pass", large_bytes);
}

TEST_F(Faults, AnswersThatAreLostCutOrNoAnswersAtAll)
{
    expect_arrival("pass", 1000);
    for (std::string const rules :
         {"lost-reply pass", "trunc-reply:40 pass", "garbage pass", "refuse refuse pass"}) {
        expect_arrival(rules, 100'000);
        expect_arrival(rules, large_bytes);
    }
}

TEST_F(Faults, ServerErrorsAndSlowDown)
{
    expect_arrival("pass", 1000);
    expect_arrival("http503:1 pass", 100'000);
    expect_arrival("http500 http503 pass", large_bytes);
}

TEST_F(Faults, ErrorAfterTheBytesArrivedStoresOneVersionOnly)
{
    expect_arrival("pass", 1000);
    expect_arrival("late500 pass", 100'000);
    auto const there = list_by_boto("faults")["keys"];
    for (auto const& [key, versions] : there.items()) EXPECT_EQ(versions.size(), 1u) << key;
}

TEST_F(Faults, StallsAreNoticedAndTriedAgain)
{
    expect_arrival("pass", 1000);
    // On a loaded machine good tries are taken for stalls too: more of them, not a longer
    // wait for what never comes.
    around_.policy.stall_window = Duration::from_ms(1500);
    around_.policy.try_limit = 30;
    expect_arrival("stall-up:100000 pass", 400'000);
    expect_arrival("stall-reply:10 pass", 1000);
}

TEST_F(Faults, EachFileHasADeadlineHoweverSteadilyItTrickles)
{
    expect_arrival("pass", 1000);
    // 100 kB a second is not a stall, but 12 MB would take two minutes.
    around_.policy.deadline_base = Duration::from_s(2);
    around_.policy.deadline_per_mb = Duration::from_ms(1);
    around_.breakers = std::make_unique<Breakers>(around_.policy.breaker);
    auto s3 = store();
    hurt("slow:100000");
    auto const error = expect_failure(s3, large_bytes);
    EXPECT_EQ(error.kind, ErrorKind::unavailable);
    EXPECT_TRUE(error.text().find("deadline") != std::string::npos ||
                error.text().find("timed out") != std::string::npos)
        << error.text();
    hurt("pass");
    around_.policy.deadline_base = Duration::from_s(600);
    around_.breakers = std::make_unique<Breakers>(around_.policy.breaker);
    auto const spec = make_object(folder_, "failing", some_bytes(large_bytes));
    EXPECT_TRUE(store().put(spec, {})) << "it goes on from there";
    EXPECT_EQ(store().check(spec).value(), Presence::same);
    EXPECT_TRUE(list_by_boto("faults")["uploads"].empty());
}

TEST_F(Faults, GatewayThatIsTooBusySlowsUsDownAndGetsEverything)
{
    expect_arrival("pass", 1000);
    radosgw().tell("set rgw_max_concurrent_requests 1");
    around_.policy.parts_at_once = 8;
    around_.policy.try_limit = 60;
    auto const bytes = some_bytes(40u << 20, 9);
    auto const spec = make_object(folder_, "busy", bytes);
    S3Store s3(s3_url(radosgw().text("endpoint"), "faults"), s3_options(), around_.context());
    auto const result = s3.put(spec, {});
    radosgw().tell("set rgw_max_concurrent_requests 1024");
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_TRUE(read_by_boto("faults", "busy") == bytes);
}

TEST_F(Faults, FlippedBitNeverGetsIntoTheStore)
{
    expect_arrival("pass", 1000);
    expect_arrival("flip:200000 pass", 300'000);
    expect_arrival("flip:4000000 flip:2000000 pass", large_bytes);
    std::string const bytes = some_bytes(300'000, 77);
    auto const spec = make_object(folder_, "always-flipped", bytes);
    around_.policy.try_limit = 1;  // a second try on this connection would find no fault any more
    auto s3 = store();
    hurt("flip:200000");
    EXPECT_FALSE(s3.put(spec, {}));
    hurt("pass");
    EXPECT_EQ(store().check(spec).value(), Presence::absent);
}

TEST_F(Faults, WrongETagIsNotBelieved)
{
    expect_arrival("pass", 1000);
    auto const spec = make_object(folder_, "etag", some_bytes(1000));
    auto s3 = store();
    hurt("etag");
    auto const result = s3.put(spec, {});
    ASSERT_TRUE(result);
    EXPECT_FALSE(result->proven);
    EXPECT_EQ(s3.check(spec).value(), Presence::different);
}

TEST_F(Faults, FullStoreStopsTheEndpoint)
{
    expect_arrival("pass", 1000);
    hurt("http507");
    auto s3 = store();
    EXPECT_EQ(expect_failure(s3).kind, ErrorKind::no_space);
    hurt("pass");
    around_.breakers = std::make_unique<Breakers>(around_.policy.breaker);
    radosgw().tell("quota 1");
    auto by_quota = store();
    auto const error = expect_failure(by_quota);
    EXPECT_EQ(error.kind, ErrorKind::no_space);
    EXPECT_NE(error.text().find("QuotaExceeded"), std::string::npos);
    auto const before = proxy_->tell("count")["connections"];
    EXPECT_EQ(expect_failure(by_quota).kind, ErrorKind::no_space);
    EXPECT_EQ(proxy_->tell("count")["connections"], before)
        << "it was asked again although nothing can change";
    radosgw().tell("quota off");
}

TEST_F(Faults, SuspendedUserIsRefusedWithTheServersWord)
{
    expect_arrival("pass", 1000);
    radosgw().tell("suspend");
    auto s3 = store();
    auto const error = expect_failure(s3);
    radosgw().tell("enable");
    EXPECT_EQ(error.kind, ErrorKind::refused);
    EXPECT_NE(error.text().find("UserSuspended"), std::string::npos) << error.text();
}

TEST_F(Faults, ClockThatIsTwentyMinutesOffIsCorrectedByTheServersOnceAndSaid)
{
    ShiftedClock const skewed(-20 * 60);
    auto context = around_.context();
    context.clock = &skewed;
    std::string const path = folder_ / "log";
    Log log(LogLevel::error);
    Log to_file(LogLevel::warning);
    ASSERT_TRUE(to_file.add_file(path));
    context.log = &to_file;
    S3Store s3(s3_url(radosgw().text("endpoint"), "faults"), s3_options(), context);
    auto const proof = s3.put(make_object(folder_, "skewed", some_bytes(1000)), {});
    ASSERT_TRUE(proof) << proof.error().text();
    EXPECT_NE(file_text(path).find("clock_skewed"), std::string::npos);
    EXPECT_NE(file_text(path).find("behind_s=1200"), std::string::npos) << file_text(path);
}

TEST_F(Faults, SkewWithoutAServersDateIsRefusedInClearWords)
{
    HttpResponse response;
    response.status = 403;
    response.body = "<Error><Code>RequestTimeTooSkewed</Code></Error>";
    auto const judgement = judge_s3(response, 1, "PUT x", true);
    ASSERT_TRUE(judgement.error);
    EXPECT_FALSE(judgement.again);
    EXPECT_NE(judgement.error->text().find("clock"), std::string::npos);
}

TEST_F(Faults, GatewayKilledInMidPartAndStartedAgain)
{
    std::string const bytes = some_bytes(24u << 20, 5);
    auto const spec = make_object(folder_, "survivor", bytes);
    around_.policy.try_limit = 20;
    around_.policy.parts_at_once = 2;
    S3Store s3(s3_url(radosgw().text("endpoint"), "faults"), s3_options(), around_.context());
    bool killed = false;
    auto const proof = s3.put(spec, {{}, [&](std::uint64_t) {
                                         if (killed) return;
                                         killed = true;
                                         radosgw().tell("kill-gateway");
                                         radosgw().tell("start-gateway");
                                     }});
    ASSERT_TRUE(proof) << proof.error().text();
    EXPECT_TRUE(killed);
    EXPECT_EQ(s3.check(spec).value(), Presence::same);
    EXPECT_TRUE(read_by_boto("faults", "survivor") == bytes);
    EXPECT_TRUE(list_by_boto("faults")["uploads"].empty());
}

class Tls : public Faults {
  protected:
    Error put_with(std::string const& endpoint, std::string const& ca)
    {
        auto options = s3_options();
        options.tls.ca_file = ca;
        around_.breakers = std::make_unique<Breakers>(around_.policy.breaker);
        S3Store s3(s3_url(endpoint, "faults", true), options, around_.context());
        auto const proof = s3.put(make_object(folder_, "by-tls", "secure"), {});
        return proof ? Error{ErrorKind::io, "stored", {}, {}} : proof.error();
    }
};

TEST_F(Tls, RightNameAndAuthority)
{
    EXPECT_EQ(put_with(radosgw().text("tls_endpoint"), radosgw().text("ca")).what, "stored");
}

TEST_F(Tls, WrongNameUnknownOrExpiredAuthorityAreRefused)
{
    for (auto const& [endpoint, ca] :
         {std::pair{radosgw().text("tls_wrong_name"), radosgw().text("ca")},
          std::pair{radosgw().text("tls_endpoint"), radosgw().text("other_ca")},
          std::pair{radosgw().text("tls_endpoint"), radosgw().text("expired_ca")},
          std::pair{radosgw().text("tls_endpoint"), std::string{}}}) {
        auto const error = put_with(endpoint, ca);
        EXPECT_EQ(error.kind, ErrorKind::refused) << error.text();
        EXPECT_NE(error.fix, "") << error.text();
    }
    EXPECT_EQ(put_with(radosgw().text("tls_endpoint"), "/no/such/file").kind, ErrorKind::usage);
}

}  // namespace
}  // namespace yoda::test
