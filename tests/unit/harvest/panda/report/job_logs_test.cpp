// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/report/job_logs.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "support/scratch_folder.hpp"

namespace yoda {
namespace {

void write(std::string const& path, std::string const& text)
{
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    test::write_text(path, text);
}

TEST(JobLogs, ATransformReportTellsExitCodeAndMemoryInBothDialects)
{
    auto const old_words = parse_transform_report(
        R"({"exitCode": 64, "exitAcronym": "TRF_SETUP", "exitMsg": "no release", "resource": {"executor": {
            "a": {"memory": {"Max": {"maxRSS": 20, "maxVMEM": 30, "maxPSS": 15}, "Avg": {"avgRSS": 10}}},
            "b": {"memory": {"Max": {"rss": 25, "vmem": 29.5, "pss": 14}, "Avg": {"rss": 9}}}}}})");
    EXPECT_EQ(old_words, (TransformReport{64, "TRF_SETUP: no release", 25, 10, 30, 15}));
}

TEST(JobLogs, FailedRangesAreNoFailureOfTheTransform)
{
    for (auto const* text : {R"({"exitCode": 65, "exitAcronym": "TRF_EXEC_FAIL"})",
                             R"({"exitCode": 68, "exitAcronym": "TRF_EXEC_LOGERROR"})",
                             R"({"exitCode": 66, "exitAcronym": "TRF_EXEC_VALIDATION_FAIL"})",
                             R"({"exitCode": 11, "exitAcronym": "TRF_OUTPUT_FILE_ERROR"})"})
        EXPECT_EQ(parse_transform_report(text)->exit_code, 0) << text;
    EXPECT_EQ(parse_transform_report(R"({"exitCode": 65, "exitAcronym": "TRF_OTHER"})")->exit_code, 65);
}

TEST(JobLogs, AReportOfAnyShapeIsReadAsFarAsItMakesSense)
{
    for (auto const* text : {"", "[]", "7", "{", "null"}) EXPECT_FALSE(parse_transform_report(text)) << text;
    for (auto const* text : {"{}", R"({"exitCode": "x", "resource": 7})",
                             R"({"resource": {"executor": [1]}})", R"({"exitCode": 1e99})",
                             R"({"resource": {"executor": {"a": {"memory": {"Max": {"rss": "much"}}}}}})"})
        EXPECT_EQ(parse_transform_report(text), TransformReport{}) << text;
}

TEST(JobLogs, TheNewestReportOfThatJobCounts)
{
    test::ScratchFolder folder;
    std::string const logs = folder / "logs";
    auto const path = [&](std::string const& name) { return logs + "/" + name; };
    write(path("payload_1_0.start_0/jobReport.json"), R"({"exitCode": 1})");
    write(path("payload_2_0.start_0/jobReport.json"), R"({"exitCode": 2})");
    write(path("payload_1_10.start_0/jobReport.json"), R"({"exitCode": 3})");
    write(path("yoda.log"), "nothing\n");
    auto const now = std::filesystem::file_time_type::clock::now();
    std::filesystem::last_write_time(path("payload_1_0.start_0/jobReport.json"), now);
    std::filesystem::last_write_time(path("payload_2_0.start_0/jobReport.json"), now - std::chrono::hours(1));
    EXPECT_EQ(find_transform_report(logs, 0), R"({"exitCode": 1})");
    EXPECT_EQ(find_transform_report(logs, 10), R"({"exitCode": 3})");
    EXPECT_EQ(find_transform_report(logs, 1), "");
    write(path("payload_1_0.start_0/jobReport.json"), "{ half");
    EXPECT_EQ(find_transform_report(logs, 0), "");
    EXPECT_EQ(find_transform_report(folder / "nowhere", 0), "");
}

TEST(JobLogs, TheNodeThatUsedMostMemoryCounts)
{
    test::ScratchFolder folder;
    write(folder / "logs/memory_1_1.json",
          R"({"version": 1, "jobs": [{"job": 0, "max_rss_kb": 10, "avg_rss_kb": 9}]})");
    write(folder / "logs/memory_1_2.json",
          R"({"jobs": [{"job": 0, "max_rss_kb": 30, "avg_rss_kb": 8}, {"job": 1, "max_rss_kb": 99}]})");
    unsigned number = 0;
    for (auto const* bad :
         {"", "[]", "{", R"({"jobs": 7})", R"({"jobs": [7, {"job": 0, "max_rss_kb": "much"}]})"})
        write(folder / "logs/memory_2_" + std::to_string(++number) + ".json", bad);
    EXPECT_EQ(read_memory_use(folder / "logs", 0), (MemoryUse{30, 9}));
    EXPECT_EQ(read_memory_use(folder / "logs", 1), (MemoryUse{99, 0}));
    EXPECT_EQ(read_memory_use(folder / "logs", 2), MemoryUse{});
}

TEST(JobLogs, OnlyTheLastWarningsAreTold)
{
    test::ScratchFolder folder;
    write(folder / "logs/yoda.log",
          "2026-01-01T00:00:00.000Z warning first a=1\n2026-01-01T00:00:01.000Z info warning b=2\n"
          "2026-01-01T00:00:02.000Z error second c=3\nno line of ours");
    EXPECT_EQ(read_run_warnings(folder / "logs"),
              "2026-01-01T00:00:00.000Z warning first a=1\n2026-01-01T00:00:02.000Z error second c=3\n");
    EXPECT_EQ(read_run_warnings(folder / "logs", 50), "2026-01-01T00:00:02.000Z error second c=3\n");
    EXPECT_EQ(read_run_warnings(folder / "nowhere"), "");
}

TEST(JobLogs, TheEndOfThePayloadsLogIsBounded)
{
    test::ScratchFolder folder;
    write(folder / "logs/payload_1_0.out", std::string(5000, 'x') + "the end");
    write(folder / "logs/payload_1_0.start_0/jobReport.json", "{}");
    auto const tail = read_payload_tail(folder / "logs", 0);
    EXPECT_EQ(tail.size(), 2048u);
    EXPECT_TRUE(tail.ends_with("the end"));
    EXPECT_EQ(read_payload_tail(folder / "logs", 1), "");
}

}  // namespace
}  // namespace yoda
