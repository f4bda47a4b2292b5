// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "harvest/panda/fetch/job_filter.hpp"
#include "harvest/panda/wire/error_codes.hpp"

namespace yoda {
namespace {

nlohmann::json job_fields()
{
    return {{"PandaID", 6900000001},  {"taskID", 40000001},         {"jobsetID", 6900000002},
            {"attemptNr", 1},         {"inFiles", "a.root,b.root"}, {"GUID", "G1,G2"},
            {"fsize", "1,2"},         {"checksum", "ad:0,ad:1"},    {"scopeIn", "s,s"},
            {"eventService", "True"}, {"jobPars", "--maxEvents=5"}, {"cloneJob", "NULL"},
            {"unknownField", {1, 2}}};
}

JobEnd end_of(nlohmann::json fields)
{
    auto taken = take_job(std::move(fields));
    EXPECT_TRUE(std::holds_alternative<JobEnd>(taken));
    return std::holds_alternative<JobEnd>(taken) ? std::get<JobEnd>(taken) : JobEnd{};
}

TEST(JobFilter, TakesEventServiceJobsWithEveryFieldAsItCame)
{
    auto const taken = take_job(job_fields());
    ASSERT_TRUE(std::holds_alternative<Job>(taken));
    EXPECT_EQ(std::get<Job>(taken).fields(), job_fields());
}

TEST(JobFilter, EndsEverythingElseWithTheReason)
{
    auto fields = job_fields();
    fields.erase("eventService");
    EXPECT_NE(end_of(fields).diag.find("no event-service job"), std::string::npos);
    fields["eventServiceMerge"] = "True";
    fields["inFiles"] = "zip://premerge_1.tar";  // no name that could be used, but that is not the point
    EXPECT_NE(end_of(fields).diag.find("merge job"), std::string::npos);
    EXPECT_EQ(end_of(fields).panda_id, 6900000001);
    EXPECT_EQ(end_of(fields).attempt, 1);
    fields = job_fields();
    fields["cloneJob"] = "runonce";
    EXPECT_NE(end_of(fields).diag.find("clone"), std::string::npos);
}

TEST(JobFilter, RefusesNamesThatWouldLeaveTheirFolder)
{
    for (auto const* name : {"../a.root", "x/a.root", "a\nb.root", "..", ""}) {
        auto fields = job_fields();
        fields["inFiles"] = std::string(name) + ",b.root";
        auto const end = end_of(fields);
        EXPECT_EQ(end.code, pilot_error::stage_in_failed) << name;
        EXPECT_FALSE(end.diag.empty());
    }
    auto fields = job_fields();
    fields["GUID"] = "G1";
    EXPECT_EQ(end_of(fields).code, pilot_error::stage_in_failed);
    fields = job_fields();
    fields["inFiles"] = fields["GUID"] = fields["fsize"] = fields["checksum"] = fields["scopeIn"] = "NULL";
    EXPECT_EQ(end_of(fields).code, pilot_error::stage_in_failed);
    fields = job_fields();
    fields["jobsetID"] = "NULL";
    EXPECT_NE(end_of(fields).diag.find("jobsetID"), std::string::npos);
}

TEST(JobFilter, TextsOfUrlEncodedAnswersAreNumbersToo)
{
    auto fields = job_fields();
    fields["PandaID"] = "6900000001";
    fields["attemptNr"] = "2";
    fields["eventService"] = "False";
    EXPECT_EQ(end_of(fields).panda_id, 6900000001);
    EXPECT_EQ(end_of(fields).attempt, 2);
}

TEST(JobFilter, CutsOverwritesOutOfTheParameters)
{
    struct Case {
        std::string before, after;
        std::map<std::string, std::string> settings;
    };
    for (auto const& [before, after, settings] :
         std::vector<Case>{{"--a=1", "--a=1", {}},
                           {"--a=1 --overwriteQueuedata={x=1,y=2 z=3} --b=2",
                            "--a=1 --b=2",
                            {{"x", "1"}, {"y", "2"}, {"z", "3"}}},
                           {"--overwriteQueueData={x=1} --b", "--b", {{"x", "1"}}},
                           {"--b \"--overwriteQueuedata={x=a b=c}\"", "--b", {{"x", "a"}, {"b", "c"}}},
                           {"--overwriteQueuedata={x=1} --b --overwriteQueuedata={x=2}", "--b", {{"x", "2"}}},
                           {"--overwriteQueuedata=x=5 --b", "--b", {{"x", "5"}}},
                           {"--overwriteQueuedata={x=1", "", {{"{x", "1"}}},
                           {"--overwriteQueuedata={}", "", {}}}) {
        auto text = before;
        EXPECT_EQ(cut_overwrites(text), settings) << before;
        EXPECT_EQ(text, after) << before;
    }
    auto fields = job_fields();
    fields["jobPars"] = "--maxEvents=5 --overwriteQueuedata={corecount=8}";
    auto const taken = take_job(fields);
    auto const& job = std::get<Job>(taken);
    EXPECT_EQ(job.text("jobPars"), "--maxEvents=5");
    EXPECT_EQ(job.text("jobParsAsReceived"), fields["jobPars"]);
    EXPECT_EQ(job.fields()["overwriteQueuedata"]["corecount"], "8");
}

TEST(JobFilter, DecodesBase64ParametersAndNothingElse)
{
    EXPECT_EQ(decode_parameters("LS1tYXhFdmVudHM9NSAtLWE9YiI="), "--maxEvents=5 --a=b\"");
    for (std::string const text :
         {"--maxEvents=5", "abcd", "", "LS1tYXhFdmVudHM9NSAtLWE9YiI", "////", "AAAA"})
        EXPECT_EQ(decode_parameters(text), text);
}

}  // namespace
}  // namespace yoda
