// SPDX-License-Identifier: Apache-2.0
// Whole pushes: runs with sealed bundles on this side, a real Ceph gateway on the other.
#include <sys/stat.h>

#include <filesystem>

#include "harvest/stage_out/push_command.hpp"
#include "harvest/stage_out/stage_folder.hpp"
#include "servers/s3_world.hpp"
#include "support/builders/run_builder.hpp"

namespace yoda::test {
namespace {

namespace fs = std::filesystem;

class Push : public ::testing::Test {
  protected:
    void SetUp() override
    {
        YODA_NEEDS_RADOSGW();
        static int count = 0;
        bucket_ = "push-" + std::to_string(++count);
        run_ = folder_ / "run";
        fs::create_directories(run_);
        options_.folders = {run_};
        options_.stage.report = false;
        options_.transfer = around_.policy;
        options_.stores["es_events"] = store_at(radosgw().text("endpoint"), bucket_);
    }

    static StoreConfig store_at(std::string const& endpoint, std::string const& bucket)
    {
        StoreConfig config;
        config.url = "s3+http://" + endpoint + "/" + bucket;
        config.create_bucket = true;
        config.keys = keys_of(radosgw().text("access"), radosgw().text("secret"));
        return config;
    }

    PushSummary push_now()
    {
        auto summary = push(options_, around_.log, around_.clock);
        if (!summary) throw std::runtime_error(summary.error().text());
        return *std::move(summary);
    }

    std::string path(BundleManifest const& bundle, std::string const& suffix) const
    {
        return run_ + "/bundles/" + bundle_name(bundle.origin) + suffix;
    }

    StageRecord record_of(std::string const& name)
    {
        return StageFolder(run_, around_.clock).read(name).value();
    }

    std::vector<std::string> notes() const
    {
        std::vector<std::string> texts;
        if (!fs::exists(run_ + "/inbox")) return texts;
        for (auto const& entry : fs::directory_iterator(run_ + "/inbox"))
            texts.push_back(file_text(entry.path()));
        return texts;
    }

    StoreSurroundings around_;
    ScratchFolder folder_;
    std::string bucket_;
    std::string run_;
    PushOptions options_;
};

TEST_F(Push, EveryBundleArrivesIsProvenAndItsDataGoesButNotItsIndexAndManifest)
{
    std::map<std::string, std::string> sent;
    for (std::uint32_t i = 0; i < 20; ++i) {
        auto const bytes = some_bytes(i == 7 ? 12u << 20 : 5000 + i, i);
        sent[add_bundle(run_, i, bytes).bundle] = bytes;
    }
    auto const summary = push_now();
    EXPECT_EQ(summary.verified_count, 20u) << summary.text();
    EXPECT_EQ(summary.cleaned_count, 20u);
    EXPECT_EQ(summary.exit_code(), 0);
    for (auto const& [name, bytes] : sent) {
        EXPECT_EQ(read_by_boto(bucket_, name), bytes);
        EXPECT_FALSE(fs::exists(run_ + "/bundles/" + name));
        std::string const stem = run_ + "/bundles/" + name.substr(0, name.size() - 4);
        EXPECT_TRUE(fs::exists(stem + ".index"));
        EXPECT_TRUE(fs::exists(stem + ".manifest.json"));
        auto const record = record_of(name);
        EXPECT_EQ(record.stage, Stage::cleaned);
        EXPECT_EQ(record.url, "s3+http://" + radosgw().text("endpoint") + "/" + bucket_ + "/" + name);
    }
    auto const again = push_now();
    EXPECT_EQ(again.found_count, 0u);
    EXPECT_EQ(again.exit_code(), 0);
}

TEST_F(Push, NothingIsCleanedBeforeSomebodyReportsIt)
{
    auto const bundle = add_bundle(run_, 1, some_bytes(1000));
    options_.stage.report = true;
    EXPECT_EQ(push_now().verified_count, 1u);
    EXPECT_EQ(push_now().verified_count, 0u);
    EXPECT_EQ(record_of(bundle.bundle).stage, Stage::verified);
    EXPECT_TRUE(fs::exists(path(bundle, ".tar")));
    {
        StageFolder folder(run_, around_.clock);
        ASSERT_TRUE(folder.join());
        auto claim = folder.claim(bundle.bundle).value();
        ASSERT_TRUE(claim);
        on_reported(claim->record, 1700000100);
        ASSERT_TRUE(claim->release(options_.stage));
    }
    EXPECT_EQ(push_now().cleaned_count, 1u);
    EXPECT_FALSE(fs::exists(path(bundle, ".tar")));
}

TEST_F(Push, ReportedDataStaysForItsRetentionTime)
{
    auto const bundle = add_bundle(run_, 1, some_bytes(1000));
    options_.stage.keep_s = 7200;
    EXPECT_EQ(push_now().cleaned_count, 0u);
    EXPECT_EQ(push_now().found_count, 0u) << "its record is not opened before its hour";
    EXPECT_TRUE(fs::exists(path(bundle, ".tar")));
    options_.stage.keep_s = 0;
    fs::path const later = run_ + "/stage/later";
    auto const hour = fs::directory_iterator(later)->path();
    fs::rename(hour, later / "1");  // as if that hour had come
    EXPECT_EQ(push_now().cleaned_count, 1u);
    EXPECT_FALSE(fs::exists(path(bundle, ".tar")));
}

TEST_F(Push, DamagedBundlesGoToQuarantineWithANoteAndNeverToTheStore)
{
    auto const flipped = add_bundle(run_, 1, some_bytes(5000, 1));
    auto const large = add_bundle(run_, 2, some_bytes(12u << 20, 2));
    auto const shorter = add_bundle(run_, 3, some_bytes(5000, 3));
    auto const torn = add_bundle(run_, 4, some_bytes(5000, 4));
    auto const gone = add_bundle(run_, 5, some_bytes(5000, 5));
    auto const cut_manifest = add_bundle(run_, 6, some_bytes(5000, 6));
    auto const linked = add_bundle(run_, 7, some_bytes(5000, 7));
    auto const good = add_bundle(run_, 8, some_bytes(5000, 8));
    for (auto const& bundle : {flipped, large}) {
        auto bytes = file_text(path(bundle, ".tar"));
        bytes[bytes.size() - 100] = static_cast<char>(bytes[bytes.size() - 100] ^ 1);
        write_text(path(bundle, ".tar"), bytes);
    }
    fs::resize_file(path(shorter, ".tar"), 4999);
    fs::resize_file(path(torn, ".index"), fs::file_size(path(torn, ".index")) - 3);
    fs::remove(path(gone, ".tar"));
    fs::resize_file(path(cut_manifest, ".manifest.json"), 20);
    fs::rename(path(linked, ".tar"), folder_ / "elsewhere");
    fs::create_symlink(folder_ / "elsewhere", path(linked, ".tar"));

    auto const summary = push_now();
    EXPECT_EQ(summary.lost_count, 7u) << summary.json();
    EXPECT_EQ(summary.verified_count, 1u);
    EXPECT_EQ(summary.exit_code(), exit_person);
    auto const there = list_by_boto(bucket_);
    EXPECT_EQ(there["keys"].size(), 1u);
    EXPECT_TRUE(there["keys"].contains(good.bundle));
    EXPECT_TRUE(there["uploads"].empty());
    auto const texts = notes();
    EXPECT_EQ(texts.size(), 7u);
    EXPECT_NE(std::find(texts.begin(), texts.end(),
                        R"({"version":1,"type":"bundle_lost","bundle":")" + flipped.bundle + "\"}\n"),
              texts.end());
    EXPECT_TRUE(fs::exists(run_ + "/quarantine/" + flipped.bundle));
    EXPECT_FALSE(fs::exists(path(flipped, ".manifest.json")));
    EXPECT_EQ(file_text(folder_ / "elsewhere"), some_bytes(5000, 7)) << "what a link points to is not ours";
    EXPECT_EQ(record_of(torn.bundle).stage, Stage::lost);
    EXPECT_EQ(push_now().found_count, 0u);
    EXPECT_EQ(notes().size(), 7u);
}

TEST_F(Push, EmptyBundleArrivesAsAnEmptyObject)
{
    auto manifest = add_bundle(run_, 1, some_bytes(1000));
    manifest.bytes = 0;
    manifest.adler32 = 1;
    manifest.entry_count = 0;
    auto const index = encode_index_header(manifest.origin);
    manifest.index_bytes = index.size();
    write_text(path(manifest, ".tar"), "");
    write_text(path(manifest, ".index"), index);
    write_text(path(manifest, ".manifest.json"), print_manifest(manifest));
    auto const summary = push_now();
    EXPECT_EQ(summary.verified_count, 1u) << summary.text();
    EXPECT_EQ(read_by_boto(bucket_, manifest.bundle), "");
}

TEST_F(Push, ManifestOfAnotherVersionIsLeftAlone)
{
    auto const bundle = add_bundle(run_, 1, some_bytes(1000));
    auto manifest = nlohmann::json::parse(file_text(path(bundle, ".manifest.json")));
    manifest["version"] = 3;
    write_text(path(bundle, ".manifest.json"), manifest.dump());
    auto const summary = push_now();
    EXPECT_EQ(summary.failed_count, 1u);
    EXPECT_EQ(summary.lost_count, 0u);
    EXPECT_NE(summary.failures.at(0).reason.find("version 3"), std::string::npos);
    EXPECT_TRUE(fs::exists(path(bundle, ".tar")));
    EXPECT_TRUE(notes().empty());
}

TEST_F(Push, WrongKeyIsNoStormAndSaysWhatToDo)
{
    for (std::uint32_t i = 0; i < 50; ++i) add_bundle(run_, i, some_bytes(1000, i));
    ServerProcess proxy("servers/faultproxy.py", {radosgw().text("endpoint")});
    auto& store = options_.stores["es_events"];
    store = store_at(proxy.text("endpoint"), bucket_);
    store.keys = keys_of(radosgw().text("access"), "not the secret");
    auto const summary = push_now();
    EXPECT_EQ(summary.verified_count, 0u);
    EXPECT_EQ(summary.exit_code(), exit_again);
    EXPECT_LE(proxy.tell("count")["connections"].get<int>(), 2 * static_cast<int>(options_.parallel));
    EXPECT_NE(summary.failures.at(0).reason.find("SignatureDoesNotMatch"), std::string::npos)
        << summary.json();
    EXPECT_NE(summary.failures.at(0).reason.find("check the keys"), std::string::npos);
    EXPECT_TRUE(fs::exists(run_ + "/bundles"));
    store.keys = keys_of(radosgw().text("access"), radosgw().text("secret"));
    for (auto const& entry : fs::directory_iterator(run_ + "/stage/open")) {  // as if their next try had come
        auto record = nlohmann::json::parse(file_text(entry.path()));
        record["next_try_unix_s"] = 0;
        write_text(entry.path(), record.dump());
    }
    EXPECT_EQ(push_now().verified_count, 50u);
}

TEST_F(Push, FailsOverWhenThePrimaryIsDownAndReturnsToItLater)
{
    for (std::uint32_t i = 0; i < 10; ++i) add_bundle(run_, i, some_bytes(1000, i));
    ServerProcess proxy("servers/faultproxy.py", {radosgw().text("endpoint")});
    proxy.tell("rules refuse");
    options_.stores["es_events"] = store_at(proxy.text("endpoint"), bucket_);
    options_.stores["es_failover"] = store_at(radosgw().text("endpoint"), bucket_ + "-failover");
    options_.stage.first_wait_s = options_.stage.longest_wait_s = 0;
    options_.transfer.try_limit = 2;
    for (int tick = 0; tick < 5 && push_now().failed_count > 0; ++tick) {
    }
    auto const there = list_by_boto(bucket_ + "-failover")["keys"];
    EXPECT_EQ(there.size(), 10u);
    proxy.tell("rules pass");
    auto const later = add_bundle(run_, 99, some_bytes(1000, 99));
    EXPECT_EQ(push_now().verified_count, 1u);
    EXPECT_EQ(record_of(later.bundle).target, "es_events");
    EXPECT_EQ(list_by_boto(bucket_)["keys"].size(), 1u);
}

TEST_F(Push, SpoolOfRunsAndAFolderThatIsNone)
{
    for (std::string const name : {"r1", "r2", "r3"})
        add_bundle(folder_ / "spool/" + name, 1, some_bytes(100));
    // The same bundle name in three runs: each run's files need a place of their own.
    options_.folders = {folder_ / "spool"};
    auto const summary = push_now();
    EXPECT_EQ(summary.run_count, 3u);
    EXPECT_EQ(summary.verified_count, 3u);
    options_.folders = {folder_ / "nothing-here"};
    auto const none = push(options_, around_.log, around_.clock);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().kind, ErrorKind::usage);
}

TEST_F(Push, OutputsGoOneByOneWhereBundlesAreNotWanted)
{
    std::string const bytes = some_bytes(3000);
    auto const bundle = add_bundle(run_, 1, bytes);
    options_.one_object_per_output = true;
    auto const summary = push_now();
    EXPECT_EQ(summary.verified_count, 2u) << summary.json();
    auto const there = list_by_boto(bucket_)["keys"];
    ASSERT_EQ(there.size(), 2u);
    EXPECT_EQ(read_by_boto(bucket_, "HITS.pool.root.18-4000000001-77-2-3"), bytes.substr(1, 1499));
    EXPECT_EQ(read_by_boto(bucket_, "HITS.pool.root.18-4000000001-77-3-3"), bytes.substr(1501));
    EXPECT_EQ(record_of(bundle.bundle).stage, Stage::cleaned);
    EXPECT_FALSE(fs::exists(path(bundle, ".tar")));
    EXPECT_EQ(push_now().found_count, 0u);
}

TEST_F(Push, OutputsWithNamesThatNoRecordCanHaveAreSentToo)
{
    std::string const bytes = some_bytes(3000);
    auto const bundle = add_bundle(run_, 1, bytes, {".hidden.", "caf\xe9."});
    options_.one_object_per_output = true;
    auto const summary = push_now();
    EXPECT_EQ(summary.verified_count, 2u) << summary.json();
    EXPECT_EQ(read_by_boto(bucket_, ".hidden.18-4000000001-77-2-3"), bytes.substr(1, 1499));
    EXPECT_EQ(read_by_boto(bucket_, "caf%E9.18-4000000001-77-3-3"), bytes.substr(1501));
    EXPECT_EQ(record_of(bundle.bundle).stage, Stage::cleaned);
    EXPECT_EQ(record_of("%2Ehidden.18-4000000001-77-2-3").stage, Stage::cleaned);
    EXPECT_EQ(push_now().found_count, 0u);
}

TEST_F(Push, TheLongestNamesArriveInAFolderToo)
{
    std::string const id = "18-4000000001-77-2-3";
    std::string const longest = std::string(230 - id.size() - 1, 'n') + ".";
    auto const bundle = add_bundle(run_, 1, some_bytes(3000), {longest, longest});
    options_.one_object_per_output = true;
    options_.stores["es_events"] = {};
    fs::create_directory(folder_ / "store");
    options_.stores["es_events"].url = "file://" + (folder_ / "store");
    auto const summary = push_now();
    EXPECT_EQ(summary.verified_count, 2u) << summary.json();
    EXPECT_TRUE(fs::exists((folder_ / "store/") + longest + id));
    EXPECT_EQ(record_of(bundle.bundle).stage, Stage::cleaned);
}

TEST_F(Push, DryRunOnlyTells)
{
    add_bundle(run_, 1, some_bytes(1000));
    options_.dry_run = true;
    auto const summary = push_now();
    ASSERT_EQ(summary.plan.size(), 1u);
    EXPECT_TRUE(summary.plan[0].ends_with("upload"));
    EXPECT_FALSE(fs::exists(run_ + "/stage"));
}

TEST_F(Push, JobsOwnStoreGoesBeforeTheConfiguredOne)
{
    auto const bundle = add_bundle(run_, 1, some_bytes(1000));
    nlohmann::json job{
        {"PandaID", 4000000001},
        {"prodDBlockTokenForOutput", "objectstore^gsiftp^somewhere^/x|objectstore^s3^s3+http://" +
                                         radosgw().text("endpoint") + "^/" + bucket_ + "-own/deep"}};
    write_text(run_ + "/job.json", nlohmann::json{{"version", 1}, {"jobs", {job}}}.dump());
    EXPECT_EQ(push_now().verified_count, 1u);
    EXPECT_EQ(read_by_boto(bucket_ + "-own", "deep/" + bundle.bundle), some_bytes(1000));
}

}  // namespace
}  // namespace yoda::test
