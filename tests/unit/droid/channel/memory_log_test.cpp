// SPDX-License-Identifier: Apache-2.0
#include "droid/channel/memory_log.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "support/scratch_folder.hpp"

namespace yoda {
namespace {

TEST(MemoryLog, KeepsTheLargestAndTheMeanOfEachJob)
{
    test::ScratchFolder folder;
    MemoryLog log(folder / "memory.json");
    EXPECT_FALSE(log.is_worth_writing());
    log.add(0, 1 << 20);
    log.add(0, 3 << 20);
    log.add(2, 1 << 10);
    EXPECT_TRUE(log.is_worth_writing());
    ASSERT_TRUE(log.write());
    auto const json = nlohmann::json::parse(test::file_text(folder / "memory.json"));
    EXPECT_EQ(json["jobs"], nlohmann::json::parse(R"([{"job": 0, "max_rss_kb": 3072, "avg_rss_kb": 2048},
                                                      {"job": 2, "max_rss_kb": 1, "avg_rss_kb": 1}])"));
    // Written again only for what changes the picture.
    log.add(0, (3 << 20) + 1);
    EXPECT_FALSE(log.is_worth_writing());
    log.add(0, 4 << 20);
    EXPECT_TRUE(log.is_worth_writing());
}

TEST(MemoryLog, MeasuresRealProcessesAndPassesOverThoseThatAreNotKnownYet)
{
    test::ScratchFolder folder;
    MemoryLog log(folder / "memory.json");
    BusyWorker unknown;
    log.sample({unknown});
    ASSERT_TRUE(log.write());
    EXPECT_EQ(test::file_text(folder / "memory.json"), "");
    BusyWorker own;
    own.job = 1;
    own.pid = ::getpid();
    log.sample({own, unknown});
    ASSERT_TRUE(log.write());
    auto const json = nlohmann::json::parse(test::file_text(folder / "memory.json"));
    EXPECT_EQ(json["jobs"][0]["job"], 1);
    EXPECT_GT(json["jobs"][0]["max_rss_kb"], 100);
}

}  // namespace
}  // namespace yoda
