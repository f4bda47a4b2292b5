// SPDX-License-Identifier: Apache-2.0
// Which store a bundle goes to: by the job, the queue, the configuration, failures, and push.alternative;
// with folders as stores.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "harvest/explain/explain_store.hpp"
#include "harvest/harvest_options.hpp"
#include "harvest/merge/fetch_back.hpp"
#include "harvest/stage_out/stage_folder.hpp"
#include "support/builders/bundle_builder.hpp"
#include "support/builders/run_builder.hpp"

namespace yoda::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Target : public ::testing::Test {
  protected:
    Target()
    {
        set("push.report", "no");
        set("push.first_wait", "0 s");
        set("push.longest_wait", "0 s");
    }
    void set(std::string const& key, std::string const& value)
    {
        ASSERT_TRUE(config_.set(ConfigLayer::file, key, value, "site.cfg:1")) << key;
    }
    /// `is_there`: a store whose folder is gone is one that does not answer.
    void add_store(std::string const& name, bool is_there = true)
    {
        if (is_there) fs::create_directories(folder_ / name);
        set("store." + name + ".url", "file://" + (folder_ / name));
    }
    /// Where a bundle is after so many calls.
    std::string target_after(int calls)
    {
        auto const bundle = add_bundle(run_, ++sequence_, some_bytes(1000));
        auto options = make_push_options(config_, run_, clock_, log_).value();
        options.folders = {run_};
        options.stage.clean = false;
        for (int call = 0; call < calls; ++call) EXPECT_TRUE(push(options, log_, clock_));
        auto const record = StageFolder(run_, clock_).read(bundle.bundle).value();
        if (record.stage != Stage::reported) return "nowhere";
        EXPECT_TRUE(fs::exists(folder_ / record.target + "/" + bundle.bundle));
        return record.target;
    }
    Job job(nlohmann::json fields = nlohmann::json::object())
    {
        fields["PandaID"] = 4000000001;
        return Job::from_json(std::move(fields)).value();
    }

    SystemClock clock_;
    Log log_{LogLevel::error};
    ScratchFolder folder_;
    std::string run_ = folder_ / "run";
    HarvestConfig config_;
    std::uint32_t sequence_ = 0;
};

TEST_F(Target, FolderThatIsNotMountedIsNotAskedForEachOfManyBundles)
{
    add_store("es_events", false);
    for (std::uint32_t i = 0; i < 200; ++i) add_bundle(run_, i, some_bytes(1000, i));
    auto options = make_push_options(config_, run_, clock_, log_).value();
    options.folders = {run_};
    auto const summary = push(options, log_, clock_).value();
    EXPECT_LE(summary.failed_count, 2 * options.parallel);
    EXPECT_EQ(summary.failed_count + summary.waiting_count, 200u);
    EXPECT_THAT(summary.text(), HasSubstr("is not there"));
    fs::create_directories(folder_ / "es_events");
    EXPECT_EQ(push(options, log_, clock_).value().verified_count, 200u);
}

TEST_F(Target, OrdinaryStorageIsNeverUsedWhenTheAlternativeIsOff)
{
    add_store("es_events", false);
    add_store("pw");
    EXPECT_EQ(target_after(10), "nowhere");
}

TEST_F(Target, OrdinaryStorageTakesOverWhenObjectStoresFailAndTheAlternativeIsOn)
{
    set("push.alternative", "on");
    add_store("es_events", false);
    add_store("pw");
    EXPECT_EQ(target_after(3), "nowhere");
    EXPECT_EQ(target_after(4), "pw");
    add_store("es_events");
    EXPECT_EQ(target_after(1), "es_events") << "new files go to the primary again";
}

TEST_F(Target, OrdinaryStorageComesAfterTheOtherObjectStore)
{
    set("push.alternative", "on");
    add_store("es_events", false);
    add_store("es_failover", false);
    add_store("pw");
    EXPECT_EQ(target_after(20), "pw");
    add_store("es_failover");
    EXPECT_EQ(target_after(4), "es_failover");
}

TEST_F(Target, ForceGoesToOrdinaryStorageAtOnceElseToTheFailover)
{
    set("push.alternative", "force");
    add_store("es_events");
    EXPECT_THAT(make_push_options(config_, run_, clock_, log_).error().text(), HasSubstr("store.pw.url"));
    add_store("es_failover");
    EXPECT_EQ(target_after(1), "es_failover");
    add_store("pw");
    EXPECT_EQ(target_after(1), "pw");
    EXPECT_THAT(explain_job_store(job(), config_).text(),
                HasSubstr("store.pw.url from site.cfg:1 (push.alternative"));
}

TEST_F(Target, WhatWasCleanedUpIsFetchedBackAndChecked)
{
    add_store("es_events");
    auto const bundle = add_bundle(run_, 1, some_bytes(5000));
    auto options = make_push_options(config_, run_, clock_, log_).value();
    options.folders = {run_};
    ASSERT_EQ(push(options, log_, clock_).value().cleaned_count, 1u);
    ASSERT_FALSE(fs::exists(run_ + "/bundles/" + bundle.bundle));
    auto const back = [&] {
        return fetch_back(run_, {bundle.bundle}, folder_ / "back", options, log_, clock_);
    };
    EXPECT_EQ(back().value().bundle_count, 1u);
    EXPECT_EQ(file_text(folder_ / "back/" + bundle.bundle), some_bytes(5000));
    EXPECT_EQ(back().value().bundle_count, 0u) << "it is there already";
    write_text(folder_ / "back/" + bundle.bundle, "cut");
    EXPECT_EQ(back().value().bundle_count, 1u);
    write_text(folder_ / "es_events/" + bundle.bundle, some_bytes(5000, 2));
    fs::remove(folder_ / "back/" + bundle.bundle);
    EXPECT_THAT(back().error().text(), HasSubstr("is not what was sent"));
    EXPECT_FALSE(fs::exists(folder_ / "back/" + bundle.bundle));
}

TEST_F(Target, OutputsThatWereSentOneByOneComeBackAsTheirBundle)
{
    add_store("es_events");
    set("push.single_objects", "yes");
    BundleBuilder builder({4000000001, 0, 1, 1, 1});
    std::string const id = "18-4000000001-77-2-3";
    builder.add(2, Epoch{65537}, id, {{"HITS.pool.root", some_bytes(3988)}, {"empty", ""}});
    builder.add(3, Epoch{65537}, "18-4000000001-77-3-3", {{std::string(120, 'n'), some_bytes(5000)}});
    fs::create_directories(run_ + "/bundles");
    builder.write_sealed(run_ + "/bundles");
    auto const name = builder.manifest().bundle;
    auto const sealed = file_text(run_ + "/bundles/" + name);
    auto options = make_push_options(config_, run_, clock_, log_).value();
    options.folders = {run_};
    ASSERT_EQ(push(options, log_, clock_).value().verified_count, 3u);
    ASSERT_FALSE(fs::exists(run_ + "/bundles/" + name));
    auto const back = [&] { return fetch_back(run_, {name}, folder_ / "back", options, log_, clock_); };
    auto const path = (folder_ / "back/") + name;
    EXPECT_EQ(back().value().bundle_count, 1u);
    EXPECT_TRUE(file_text(path) == sealed) << "the same bytes";
    EXPECT_EQ(back().value().bundle_count, 0u) << "it is there already";
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_ / "back"), {}), 1);
    write_text((folder_ / "es_events/HITS.pool.root.") + id, some_bytes(3988, 2));
    fs::remove(path);
    EXPECT_THAT(back().error().text(), HasSubstr("is not what was sent"));
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_ / "back"), {}), 0);
}

TEST_F(Target, ExplainNamesTheRuleThatWon)
{
    EXPECT_THAT(explain_job_store(job(), config_).text(), HasSubstr("is not set"));
    add_store("es_events");
    EXPECT_THAT(explain_job_store(job(), config_).text(),
                HasSubstr("by store.es_events.url from site.cfg:1"));
    ASSERT_TRUE(config_.set(ConfigLayer::queue_store, "store.es_events.url", "s3://queue/b", "ddm.json (X)"));
    EXPECT_EQ(explain_job_store(job(), config_).text(),
              "s3://queue/b, by store.es_events.url from ddm.json (X)");
    auto const own = job({{"prodDBlockTokenForOutput", "objectstore^s3^s3://own:443^/b/p"}});
    EXPECT_EQ(explain_job_store(own, config_).text(),
              "s3://own:443/b/p, by the job's prodDBlockTokenForOutput");
    auto const odd = job({{"prodDBlockTokenForOutput", "objectstore^gsiftp^x^/p"}});
    EXPECT_THAT(explain_job_store(odd, config_).text(), HasSubstr("the job's own cannot be used"));
    set("push.job_stores", "no");
    EXPECT_THAT(explain_job_store(own, config_).text(), HasSubstr("push.job_stores = no"));
}

}  // namespace
}  // namespace yoda::test
