// The S3 store against OpenStack Swift's S3 front: an independent server with other habits. Long form only:
// it takes 10 s to come up and 300 MB.
#include <cstdlib>

#include "harvest/push_command.hpp"
#include "servers/kill_world.hpp"
#include "servers/s3_world.hpp"

namespace yoda::test {
namespace {

class Swift : public ::testing::Test {
  protected:
    void SetUp() override
    {
        if (!long_tests()) GTEST_SKIP() << "only with YODA_LONG_TESTS=1";
        YODA_NEEDS_PROGRAMS("swift-proxy-server", "swift-account-server", "swift-container-server",
                            "swift-object-server", "swift-ring-builder");
    }
    static ServerProcess& swift()
    {
        static ServerProcess server("swift.py");
        return server;
    }
    static ServerProcess& reader()
    {
        static ServerProcess server(
            "s3_reader.py", {swift().text("endpoint"), swift().text("access"), swift().text("secret")});
        return server;
    }
    S3Store store(std::string const& bucket, std::string const& secret = swift().text("secret"))
    {
        S3Options options;
        options.create_bucket = true;
        options.keys = keys_of(swift().text("access"), secret);
        return {s3_url(swift().text("endpoint"), bucket), std::move(options), around_.context()};
    }
    std::string read(std::string const& bucket, std::string const& key)
    {
        write_text(folder_ / "key", key);
        reader().tell("read " + bucket + " " + (folder_ / "key") + " " + (folder_ / "out"));
        return file_text(folder_ / "out");
    }

    StoreSurroundings around_;
    ScratchFolder folder_;
};

TEST_F(Swift, SmallLargeAndOddlyNamedObjectsArriveProven)
{
    auto s3 = store("basics");
    int count = 0;
    for (std::string const key : {"plain.tar", "deep/with space+%20.tar", "deep/grün.tar"})
        for (std::uint64_t const bytes : {0u, 70'000u, 12u << 20}) {
            auto const content = some_bytes(bytes, static_cast<std::uint64_t>(++count));
            auto const name = std::to_string(count) + key;
            auto spec = make_object(folder_, name, content);
            EXPECT_EQ(s3.check(spec).value(), Presence::absent);
            auto const result = s3.put(spec, {});
            ASSERT_TRUE(result) << result.error().text();
            spec.proof = result->proof;
            EXPECT_EQ(s3.check(spec).value(), Presence::same) << name;
            EXPECT_TRUE(read("basics", name) == content) << name;
            ASSERT_TRUE(s3.get(name, folder_ / "back"));
            EXPECT_TRUE(file_text(folder_ / "back") == content);
        }
}

TEST_F(Swift, AnInterruptedUploadGoesOnWithItsParts)
{
    ServerProcess proxy("faultproxy.py", {swift().text("endpoint")});
    (void)store("resume").put(make_object(folder_, "x", "x"), {});  // makes the bucket
    auto const content = some_bytes(22u << 20);
    auto spec = make_object(folder_, "large.tar", content);
    around_.policy.try_limit = 1;
    around_.policy.parts_at_once = 1;
    {
        S3Options options;
        options.keys = keys_of(swift().text("access"), swift().text("secret"));
        S3Store cut(s3_url(proxy.text("endpoint"), "resume"), options, around_.context());
        proxy.tell("rules rst-up:12000000 rst-up:100000 rst-up:100000 rst-up:100000");
        PutHooks hooks;
        hooks.keep_resume = [&](std::string const& text) { spec.resume = text; };
        EXPECT_FALSE(cut.put(spec, hooks));
        ASSERT_FALSE(spec.resume.empty());
    }
    around_.policy.try_limit = 6;
    around_.breakers = std::make_unique<Breakers>(around_.policy.breaker);
    auto s3 = store("resume");
    ASSERT_TRUE(s3.put(spec, {}));
    EXPECT_TRUE(read("resume", "large.tar") == content);
}

TEST_F(Swift, WrongKeyIsRefusedAndAFlippedBitNeverStored)
{
    auto const refused = store("basics", "not the secret").put(make_object(folder_, "x", "x"), {});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::refused);
    around_.breakers = std::make_unique<Breakers>(around_.policy.breaker);
    (void)store("flips").put(make_object(folder_, "y", "y"), {});
    ServerProcess proxy("faultproxy.py", {swift().text("endpoint")});
    S3Options options;
    options.keys = keys_of(swift().text("access"), swift().text("secret"));
    S3Store through(s3_url(proxy.text("endpoint"), "flips"), options, around_.context());
    proxy.tell("rules flip:60000 pass");
    auto const content = some_bytes(200'000);
    ASSERT_TRUE(through.put(make_object(folder_, "flipped.tar", content), {}));
    EXPECT_TRUE(read("flips", "flipped.tar") == content);
}

TEST_F(Swift, AWholePushArrives)
{
    auto const run = folder_ / "run";
    std::map<std::string, std::string> sent;
    for (std::uint32_t i = 0; i < 30; ++i) {
        auto const bytes = some_bytes(i < 2 ? 11u << 20 : 5000 + i, i);
        sent[add_bundle(run, i, bytes).bundle] = bytes;
    }
    PushOptions options;
    options.folders = {run};
    options.stage.report = false;
    options.transfer = around_.policy;
    auto& config = options.stores["es_events"];
    config.url = "s3+http://" + swift().text("endpoint") + "/whole";
    config.create_bucket = true;
    config.keys = keys_of(swift().text("access"), swift().text("secret"));
    auto const summary = push(options, around_.log, around_.clock);
    ASSERT_TRUE(summary);
    EXPECT_EQ(summary->verified_count, 30u) << summary->json();
    for (auto const& [name, bytes] : sent) EXPECT_TRUE(read("whole", name) == bytes) << name;
}

}  // namespace
}  // namespace yoda::test
