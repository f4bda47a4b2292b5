// SPDX-License-Identifier: Apache-2.0
#include "harvest/config/harvest_config.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/config/config.hpp"
#include "harvest/panda/fetch/queue_config.hpp"

namespace yoda {
namespace {

using ::testing::HasSubstr;

TEST(HarvestConfig, EveryStandardValueFitsItsKey)
{
    HarvestConfig config;
    auto const check = [&config](std::string const& name, std::string_view value) {
        if (value.empty()) return;
        EXPECT_TRUE(config.set(ConfigLayer::file, name, value, "here")) << name;
    };
    for (auto const& key : HarvestConfig::keys()) check(std::string(key.name), key.standard);
    for (auto const& key : HarvestConfig::store_keys())
        check("store.x." + std::string(key.name), key.standard);
}

TEST(HarvestConfig, LaterLayersCountWhateverTheOrder)
{
    HarvestConfig config;
    ASSERT_TRUE(config.set(ConfigLayer::command_line, "panda.site", "A", "the command line"));
    ASSERT_TRUE(config.set(ConfigLayer::file, "panda.site", "B", "file"));
    EXPECT_EQ(config.text("panda.site"), "A");
    ASSERT_TRUE(config.set(ConfigLayer::file, "fetch.jobs", "2", "one"));
    ASSERT_TRUE(config.set(ConfigLayer::file, "fetch.jobs", "3", "two"));
    EXPECT_EQ(config.count("fetch.jobs"), 3u);
}

TEST(HarvestConfig, ErrorsNameTheLineAndTheNearestKey)
{
    HarvestConfig config;
    auto status = config.read("panda.url = https://x\n\npanda.sight = X\n", "a.cfg");
    ASSERT_FALSE(status);
    EXPECT_THAT(status.error().text(), HasSubstr("a.cfg:3"));
    EXPECT_THAT(status.error().text(), HasSubstr("panda.site"));
    status = config.read("push.parallel = many\n", "a.cfg");
    ASSERT_FALSE(status);
    EXPECT_THAT(status.error().text(), HasSubstr("push.parallel"));
    EXPECT_FALSE(config.read("panda.api = v2\n", "a.cfg"));
    EXPECT_FALSE(config.read("store.es_events.colour = red\n", "a.cfg"));
    EXPECT_FALSE(config.read("yoda.no.such.key = 1\n", "a.cfg"));
    EXPECT_TRUE(config.read("yoda.range.tries = 2\nbatch.queue = debug\n", "a.cfg"));
}

TEST(HarvestConfig, WhatARunKeepsReadsBackWithItsOrigin)
{
    HarvestConfig config;
    ASSERT_TRUE(config.read("store.es_events.url = file:///x\npanda.site = Q\n", "site.cfg"));
    ASSERT_TRUE(config.set(ConfigLayer::command_line, "yoda.range.tries", "2", "the command line"));
    HarvestConfig again;
    ASSERT_TRUE(again.read(config.print_for_run(), "RUN/panda/harvest.cfg"));
    EXPECT_EQ(again.text("panda.site"), "Q");
    EXPECT_EQ(again.store_names(), std::vector<std::string>{"es_events"});
    EXPECT_FALSE(again.is_set("yoda.range.tries"));  // That is in RUN/yoda.cfg.
    EXPECT_THAT(again.print(), HasSubstr("was site.cfg:2"));
}

TEST(HarvestConfig, ListsAndQuantities)
{
    HarvestConfig config;
    ASSERT_TRUE(
        config.read("panda.url = https://a , https://b,\npush.bandwidth = 2 MB\npush.keep = 2 h\n", "x"));
    EXPECT_EQ(config.list("panda.url"), (std::vector<std::string>{"https://a", "https://b"}));
    EXPECT_EQ(config.bytes("push.bandwidth"), 2'000'000u);
    EXPECT_EQ(config.seconds("push.keep"), 7200);
    EXPECT_TRUE(config.yes("push.clean"));
}

constexpr char const* queue = R"({"Q": {
    "maxtime": 169200, "corecount": "128", "pledgedcpu": -1, "maxinputsize": 20000, "jobseed": "es",
    "allow_alt_os_stageout": "force", "allow_alt_stageout": false,
    "catchall": "zip_time_gap=900,not_es_to_zip, nodes=4 time_per_event_m=0.5",
    "astorages": {"es_events": ["CERN-PROD_ES"], "es_failover": ["RAL_ES"], "pls": ["CERN_LOGS"], "pw": ["X"]}}})";
constexpr char const* endpoints = R"({
    "CERN-PROD_ES": {"id": 5, "resource": {"bucket_id": 117},
        "arprotocols": {"r": [{"endpoint": "s3://read:443/", "path": "/a", "id": 1}],
                        "w": [{"endpoint": "s3://write.cern.ch:8080/", "path": "/atlas-es", "id": 2}]},
        "rprotocols": {"2": {"settings": {"access_key": "CERN.pub", "secret_key": "CERN.key", "is_secure": false}}}},
    "X": {"id": 119, "arprotocols": {"w": [{"endpoint": "davs://x.org:443/", "path": "/rse", "id": 3}]}},
    "RAL_ES": {"id": 118, "arprotocols": {"w": [{"endpoint": "root://ral.ac.uk:1094/", "path": "/es", "id": 9}]}}})";

TEST(QueueConfig, AQueueBecomesSettingsWithTheirOrigin)
{
    HarvestConfig config;
    auto const warnings = apply_queue(config, {queue, "queue.json", endpoints, "ddm.json"}, "Q");
    ASSERT_TRUE(warnings) << warnings.error().text();
    EXPECT_EQ(config.seconds("fetch.walltime"), 169200);
    EXPECT_EQ(config.count("fetch.cores"), 128u);
    EXPECT_EQ(config.count("fetch.nodes"), 4u);
    EXPECT_EQ(config.seconds("fetch.seconds_per_event"), 30);
    EXPECT_EQ(config.bytes("input.stage_limit"), 20'000'000'000u);
    EXPECT_EQ(config.text("yoda.bundle.time_gap"), "900");
    EXPECT_EQ(config.text("push.alternative"), "force");
    EXPECT_TRUE(config.yes("push.single_objects"));
    EXPECT_EQ(config.text("fetch.job_seed"), "es");
    EXPECT_EQ(config.text("store.es_events.url"), "s3+http://write.cern.ch:8080/atlas-es");
    EXPECT_EQ(config.count("store.es_events.objstore_id"), 117u);
    EXPECT_EQ(config.text("store.es_events.panda_public_key"), "CERN.pub");
    EXPECT_EQ(config.text("store.es_failover.url"), "root://ral.ac.uk:1094//es");
    EXPECT_EQ(config.text("store.pw.url"), "davs://x.org:443/rse");
    ASSERT_EQ(warnings->size(), 1u);  // CERN_LOGS is not described.
    EXPECT_THAT(warnings->front(), HasSubstr("CERN_LOGS"));
    EXPECT_THAT(config.print(), HasSubstr("from queue.json (maxtime)"));
}

TEST(QueueConfig, FilesGoBeforeTheQueueButNotForItsStores)
{
    HarvestConfig config;
    ASSERT_TRUE(config.read("fetch.cores = 7\nstore.es_events.url = file:///x\n", "site.cfg"));
    ASSERT_TRUE(apply_queue(config, {queue, "queue.json", endpoints, "ddm.json"}, "Q"));
    EXPECT_EQ(config.count("fetch.cores"), 7u);
    EXPECT_EQ(config.text("store.es_events.url"), "s3+http://write.cern.ch:8080/atlas-es");
}

TEST(QueueConfig, OrdinaryStorageTakesOverUnlessTheQueueForbidsIt)
{
    for (auto const& [word, url] : {std::pair{"", "davs://x.org:443/rse"}, {"off", ""}}) {
        HarvestConfig config;
        auto const text = fmt::format(
            R"({{"Q": {{"allow_alt_stageout": "{}", "astorages": {{"es_events": ["CERN-PROD_ES"], "pw": ["X"]}}}}}})",
            word);
        ASSERT_TRUE(apply_queue(config, {text, "q", endpoints, "e"}, "Q"));
        EXPECT_EQ(config.text("store.es_failover.url"), url) << word;
    }
}

TEST(QueueConfig, BorrowedNodesSealSoonerThanPledgedOnes)
{
    for (auto const& [pledged, gap] : {std::pair{"-1", "600"}, std::pair{"100", "7200"}}) {
        HarvestConfig config;
        auto const text = std::string(R"({"Q": {"pledgedcpu": )") + pledged + "}}";
        ASSERT_TRUE(apply_queue(config, {text, "q", "", ""}, "Q"));
        EXPECT_EQ(config.text("yoda.bundle.time_gap"), gap);
    }
}

TEST(QueueConfig, AJobsOwnSettingsGoBeforeAllButTheCommandLine)
{
    HarvestConfig config;
    ASSERT_TRUE(config.read("yoda.bundle.time_gap = 1\nfetch.cores = 2\n", "site.cfg"));
    ASSERT_TRUE(config.set(ConfigLayer::command_line, "fetch.cores", "3", "the command line"));
    EXPECT_TRUE(
        apply_overwrites(config, {{"zip_time_gap", "77"}, {"corecount", "9"}, {"other", "x"}}, 5).empty());
    EXPECT_EQ(config.text("yoda.bundle.time_gap"), "77");
    EXPECT_EQ(config.count("fetch.cores"), 3u);
}

TEST(QueueConfig, SaysWhatItCannotUse)
{
    HarvestConfig config;
    EXPECT_FALSE(apply_queue(config, {"[]", "q", "", ""}, "Q"));
    EXPECT_FALSE(apply_queue(config, {"{", "q", "", ""}, "Q"));
    EXPECT_FALSE(apply_queue(config, {R"({"OTHER": {}})", "q", "", ""}, "Q"));
    EXPECT_FALSE(apply_queue(config, {R"({"Q": {}})", "q", "7", "e"}, "Q"));
    auto const odd =
        apply_queue(config,
                    {R"({"Q": {"maxtime": "soon", "catchall": 7, "astorages": {"es_events": 5, "pl": []}}})",
                     "q", R"({"X": 3})", "e"},
                    "Q");
    ASSERT_TRUE(odd);
    EXPECT_EQ(odd->size(), 1u);
    EXPECT_EQ(config.text("fetch.walltime"), "0 s");
}

}  // namespace
}  // namespace yoda
