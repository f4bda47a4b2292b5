// SPDX-License-Identifier: Apache-2.0
// Answers that were not recorded: broken, hostile, or from a server that may come.
#include <gtest/gtest.h>

#include "harvest/panda/wire/form.hpp"
#include "harvest/panda/wire/job_answers.hpp"
#include "harvest/panda/wire/python_literal.hpp"
#include "harvest/panda/wire/range_answers.hpp"

namespace yoda {
namespace {

RawAnswer ok(std::string body, std::string type = "application/json")
{
    return {200, std::move(type), std::move(body)};
}

TEST(PandaAnswers, AnErrorPageOfTheFrontEndLeavesTheOutcomeOpen)
{
    std::string const page = "<!DOCTYPE html>\n<HTML><head><title>502 Bad Gateway</title></head></HTML>";
    EXPECT_EQ(read_job_update(PandaApi::classic, {502, "text/html", page}).judgement.outcome,
              PandaOutcome::unknown);
    EXPECT_EQ(read_job_update(PandaApi::classic, ok(page, "text/plain")).judgement.outcome,
              PandaOutcome::unknown);
    // 503 is the front end's own word that nothing was passed on.
    EXPECT_EQ(read_job_update(PandaApi::v1, {503, "text/html", page}).judgement.outcome, PandaOutcome::later);
    EXPECT_EQ(read_job_update(PandaApi::v1, {429, "text/plain", "slow down"}).judgement.outcome,
              PandaOutcome::later);
}

TEST(PandaAnswers, ABadTokenIsAboutWhoWeAre)
{
    auto const judgement = read_alive(PandaApi::v1, {403, "text/plain", "Token authentication failed"});
    EXPECT_EQ(judgement.outcome, PandaOutcome::refused);
    EXPECT_TRUE(judgement.credentials);
    EXPECT_FALSE(judgement.unknown_method);
}

TEST(PandaAnswers, ATimeOutInTheServerIsALossOnlyWhereSomethingIsHandedOut)
{
    EXPECT_EQ(read_jobs(PandaApi::classic, ok(R"({"StatusCode": 10})")).judgement.outcome,
              PandaOutcome::unknown);
    EXPECT_EQ(read_ranges(PandaApi::classic, ok(R"({"StatusCode": 10})")).judgement.outcome,
              PandaOutcome::unknown);
    EXPECT_EQ(read_job_update(PandaApi::classic, ok(R"({"StatusCode": 10})")).judgement.outcome,
              PandaOutcome::later);
    EXPECT_EQ(read_job_update(PandaApi::v1,
                              ok(R"({"success": true, "message": "Timed out", "data": {"StatusCode": 10}})"))
                  .judgement.outcome,
              PandaOutcome::later);
}

TEST(PandaAnswers, SuccessWithAFailedStatusCodeInsideIsNotStored)
{
    auto const answer = read_job_update(
        PandaApi::v1, ok(R"({"success": true, "message": "Database error", "data": {"StatusCode": 30}})"));
    EXPECT_EQ(answer.judgement.outcome, PandaOutcome::refused);
}

TEST(PandaAnswers, ARepairedV1UpdateIsReadAsItWasMeant)
{
    auto const answer = read_range_updates(
        PandaApi::v1, 3,
        ok(R"({"success": true, "message": "", "data": {"Returns": [true, false, null], "Commands": {"7": "softkill"}}})"));
    ASSERT_TRUE(answer.judgement.stored());
    EXPECT_EQ(answer.returns, (std::vector{RangeReturn::accepted, RangeReturn::refused, RangeReturn::later}));
    EXPECT_TRUE(answer.commands.at(7).soft_kill);
}

TEST(PandaAnswers, ReturnsOfAnotherLengthProveNothing)
{
    for (char const* body : {R"({"StatusCode": 0, "Returns": [true, true, false], "Command": {}})",
                             R"({"StatusCode": 0, "Returns": [true], "Command": {}})",
                             R"({"StatusCode": 0, "Returns": "[true, true, false]", "Command": "{}"})"}) {
        auto const answer = read_range_updates(PandaApi::classic, 2, ok(body));
        EXPECT_EQ(answer.judgement.outcome, PandaOutcome::unknown) << body;
        EXPECT_TRUE(answer.length_differs) << body;
        EXPECT_TRUE(answer.returns.empty()) << body;
    }
}

TEST(PandaAnswers, ForeignValuesInReturnsAreNotGuessed)
{
    auto const answer =
        read_range_updates(PandaApi::classic, 2, ok(R"({"StatusCode": 0, "Returns": [true, 1]})"));
    EXPECT_EQ(answer.judgement.outcome, PandaOutcome::unknown);
    EXPECT_TRUE(answer.returns.empty());
}

TEST(PandaAnswers, TruncatedAnswersAreNeverStored)
{
    std::string const jobs = R"({"StatusCode": 0, "jobs": [{"PandaID": 1}]})";
    std::string const ranges =
        R"({"StatusCode": 0, "eventRanges": [{"eventRangeID": "a", "startEvent": 1, "lastEvent": 2}]})";
    std::string const updates = R"({"StatusCode": 0, "Returns": [true], "Command": {"1": null}})";
    std::string const statuses = R"({"1": {"a": {"status": "sent", "error": null}}})";
    std::string const v1 =
        R"({"success": true, "message": "", "data": [{"eventRangeID": "a", "startEvent": 1, "lastEvent": 2}]})";
    for (std::size_t cut = 1; cut < jobs.size(); ++cut)
        EXPECT_FALSE(read_jobs(PandaApi::classic, ok(jobs.substr(0, cut))).judgement.stored()) << cut;
    for (std::size_t cut = 1; cut < ranges.size(); ++cut)
        EXPECT_FALSE(read_ranges(PandaApi::classic, ok(ranges.substr(0, cut))).judgement.stored()) << cut;
    for (std::size_t cut = 1; cut < updates.size(); ++cut)
        EXPECT_FALSE(read_range_updates(PandaApi::classic, 1, ok(updates.substr(0, cut))).judgement.stored())
            << cut;
    for (std::size_t cut = 1; cut < statuses.size(); ++cut)
        EXPECT_FALSE(
            read_range_statuses(PandaApi::classic, ok(statuses.substr(0, cut)), [](auto, auto) {}).stored());
    for (std::size_t cut = 1; cut < v1.size(); ++cut)
        EXPECT_FALSE(read_ranges(PandaApi::v1, ok(v1.substr(0, cut))).judgement.stored()) << cut;
}

TEST(PandaAnswers, NestingWithoutEndIsRefusedNotFollowed)
{
    std::string const deep(200000, '[');
    EXPECT_FALSE(read_jobs(PandaApi::classic, ok(deep)).judgement.stored());
    EXPECT_FALSE(
        read_ranges(PandaApi::classic, ok(R"({"StatusCode": 0, "eventRanges": )" + deep)).judgement.stored());
    EXPECT_FALSE(parse_python_literal(deep));
    EXPECT_FALSE(parse_python_literal(std::string(200000, '{')));
}

TEST(PandaAnswers, AnAnswerThatMayHoldAKeyIsNeverQuoted)
{
    for (auto const api : {PandaApi::classic, PandaApi::v1}) {
        auto const answer =
            read_key_pair(api, ok(R"({"StatusCode": 0, "publicKey": "p", "privateKey": "s3cret)"));
        EXPECT_FALSE(answer.judgement.stored());
        EXPECT_EQ(answer.judgement.why.find("s3cret"), std::string::npos) << answer.judgement.why;
    }
}

TEST(PandaAnswers, PandaIdsBeyond53BitsStayExact)
{
    auto const answer = read_jobs(PandaApi::classic, ok(R"({"StatusCode": 0, "PandaID": 9007199254740993})"));
    ASSERT_EQ(answer.jobs.size(), 1u);
    EXPECT_EQ(answer.jobs[0]["PandaID"].get<std::int64_t>(), 9007199254740993);
}

TEST(PandaAnswers, AJobWithoutANumberMakesTheAnswerUnknown)
{
    EXPECT_EQ(
        read_jobs(PandaApi::classic, ok(R"({"StatusCode": 0, "jobs": [{"taskID": 1}]})")).judgement.outcome,
        PandaOutcome::unknown);
}

TEST(PandaAnswers, StatusesOfOneAndOfSeveralJobsAreStreamed)
{
    std::map<std::string, std::string> seen;
    auto const take = [&](std::string_view id, std::string_view status) { seen[std::string(id)] = status; };
    ASSERT_TRUE(
        read_range_statuses(PandaApi::v1,
                            ok(R"({"success": true, "message": "", "data": {"1": {"a": {"status": "sent"}},)"
                               R"( "2": {"b": {"error": 5, "status": "finished"}}, "3": {}}})"),
                            take)
            .stored());
    EXPECT_EQ(seen, (std::map<std::string, std::string>{{"a", "sent"}, {"b", "finished"}}));
    EXPECT_TRUE(read_range_statuses(PandaApi::classic, ok("{}"), take).stored());
}

TEST(PandaCommands, SeveralMayComeAtOnceAndUnknownOnesAreKept)
{
    auto const commands = parse_commands("debug, tobekilled,nocleanup");
    EXPECT_TRUE(commands.debug && commands.to_be_killed && commands.job_gone());
    EXPECT_EQ(commands.others, std::vector<std::string>{"nocleanup"});
    EXPECT_FALSE(parse_commands("NULL").any());
    EXPECT_FALSE(parse_commands("").any());
    EXPECT_TRUE(parse_commands("badattemptnr").job_gone());
    EXPECT_FALSE(parse_commands("softkill").job_gone());
}

TEST(PythonLiteral, ReadsWhatReprPrints)
{
    EXPECT_EQ(*parse_python_literal("[True, False, None]"), nlohmann::json::parse("[true, false, null]"));
    EXPECT_EQ(*parse_python_literal("{6900000001: None, 'a': 'it\\'s', \"b\": -1.5, 'c': ()}"),
              nlohmann::json::parse(R"({"6900000001": null, "a": "it's", "b": -1.5, "c": []})"));
    EXPECT_EQ(*parse_python_literal("{'Returns', '[true]'}"),
              nlohmann::json::parse(R"(["Returns", "[true]"])"));
    for (auto const* bad :
         {"", "[", "[True", "{1: }", "{1 2}", "'open", "hello", "[True] x", "[1,,2]", "'\\x41'"})
        EXPECT_FALSE(parse_python_literal(bad)) << bad;
}

TEST(Form, GoesBothWays)
{
    FormFields const fields{{"a", "1 2"}, {"b", "x&y=z+%"}, {"c", ""}, {"d", "\xc3\xa4\n"}};
    auto const text = print_form(fields);
    EXPECT_EQ(text, "a=1+2&b=x%26y%3Dz%2B%25&c=&d=%C3%A4%0A");
    EXPECT_EQ(*parse_form(text), fields);
    EXPECT_EQ(print_query({{"q", "a b+c"}}), "q=a%20b%2Bc");
    for (auto const* bad : {"", "hello", "a b=c", "=1", "a=1&", "production or pilot role is required"})
        EXPECT_FALSE(parse_form(bad)) << bad;
    EXPECT_EQ(parse_form("a=%4")->at(0).second, "%4");
}

}  // namespace
}  // namespace yoda
