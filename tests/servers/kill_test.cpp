// `harvest push` as a process: killed with SIGKILL at random instants, run twice at once, searched for
// secrets.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "harvest/stage_folder.hpp"
#include "harvest/stores/digest.hpp"
#include "servers/s3_world.hpp"

extern char** environ;

namespace yoda::test {
namespace {

namespace fs = std::filesystem;

bool long_tests()
{
    return std::getenv("YODA_LONG_TESTS") != nullptr;
}

class Kill : public ::testing::Test {
  protected:
    void SetUp() override
    {
        YODA_NEEDS_RADOSGW();
        static int count = 0;
        bucket_ = "kill-" + std::to_string(++count);
        s3_reader().tell("make-bucket " + bucket_);
        s3_reader().tell("versioning " + bucket_);
        run_ = folder_ / "run";
        key_file_ = folder_ / "keys";
        write_text(key_file_, "aws_access_key_id = " + radosgw().text("access") +
                                  "\naws_secret_access_key = " + radosgw().text("secret") + "\n");
        fs::permissions(key_file_, fs::perms::owner_read | fs::perms::owner_write);
        config_ = {{"folders", {run_}},
                   {"part_bytes", 5u << 20},
                   {"stores",
                    {{"es_events",
                      {{"url", "s3+http://" + radosgw().text("endpoint") + "/" + bucket_},
                       {"key_file", key_file_}}}}}};
    }

    pid_t start()
    {
        write_text(folder_ / "config.json", config_.dump());
        std::string const config = folder_ / "config.json";
        std::vector<char*> arguments{const_cast<char*>(YODA_PUSH_DRIVER), const_cast<char*>(config.c_str()),
                                     nullptr};
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        std::string const out = folder_ / ("out." + std::to_string(++process_count_));
        posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
        posix_spawn_file_actions_addopen(&actions, 2, (out + ".err").c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                         0644);
        pid_t pid = -1;
        int const code = ::posix_spawn(&pid, YODA_PUSH_DRIVER, &actions, nullptr, arguments.data(), environ);
        posix_spawn_file_actions_destroy(&actions);
        EXPECT_EQ(code, 0);
        return pid;
    }
    static int wait_for(pid_t pid)
    {
        int status = 0;
        ::waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }

    void make_bundles(std::uint32_t first, std::uint32_t count, std::uint32_t large_count)
    {
        for (std::uint32_t i = first; i < first + count; ++i) {
            std::string const bytes =
                some_bytes(i < first + large_count ? (11u << 20) + i : 20'000 + i, i + 1);
            sums_[add_bundle(run_, i, bytes).bundle] = print_hex(digest_of(DigestKind::md5, bytes));
        }
    }

    /// Each bundle there exactly once with its bytes, as boto3 sees it. A PUT that the gateway finishes only
    /// after its harvest was killed and the next one asked may leave an equal older version; a cut one never
    /// does.
    void expect_all_there_once(bool nobody_was_killed = true)
    {
        auto const there = list_by_boto(bucket_);
        EXPECT_EQ(there["keys"].size(), sums_.size());
        for (auto const& [key, versions] : there["keys"].items()) {
            if (nobody_was_killed) {
                EXPECT_EQ(versions.size(), 1u) << key;
            }
            for (auto const& bytes : versions) EXPECT_EQ(bytes, versions[0]) << key;
        }
        EXPECT_TRUE(there["uploads"].empty()) << there["uploads"].dump();
        auto const sums = s3_reader().tell("sums " + bucket_)["sums"];
        for (auto const& [name, sum] : sums_) EXPECT_EQ(sums.value(name, ""), sum) << name;
    }

    /// Every record that says verified or more is true, right now.
    void expect_no_false_claims()
    {
        auto const names = StageFolder(run_, clock_).look();
        ASSERT_TRUE(names);
        auto const there = list_by_boto(bucket_)["keys"];
        StageFolder const folder(run_, clock_);
        for (auto const* const set : {&names->open, &names->held, &names->done}) {
            for (auto const& name : *set) {
                auto const record = folder.read(name);
                ASSERT_TRUE(record) << record.error().text();
                EXPECT_NE(record->stage, Stage::lost) << record->reason;
                if (record->stage >= Stage::verified) {
                    EXPECT_TRUE(there.contains(name)) << name;
                }
                if (record->stage != Stage::cleaned && record->stage != Stage::reported) {
                    EXPECT_TRUE(fs::exists(run_ + "/bundles/" + name)) << "data gone before it was reported";
                }
            }
        }
    }

    ScratchFolder folder_;
    SystemClock clock_;
    std::string bucket_, run_, key_file_;
    nlohmann::json config_;
    std::map<std::string, std::string> sums_;
    int process_count_ = 0;
};

TEST_F(Kill, AtRandomInstantsLosesNothingAndStoresNothingTwice)
{
    int const kills = long_tests() ? 300 : 60;
    std::mt19937_64 random(20240607);
    std::uniform_int_distribution<int> pause_us(500, 60'000);
    config_["parallel"] = 3;
    std::uint32_t made = 0;
    auto const work_left = [&] {
        auto const names = StageFolder(run_, clock_).look();
        return names && names->done.size() < sums_.size();
    };
    for (int killed = 0, starts = 0; killed < kills; ++starts) {
        ASSERT_LT(starts, 20 * kills) << "too few kills hit it at work";
        if (!work_left()) {
            make_bundles(made, 60, 3);
            made += 60;
        }
        pid_t const pid = start();
        ::usleep(static_cast<useconds_t>(pause_us(random)));
        ::kill(pid, SIGKILL);
        if (wait_for(pid) == 128 + SIGKILL && work_left()) ++killed;
        if (starts % 15 == 7) expect_no_false_claims();
    }
    EXPECT_EQ(wait_for(start()), 0);
    expect_all_there_once(false);
    expect_no_false_claims();
    auto const names = StageFolder(run_, clock_).look();
    ASSERT_TRUE(names);
    EXPECT_EQ(names->done.size(), sums_.size());
    EXPECT_EQ(names->open.size() + names->held.size() + names->later.size(), 0u);
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
    auto const names = StageFolder(run_, clock_).look();
    ASSERT_TRUE(names);
    EXPECT_EQ(names->done.size(), sums_.size());
}

TEST_F(Kill, AskedToStopItLeavesAtOnceAndTheNextOneGoesOn)
{
    make_bundles(0, 100, 10);
    pid_t const pid = start();
    ASSERT_TRUE(
        eventually([&] { return fs::exists(run_ + "/stage/done") && !fs::is_empty(run_ + "/stage/done"); }));
    ::kill(pid, SIGTERM);
    EXPECT_LE(wait_for(pid), 1);
    EXPECT_TRUE(fs::is_empty(run_ + "/stage/held")) << "what it held was given back";
    EXPECT_EQ(wait_for(start()), 0);
    expect_all_there_once();
}

TEST_F(Kill, SecretsAreNowhereButInTheirFile)
{
    make_bundles(0, 6, 2);
    config_["debug"] = true;
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
    add_bundle(run_, 77, some_bytes(100));
    EXPECT_EQ(wait_for(start()), 1);
    std::size_t searched = 0;
    for (auto const& entry : fs::recursive_directory_iterator(folder_.path())) {
        if (!entry.is_regular_file() || entry.path() == key_file_) continue;
        ++searched;
        EXPECT_EQ(file_text(entry.path()).find(secret), std::string::npos) << entry.path();
        EXPECT_EQ(file_text(entry.path()).find("Signature="), std::string::npos) << entry.path();
    }
    EXPECT_GT(searched, 20u);
}

TEST_F(Kill, KeyFileThatOthersCanReadIsRefused)
{
    make_bundles(0, 1, 0);
    fs::permissions(key_file_, fs::perms::group_read, fs::perm_options::add);
    EXPECT_EQ(wait_for(start()), 1);
    EXPECT_NE(file_text(folder_ / "out.1").find("chmod 600"), std::string::npos)
        << file_text(folder_ / "out.1");
    EXPECT_TRUE(list_by_boto(bucket_)["keys"].empty());
}

}  // namespace
}  // namespace yoda::test
