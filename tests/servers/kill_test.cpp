// SPDX-License-Identifier: Apache-2.0
// `harvest push` as a process: killed with SIGKILL at random instants, run twice at
// once, searched for secrets.
#include "servers/kill_world.hpp"
#include "servers/s3_world.hpp"

namespace yoda::test {
namespace {

namespace fs = std::filesystem;

class Kill : public ::testing::Test, protected KillWorld {
  protected:
    void SetUp() override
    {
        YODA_NEEDS_RADOSGW();
        static int count = 0;
        bucket_ = "kill-" + std::to_string(++count);
        s3_reader().tell("make-bucket " + bucket_);
        s3_reader().tell("versioning " + bucket_);
        key_file_ = folder / "keys";
        write_text(key_file_, "aws_access_key_id = " + radosgw().text("access") +
                                  "\naws_secret_access_key = " + radosgw().text("secret") + "\n");
        fs::permissions(key_file_, fs::perms::owner_read | fs::perms::owner_write);
        config = {{"folders", {run}},
                  {"part_bytes", 5u << 20},
                  {"stores",
                   {{"es_events",
                     {{"url", "s3+http://" + radosgw().text("endpoint") + "/" + bucket_},
                      {"key_file", key_file_}}}}}};
    }

    /// Each bundle there exactly once with its bytes, as boto3 sees it. A PUT that the
    /// gateway finishes only after its harvest was killed and the next one asked may leave an
    /// equal older version; a cut one never does.
    void expect_all_there_once(bool nobody_was_killed = true)
    {
        auto const there = list_by_boto(bucket_);
        EXPECT_EQ(there["keys"].size(), sums.size());
        for (auto const& [key, versions] : there["keys"].items()) {
            if (nobody_was_killed) {
                EXPECT_EQ(versions.size(), 1u) << key;
            }
            for (auto const& bytes : versions) EXPECT_EQ(bytes, versions[0]) << key;
        }
        EXPECT_TRUE(there["uploads"].empty()) << there["uploads"].dump();
        auto const found = s3_reader().tell("sums " + bucket_)["sums"];
        for (auto const& [name, sum] : sums) EXPECT_EQ(found.value(name, ""), sum) << name;
    }

    /// The same by awscli, where it is installed.
    void expect_all_there_by_awscli()
    {
        constexpr auto program = "/usr/bin/aws";
        if (!fs::exists(program)) return;
        auto const copies = folder / "copies";
        ASSERT_EQ(run_program({program, "--endpoint-url", "http://" + radosgw().text("endpoint"), "s3", "cp",
                               "--quiet", "--recursive", "s3://" + bucket_, copies},
                              nullptr,
                              {"AWS_ACCESS_KEY_ID=" + radosgw().text("access"),
                               "AWS_SECRET_ACCESS_KEY=" + radosgw().text("secret"),
                               "AWS_DEFAULT_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true"}),
                  0);
        expect_copies_in(copies);
    }

    void expect_claims_are_true()
    {
        auto const there = list_by_boto(bucket_)["keys"];
        expect_no_false_claims([&](std::string const& name) { return there.contains(name); });
    }

    std::string bucket_, key_file_;
};

TEST_F(Kill, AtRandomInstantsLosesNothingAndStoresNothingTwice)
{
    config["parallel"] = 3;
    kill_rounds(long_tests() ? 300 : 60, 60'000, [&] { expect_claims_are_true(); });
    expect_all_there_once(false);
    expect_all_there_by_awscli();
}

TEST_F(Kill, TwoHarvestsAtOnceShareTheWork)
{
    make_bundles(0, 200, 3);
    pid_t const first = start();
    pid_t const second = start();
    pid_t const third = start();
    EXPECT_EQ(wait_for(first), 0);
    EXPECT_EQ(wait_for(second), 0);
    EXPECT_EQ(wait_for(third), 0);
    // A bundle that one had in hand when the others looked is finished by that one.
    expect_all_there_once();
    EXPECT_EQ(names().done.size(), sums.size());
}

TEST_F(Kill, AskedToStopItLeavesAtOnceAndTheNextOneGoesOn)
{
    make_bundles(0, 100, 10);
    pid_t const pid = start();
    ASSERT_TRUE(
        eventually([&] { return fs::exists(run + "/stage/done") && !fs::is_empty(run + "/stage/done"); }));
    ::kill(pid, SIGTERM);
    int const code = wait_for(pid);
    EXPECT_TRUE(code == exit_done || code == exit_again) << code;
    EXPECT_TRUE(fs::is_empty(run + "/stage/held")) << "what it held was given back";
    EXPECT_EQ(wait_for(start()), 0);
    expect_all_there_once();
}

TEST_F(Kill, SecretsAreNowhereButInTheirFile)
{
    make_bundles(0, 6, 2);
    config["debug"] = true;
    std::string const secret = radosgw().text("secret");
    pid_t const pid = start();
    std::string shown;
    bool const seen = eventually([&] {
        auto const text = file_text("/proc/" + std::to_string(pid) + "/cmdline");
        if (!text.empty()) shown += text;
        return !shown.empty() || ::waitpid(pid, nullptr, WNOHANG | WNOWAIT) != 0;
    });
    EXPECT_TRUE(seen);
    EXPECT_EQ(shown.find(secret), std::string::npos);
    EXPECT_EQ(wait_for(pid), 0);
    // The same with a key that is refused, so that error texts are searched too.
    write_text(key_file_, "aws_access_key_id = " + radosgw().text("access") +
                              "\naws_secret_access_key = not" + secret + "\n");
    add_bundle(run, 77, some_bytes(100));
    EXPECT_EQ(wait_for(start()), exit_again);
    std::size_t searched = 0;
    for (auto const& entry : fs::recursive_directory_iterator(folder.path())) {
        if (!entry.is_regular_file() || entry.path() == key_file_) continue;
        ++searched;
        EXPECT_EQ(file_text(entry.path()).find(secret), std::string::npos) << entry.path();
        EXPECT_EQ(file_text(entry.path()).find("Signature="), std::string::npos) << entry.path();
    }
    EXPECT_GT(searched, 20u);
}

TEST_F(Kill, ACrashLeavesNoCoreWithTheSecretInIt)
{
    make_bundles(0, 40, 40);
    pid_t const pid = start();
    ASSERT_TRUE(
        eventually([&] { return fs::exists(run + "/stage/held") && !fs::is_empty(run + "/stage/held"); }));
    // The kernel says by the owner of its files whether a process may be dumped or looked into by others.
    EXPECT_NE(file_text("/proc/" + std::to_string(pid) + "/limits").find("Max core file size        0"),
              std::string::npos);
    ::kill(pid, SIGABRT);
    int status = 0;
    ::waitpid(pid, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_FALSE(WCOREDUMP(status));
    EXPECT_EQ(wait_for(start()), 0);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // Sanitizers hold memory of their own.
TEST_F(Kill, MemoryDoesNotGrowWithBundles)
{
    // Ten at once in parts of 16 MiB, and one that is larger than all that may be held.
    for (std::uint32_t i = 0; i < 10; ++i) sums[add_bundle(run, i, some_bytes(20u << 20, i + 1)).bundle];
    sums[add_bundle(run, 10, some_bytes(160u << 20, 11)).bundle];
    config["parallel"] = 10;
    config["part_bytes"] = 16u << 20;
    EXPECT_EQ(wait_for(start()), 0);
    auto const summary = nlohmann::json::parse(file_text(folder / ("out." + std::to_string(process_count))));
    EXPECT_EQ(summary["verified_count"], sums.size());
    EXPECT_GT(summary["max_rss_kib"], 1024);
    EXPECT_LT(summary["max_rss_kib"], 100'000);
}
#endif

TEST_F(Kill, KeyFileThatOthersCanReadIsRefused)
{
    make_bundles(0, 1, 0);
    fs::permissions(key_file_, fs::perms::group_read, fs::perm_options::add);
    EXPECT_EQ(wait_for(start()), exit_again);
    EXPECT_NE(file_text(folder / "out.1").find("chmod 600"), std::string::npos)
        << file_text(folder / "out.1");
    EXPECT_TRUE(list_by_boto(bucket_)["keys"].empty());
}

}  // namespace
}  // namespace yoda::test
