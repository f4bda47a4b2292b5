// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "harvest/panda/wire/form.hpp"
#include "harvest/panda/wire/requests.hpp"

namespace yoda {
namespace {

using nlohmann::json;

TEST(PandaRequests, GetJobHasTheFieldsOfEachInterface)
{
    JobQuery query;
    query.site = "TEST_HPC";
    query.node = "nid00001";
    query.job_count = 2;
    query.task_id = 40000001;
    query.memory_mb = 2000;
    query.background = true;
    auto const classic = make_get_jobs(PandaApi::classic, query);
    EXPECT_EQ(classic.path, "/server/panda/getJob");
    EXPECT_EQ(classic.body,
              "siteName=TEST_HPC&prodSourceLabel=managed&node=nid00001&taskID=40000001&mem=2000&nJobs=2&"
              "background=True");
    auto const v1 = make_get_jobs(PandaApi::v1, query);
    EXPECT_EQ(v1.path, "/api/v1/pilot/acquire_jobs");
    EXPECT_EQ(v1.content_type, "application/json");
    EXPECT_EQ(json::parse(v1.body),
              json::parse(R"({"site_name": "TEST_HPC", "prod_source_label": "managed", "node": "nid00001",
        "task_id": 40000001, "memory": 2000, "n_jobs": 2, "background": true})"));
    EXPECT_EQ(v1.kind, CallKind::take);
}

TEST(PandaRequests, GetEventRangesAlwaysHasTheJobset)
{
    RangeQuery query{6900000001, 6900000002, 40000001, 500, false, {}};
    EXPECT_EQ(make_get_ranges(PandaApi::classic, query).body,
              "pandaID=6900000001&jobsetID=6900000002&taskID=40000001&nRanges=500");
    EXPECT_EQ(
        json::parse(make_get_ranges(PandaApi::v1, query).body),
        json::parse(
            R"({"job_id": 6900000001, "jobset_id": 6900000002, "task_id": 40000001, "n_ranges": 500})"));
    query.scattered = true;
    query.segment_id = 5;
    EXPECT_TRUE(make_get_ranges(PandaApi::classic, query).body.ends_with("&scattered=True&segment_id=5"));
}

TEST(PandaRequests, V1QuestionsAreGetsWithAQuery)
{
    EXPECT_EQ(make_count_ranges(PandaApi::v1, 1, 2, 3).path,
              "/api/v1/event/get_available_event_range_count?job_id=1&jobset_id=2&task_id=3");
    EXPECT_EQ(make_range_statuses(PandaApi::v1, {{40000001, 6900000001}}).path,
              "/api/v1/event/"
              "get_event_range_statuses?job_task_ids=%5B%7B%22panda_id%22%3A6900000001%2C%22task_id%22%"
              "3A40000001%7D%5D");
    EXPECT_EQ(make_job_states(PandaApi::v1, {1, 12}).path,
              "/api/v1/pilot/get_job_status?job_ids=1&job_ids=12");
    EXPECT_EQ(make_alive(PandaApi::v1).method, "GET");
    EXPECT_EQ(make_alive(PandaApi::classic).method, "POST");
}

TEST(PandaRequests, UpdateJobSendsOnlyWhatTheServerKnowsAndOnlyNumbersWhereItWantsThem)
{
    JobUpdate const update{6900000001,
                           "running",
                           {{"coreCount", "eight"},  // StatusCode 30
                            {"avgRSS", "lots"},      // HTTP 500
                            {"colour", "red"},       // HTTP 500
                            {"nEvents", "4"},
                            {"maxRSS", "1000000"},
                            {"timestamp", "2026-11-21T23:00:00+00:00"},
                            {"batchID", std::string(100, 'b')},
                            {"pilotErrorDiag", std::string(600, 'x')},
                            {"metaData", "a\nb"}}};
    auto const fields = *parse_form(make_update_job(PandaApi::classic, update).body);
    std::map<std::string, std::string> const sent(fields.begin(), fields.end());
    EXPECT_EQ(sent.at("jobId"), "6900000001");
    EXPECT_EQ(sent.at("state"), "running");
    EXPECT_EQ(sent.at("nEvents"), "4");
    EXPECT_EQ(sent.at("batchID").size(), 80u);
    EXPECT_EQ(sent.at("pilotErrorDiag").size(), 500u);
    EXPECT_EQ(sent.at("metaData"), "a\nb");
    for (auto const* absent : {"coreCount", "avgRSS", "colour"})
        EXPECT_FALSE(sent.contains(absent)) << absent;

    auto const v1 = json::parse(make_update_job(PandaApi::v1, update).body);
    EXPECT_EQ(v1["job_id"], 6900000001);
    EXPECT_EQ(v1["job_status"], "running");
    EXPECT_EQ(v1["n_events"], 4);
    EXPECT_EQ(v1["max_rss"], 1000000);
    EXPECT_FALSE(v1.contains("core_count") || v1.contains("timestamp") || v1.contains("colour"));
}

TEST(PandaRequests, BulkUpdatesAreAListOfTheSame)
{
    std::vector<JobUpdate> const updates{{1, "running", {{"attemptNr", "2"}}}, {12, "starting", {}}};
    auto const classic = *parse_form(make_update_jobs_bulk(PandaApi::classic, updates, "h").body);
    EXPECT_EQ(classic[0].first, "jobList");
    EXPECT_EQ(
        json::parse(classic[0].second),
        json::parse(
            R"([{"jobId": 1, "state": "running", "attemptNr": 2}, {"jobId": 12, "state": "starting"}])"));
    EXPECT_EQ(classic[1], (std::pair<std::string, std::string>("harvester_id", "h")));
    EXPECT_EQ(json::parse(make_update_jobs_bulk(PandaApi::v1, updates, "").body),
              json::parse(R"({"job_list": [{"job_id": 1, "job_status": "running", "attempt_nr": 2},
                                           {"job_id": 12, "job_status": "starting"}]})"));
}

TEST(PandaRequests, RangesGoWithTheirBundleAndErrorsWithoutOne)
{
    std::vector<UpdateChunk> chunks(3);
    chunks[0].zip = ZipFile{"EventService_premerge_1.tar", 117, 1000, 73400320, "0d2a9dc9", 2};
    chunks[0].ranges = {{"1-2-3-4-5", "finished", 0, "", {}, {}}, {"1-2-3-5-5", "finished", 0, "", {}, {}}};
    chunks[2].ranges = {{"1-2-3-6-5", "failed", 1220, "said \"no\"\n", {}, {}}};
    EXPECT_EQ(print_range_updates(1, chunks),
              R"([{"zipFile": {"lfn": "EventService_premerge_1.tar", "objstoreID": 117, "fsize": 73400320, )"
              R"("adler32": "0d2a9dc9", "numEvents": 2, "pathConvention": 1000}, "eventRanges": [)"
              R"({"eventRangeID": "1-2-3-4-5", "eventStatus": "finished"}, )"
              R"({"eventRangeID": "1-2-3-5-5", "eventStatus": "finished"}]}, )"
              R"({"eventRanges": [{"eventRangeID": "1-2-3-6-5", "eventStatus": "failed", "errorCode": 1220, )"
              R"("errorDiag": "said \"no\" "}]}])");
    chunks.resize(1);
    chunks[0].zip.reset();
    chunks[0].ranges = {{"1-2-3-4-5", "finished", 0, "", 117, 1000}};
    EXPECT_EQ(
        print_range_updates(0, chunks),
        R"([{"eventRangeID": "1-2-3-4-5", "eventStatus": "finished", "objstoreID": 117, "pathConvention": 1000}])");
    EXPECT_EQ(print_range_updates(1, {}), "[]");
}

TEST(PandaRequests, TheListOfRangesIsATextInsideV1sJson)
{
    auto const request = make_update_ranges(PandaApi::v1, 1, "[]");
    EXPECT_EQ(json::parse(request.body), json::parse(R"({"event_ranges": "[]", "version": 1})"));
    EXPECT_EQ(make_update_ranges(PandaApi::classic, 1, "[]").body, "eventRanges=%5B%5D&version=1");
}

TEST(PandaRequests, TextsAreCutByCharactersAndNeverInTheMiddleOfOne)
{
    std::string many;
    for (int i = 0; i < 600; ++i) many += "\xc3\xa4";
    EXPECT_EQ(clean_text(many, 500).size(), 1000u);
    EXPECT_EQ(clean_text(std::string("a\0b\nc\x7f", 6), 500), "a b c ");
    EXPECT_EQ(clean_text("a\xff\xc0\xaf\xed\xa0\x80z", 500), "a      z");  // never valid UTF-8
    EXPECT_EQ(clean_text("\xf0\x9f\x98\x80!", 1), "\xf0\x9f\x98\x80");
    EXPECT_EQ(clean_text("\xe2\x82", 500), "  ");
}

}  // namespace
}  // namespace yoda
