// SPDX-License-Identifier: Apache-2.0
#include "core/job/job.hpp"

#include <gtest/gtest.h>

namespace yoda {
namespace {

nlohmann::json some_fields()
{
    return {{"PandaID", 6123456789},
            {"taskID", "38542011"},
            {"jobsetID", 77},
            {"attemptNr", 2},
            {"inFiles", "EVNT.1,EVNT.2"},
            {"GUID", "G1,G2"},
            {"fsize", "1000,5000000000"},
            {"checksum", "ad:0d2a9dc9,NULL"},
            {"scopeIn", "mc23,mc23"},
            {"inFilePaths", "/data/EVNT.1,root://host//EVNT.2"},
            {"inFilePosEvtNum", "True"},
            {"maxWalltime", "NULL"},
            {"jobPars", "--maxEvents=5"}};
}

std::string error_of(nlohmann::json const& fields)
{
    auto const job = Job::from_json(fields);
    return job ? std::string{} : job.error().text();
}

TEST(Job, GivesTypedAccessToWhatPandaSent)
{
    auto const job = Job::from_json(some_fields());
    ASSERT_TRUE(job);
    EXPECT_EQ(job->panda_id(), 6123456789);
    EXPECT_EQ(job->task_id(), 38542011) << "numbers may come as texts";
    EXPECT_EQ(job->jobset_id(), 77);
    EXPECT_EQ(job->attempt(), 2);
    EXPECT_TRUE(job->positions_in_file());
    ASSERT_EQ(job->inputs().size(), 2u);
    EXPECT_EQ(job->inputs()[0], (InputFile{"EVNT.1", "G1", "mc23", "/data/EVNT.1", "ad:0d2a9dc9", 1000}));
    EXPECT_EQ(job->inputs()[1], (InputFile{"EVNT.2", "G2", "mc23", "root://host//EVNT.2", "", 5000000000}));
}

TEST(Job, NullAndAbsentFieldsAreEmpty)
{
    auto const job = Job::from_json({{"PandaID", 1}, {"a", "NULL"}, {"b", nullptr}, {"c", "x"}});
    ASSERT_TRUE(job);
    for (std::string const field : {"a", "b", "absent"}) {
        EXPECT_EQ(job->text(field), "");
        EXPECT_TRUE(job->list(field).empty());
        EXPECT_EQ(job->number(field, -7), -7);
    }
    EXPECT_EQ(job->number("c", -7), -7);
    EXPECT_TRUE(job->inputs().empty());
    EXPECT_FALSE(job->positions_in_file());
}

TEST(Job, NumbersMayBeNumbersOrTexts)
{
    auto const job = Job::from_json(
        {{"PandaID", "12"}, {"half", 1.5}, {"negative", "-3"}, {"tail", "12x"}, {"flag", true}});
    ASSERT_TRUE(job);
    EXPECT_EQ(job->panda_id(), 12);
    EXPECT_EQ(job->number("half", 7), 7);
    EXPECT_EQ(job->number("negative", 7), -3);
    EXPECT_EQ(job->number("tail", 7), 7);
    EXPECT_EQ(job->number("flag", 7), 7);
    EXPECT_EQ(job->text("half"), "1.5");
}

TEST(Job, PositionsInFileMayComeAsAJsonBoolean)
{
    EXPECT_TRUE(Job::from_json({{"PandaID", 1}, {"inFilePosEvtNum", true}})->positions_in_file());
    EXPECT_FALSE(Job::from_json({{"PandaID", 1}, {"inFilePosEvtNum", false}})->positions_in_file());
    EXPECT_FALSE(Job::from_json({{"PandaID", 1}, {"inFilePosEvtNum", "False"}})->positions_in_file());
}

TEST(Job, CommaListsKeepEmptyPlaces)
{
    auto const job = Job::from_json({{"PandaID", 1}, {"list", "a,,b,"}});
    ASSERT_TRUE(job);
    EXPECT_EQ(job->list("list"), (std::vector<std::string>{"a", "", "b", ""}));
}

TEST(Job, RefusesAJobWithoutPandaId)
{
    for (auto const& bad :
         {nlohmann::json(0), nlohmann::json(-5), nlohmann::json("NULL"), nlohmann::json("x"),
          nlohmann::json(nullptr), nlohmann::json(18446744073709551615u)}) {
        auto fields = some_fields();
        fields["PandaID"] = bad;
        EXPECT_NE(error_of(fields).find("no PandaID"), std::string::npos) << bad;
    }
    EXPECT_NE(error_of(nlohmann::json::array()), "");
    EXPECT_NE(error_of("text"), "");
}

TEST(Job, RefusesListsOfDifferentLengths)
{
    for (std::string const field : {"GUID", "fsize", "checksum", "scopeIn", "inFilePaths"}) {
        auto fields = some_fields();
        fields[field] = "only one";
        EXPECT_NE(error_of(fields).find("as many as inFiles"), std::string::npos) << field;
        fields.erase(field);
        EXPECT_EQ(error_of(fields), "") << field << " may be absent";
    }
}

TEST(Job, RefusesInputNamesThatLeadElsewhere)
{
    for (std::string const name : {"../EVNT", "/EVNT", "a,,b", "..", "a\nb"}) {
        EXPECT_NE(error_of({{"PandaID", 1}, {"inFiles", name}}).find("no plain file name"), std::string::npos)
            << name;
    }
}

TEST(Jobs, ComeOutOfJobJsonAsTheyWentIn)
{
    auto fields = some_fields();
    fields["nested"] = {{"kept", {1, 2.5, nullptr, "x"}}};
    std::vector<Job> jobs;
    jobs.push_back(*Job::from_json(fields));
    fields["PandaID"] = 2;
    jobs.push_back(*Job::from_json(fields));
    auto const parsed = parse_jobs(print_jobs(jobs));
    ASSERT_TRUE(parsed);
    ASSERT_EQ(parsed->size(), 2u);
    EXPECT_EQ(parsed->at(0).fields(), jobs[0].fields());
    EXPECT_EQ(parsed->at(1).panda_id(), 2);
    EXPECT_EQ(print_jobs(*parsed), print_jobs(jobs));
}

std::string jobs_error(std::string_view text)
{
    auto const jobs = parse_jobs(text);
    return jobs ? std::string{} : jobs.error().text();
}

TEST(Jobs, RefusesWhatIsNoJobJson)
{
    for (std::string const text :
         {"", "null", "[]", "7", "{", "{}", R"({"version": 1})", R"({"version":1,"jobs":{}})"})
        EXPECT_NE(jobs_error(text).find("job.json is no JSON object with a list of jobs"), std::string::npos)
            << text;
}

TEST(Jobs, RefusesAnotherVersion)
{
    for (std::string const text :
         {R"({"version": 3, "jobs": []})", R"({"jobs": []})", R"({"version": "1", "jobs": []})"})
        EXPECT_NE(jobs_error(text).find("another version"), std::string::npos) << text;
}

TEST(Jobs, KeepTheIdOfTheirRun)
{
    auto job = *Job::from_json(some_fields());
    EXPECT_EQ(nlohmann::json::parse(print_jobs({job}))["version"], 1) << "as it was before runs had an id";
    EXPECT_EQ(parse_jobs(print_jobs({job}))->at(0).run_id(), 0u);
    job.set_run_id(0x0a2b3c4d);
    auto const text = print_jobs({job});
    EXPECT_NE(text.find("\"run_id\": \"0a2b3c4d\""), std::string::npos) << text;
    auto const parsed = parse_jobs(text);
    ASSERT_TRUE(parsed) << parsed.error().text();
    EXPECT_EQ(parsed->at(0).run_id(), 0x0a2b3c4du);
    EXPECT_EQ(parsed->at(0).fields(), job.fields()) << "PanDA's fields stay as they came";
    EXPECT_EQ(print_jobs(*parsed), text);
    for (std::string const id :
         {"null", "7", "\"\"", "\"0a2b3c4\"", "\"0A2B3C4D\"", "\"00000000\"", "\"0x2b3c4d\""})
        EXPECT_NE(
            jobs_error(R"({"version": 2, "jobs": [{"PandaID": 5}], "run_id": )" + id + "}").find("run_id"),
            std::string::npos)
            << id;
    EXPECT_NE(jobs_error(R"({"version": 2, "jobs": [{"PandaID": 5}]})").find("run_id"), std::string::npos);
}

TEST(Jobs, RefusesAnEmptyListAndJobsThatCannotBeUsed)
{
    EXPECT_NE(jobs_error(R"({"version": 1, "jobs": []})").find("lists no job"), std::string::npos);
    EXPECT_NE(jobs_error(R"({"version": 1, "jobs": [{}]})").find("no PandaID"), std::string::npos);
    EXPECT_NE(jobs_error(R"({"version": 1, "jobs": [7]})").find("no JSON object"), std::string::npos);
}

TEST(Jobs, RefusesOnePandaIdTwice)
{
    EXPECT_NE(
        jobs_error(R"({"version": 1, "jobs": [{"PandaID": 5}, {"PandaID": "5"}]})").find("5 is there twice"),
        std::string::npos);
}

TEST(Jobs, TornAtAnyByteTheyAreRefused)
{
    auto const text = print_jobs({*Job::from_json(some_fields())});
    for (std::size_t length = 0; length + 2 < text.size(); ++length)
        EXPECT_NE(jobs_error(text.substr(0, length)), "") << length;
}

TEST(Jobs, AFieldThatIsNoUtf8DoesNotCostTheJob)
{
    auto fields = some_fields();
    fields["jobPars"] = "caf\xe9";
    auto const job = Job::from_json(fields);
    ASSERT_TRUE(job);
    auto const parsed = parse_jobs(print_jobs({*job}));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->at(0).text("jobPars"), "caf\xEF\xBF\xBD");
}

}  // namespace
}  // namespace yoda
