// SPDX-License-Identifier: Apache-2.0
// The S3 store against a second server, written by other people: OpenStack Swift with its S3 door. Slow to
// come up, so only in the long form.
#include "servers/kill_world.hpp"
#include "servers/s3_world.hpp"

namespace yoda::test {
namespace {

namespace fs = std::filesystem;

class Swift : public ::testing::Test, protected KillWorld {
  protected:
    void SetUp() override
    {
        YODA_NEEDS_PROGRAMS("swift-proxy-server", "swift-object-server", "swift-ring-builder");
    }
    static ServerProcess& swift()
    {
        static ServerProcess server("servers/swift.py");
        return server;
    }
    static ServerProcess& reader()
    {
        static ServerProcess server("servers/s3_reader.py", {swift().text("endpoint"), swift().text("access"),
                                                             swift().text("secret")});
        return server;
    }
    S3Store store(std::string const& where, std::string const& secret = swift().text("secret"))
    {
        S3Options options;
        options.create_bucket = true;
        options.keys = keys_of(swift().text("access"), secret);
        return {s3_url(swift().text("endpoint"), where), options, around_.context()};
    }
    std::string read(std::string const& bucket, std::string const& key)
    {
        write_text(folder / "key", key);
        reader().tell("read " + bucket + " " + (folder / "key") + " " + (folder / "got"));
        return file_text(folder / "got");
    }

    StoreSurroundings around_;
};

TEST_F(Swift, SmallAndLargeObjectsArriveAndAreProven)
{
    auto s3 = store("objects/deep");
    for (std::uint64_t const count : {0ull, 100'000ull, (13ull << 20) + 5}) {
        auto const bytes = some_bytes(count, count + 1);
        auto const spec = make_object(folder, "b" + std::to_string(count), bytes);
        EXPECT_EQ(s3.check(spec).value(), Presence::absent);
        auto const result = s3.put(spec, {});
        ASSERT_TRUE(result) << result.error().text();
        EXPECT_EQ(s3.check(spec).value(), Presence::same);
        EXPECT_TRUE(read("objects", "deep/" + spec.key) == bytes);
        ASSERT_TRUE(s3.get(spec.key, folder / "back"));
        EXPECT_TRUE(file_text(folder / "back") == bytes);
        ASSERT_TRUE(s3.remove(spec.key));
        EXPECT_EQ(s3.check(spec).value(), Presence::absent);
    }
}

TEST_F(Swift, OddNames)
{
    auto s3 = store("odd");
    for (std::string const key : {"a b+c", "100%2F", "\xc3\xbc=&~", "'()*!", ":@,;$", "deep/#?h"}) {
        auto const result = s3.put(make_object(folder, key, key), {});
        ASSERT_TRUE(result) << key << ": " << result.error().text();
        EXPECT_EQ(read("odd", key), key);
    }
}

TEST_F(Swift, InterruptedUploadGoesOnWithThePartsThatAreThere)
{
    auto const bytes = some_bytes(26u << 20);
    auto const spec = make_object(folder, "resumed", bytes);
    {
        around_.policy.parts_at_once = 1;
        std::uint64_t moved = 0;
        PutHooks hooks;
        hooks.moved = [&](std::uint64_t n) {
            if ((moved += n) > (12u << 20)) around_.stop = true;
        };
        ASSERT_FALSE(store("resume").put(spec, hooks));
    }
    around_.stop = false;
    ASSERT_EQ(reader().tell("list resume")["uploads"].size(), 1u);
    auto again = spec;
    again.repeated = true;
    auto const result = store("resume").put(again, {});
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_TRUE(read("resume", "resumed") == bytes);
    EXPECT_TRUE(reader().tell("list resume")["uploads"].empty());
}

TEST_F(Swift, FaultsOnTheWayAreTriedAgainAndAWrongKeyIsNot)
{
    ServerProcess proxy("servers/faultproxy.py", {swift().text("endpoint")});
    S3Options options;
    options.create_bucket = true;
    options.keys = keys_of(swift().text("access"), swift().text("secret"));
    S3Store s3(s3_url(proxy.text("endpoint"), "faults"), options, around_.context());
    ASSERT_TRUE(s3.put(make_object(folder, "first", "x"), {}));
    std::uint64_t seed = 0;
    for (std::string const rules : {"rst-up:100000 pass", "lost-reply pass", "http503:1 pass", "late500 pass",
                                    "trunc-reply:40 pass", "flip:200000 pass"}) {
        auto const bytes = some_bytes(300'000, ++seed);
        auto const spec = make_object(folder, "object-" + std::to_string(seed), bytes);
        around_.breakers = std::make_unique<Breakers>(around_.policy.breaker);
        S3Store hurt(s3_url(proxy.text("endpoint"), "faults"), options, around_.context());
        proxy.tell("rules " + rules);
        auto const result = hurt.put(spec, {});
        EXPECT_TRUE(result) << rules << ": " << result.error().text();
        EXPECT_TRUE(read("faults", spec.key) == bytes) << rules;
    }
    around_.breakers = std::make_unique<Breakers>(around_.policy.breaker);
    auto const refused = store("faults", "not the secret").put(make_object(folder, "refused", "x"), {});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::refused) << refused.error().text();
}

TEST_F(Swift, HarvestKilledAtRandomInstantsStoresEachBundleOnce)
{
    reader().tell("make-bucket killed");
    auto const key_file = folder / "keys";
    write_text(key_file, "aws_access_key_id = " + swift().text("access") +
                             "\naws_secret_access_key = " + swift().text("secret") + "\n");
    fs::permissions(key_file, fs::perms::owner_read | fs::perms::owner_write);
    config = {{"folders", {run}},
              {"part_bytes", 5u << 20},
              {"parallel", 3},
              {"stores",
               {{"es_events",
                 {{"url", "s3+http://" + swift().text("endpoint") + "/killed"}, {"key_file", key_file}}}}}};
    kill_rounds(30, 400'000, [] {});
    EXPECT_TRUE(reader().tell("list killed")["uploads"].empty());
    auto const found = reader().tell("sums killed")["sums"];
    EXPECT_EQ(found.size(), sums.size());
    for (auto const& [name, sum] : sums) EXPECT_EQ(found.value(name, ""), sum) << name;
}

}  // namespace
}  // namespace yoda::test
