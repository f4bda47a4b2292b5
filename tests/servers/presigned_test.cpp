// SPDX-License-Identifier: Apache-2.0
// Objects by URLs that somebody else signs, against a real Ceph gateway: URLs
// whose time is over, and faults on the way.
#include "harvest/stores/s3/presigned_store.hpp"

#include <functional>

#include "servers/s3_world.hpp"
#include "support/shifted_clock.hpp"

namespace yoda::test {
namespace {

class Presigned : public ::testing::Test {
  protected:
    void SetUp() override
    {
        YODA_NEEDS_RADOSGW();
        proxy_ =
            std::make_unique<ServerProcess>("servers/faultproxy.py", std::vector{radosgw().text("endpoint")});
        S3Store s3(s3_url(radosgw().text("endpoint"), "presigned"), s3_options(), around_.context());
        ASSERT_TRUE(s3.put(make_object(folder_, "the-bucket", "x"), {}));
    }

    /// The first `old_count` URLs that are asked for are of the past.
    PresignedStore store(unsigned old_count = 0)
    {
        asked_ = 0;
        around_.breakers = std::make_unique<Breakers>(around_.policy.breaker);
        auto const url = s3_url(proxy_->text("endpoint"), "presigned");
        auto const source = [this, url, old_count](std::string const& method, std::string const& key) {
            auto context = around_.context();
            if (++asked_ <= old_count) context.clock = &old_clock_;
            return S3Store(url, s3_options(), context).presign(method, key, 60);
        };
        return {url, source, {}, around_.context()};
    }

    StoreSurroundings around_;
    ShiftedClock old_clock_{-2 * 3600};
    ScratchFolder folder_;
    std::unique_ptr<ServerProcess> proxy_;
    unsigned asked_ = 0;
};

TEST_F(Presigned, UrlIsAskedForAnewWhenItsTimeIsOver)
{
    auto const bytes = some_bytes(300'000);
    auto const spec = make_object(folder_, "late", bytes);
    auto late = store(1);
    auto const result = late.put(spec, {});
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_EQ(asked_, 2u);
    EXPECT_TRUE(result->proven);
    EXPECT_EQ(late.check(spec).value(), Presence::same);
    EXPECT_TRUE(read_by_boto("presigned", "late") == bytes);
    ASSERT_TRUE(late.get("late", folder_ / "back"));
    EXPECT_TRUE(file_text(folder_ / "back") == bytes);
}

TEST_F(Presigned, UrlsThatAreAlwaysTooOldAreNoStormAndNotShown)
{
    auto never = store(1000);
    auto const result = never.put(make_object(folder_, "never", "x"), {});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, ErrorKind::refused);
    EXPECT_LE(asked_, 3u);
    EXPECT_NE(result.error().text().find("AccessDenied"), std::string::npos) << result.error().text();
    EXPECT_EQ(result.error().text().find("Signature"), std::string::npos) << result.error().text();
    EXPECT_FALSE(list_by_boto("presigned")["keys"].contains("never"));
}

TEST_F(Presigned, FaultsOnTheWayAreTriedAgainWithAnotherUrl)
{
    std::uint64_t seed = 0;
    for (std::string const rules : {"rst-up:100000 pass", "lost-reply pass", "trunc-reply:40 pass",
                                    "http503:1 pass", "late500 pass", "flip:200000 pass", "refuse pass"}) {
        auto const bytes = some_bytes(300'000, ++seed);
        auto const spec = make_object(folder_, "object-" + std::to_string(seed), bytes);
        auto hurt = store();
        proxy_->tell("rules " + rules);
        auto const result = hurt.put(spec, {});
        ASSERT_TRUE(result) << rules << ": " << result.error().text();
        // An answer that is cut in its headers is one, but proves nothing.
        EXPECT_TRUE(asked_ == 2 || (asked_ == 1 && !result->proven)) << rules << ", asked " << asked_;
        proxy_->tell("rules pass");
        EXPECT_EQ(hurt.check(spec).value(), Presence::same) << rules;
        EXPECT_TRUE(read_by_boto("presigned", spec.key) == bytes) << rules;
    }
}

}  // namespace
}  // namespace yoda::test
