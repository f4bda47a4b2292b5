// SPDX-License-Identifier: Apache-2.0
#include "droid/athenamp/dialogue.hpp"

#include <gtest/gtest.h>

namespace yoda::athenamp {
namespace {

Failure failure_of(std::string_view body)
{
    auto message = read_message(body);
    auto* const failure = std::get_if<Failure>(&message);
    if (!failure) ADD_FAILURE() << body << " is not read as a failure";
    return failure ? *failure : Failure{};
}

ResultLine result_of(std::string_view body)
{
    auto message = read_message(body);
    auto* const result = std::get_if<ResultLine>(&message);
    if (!result) ADD_FAILURE() << body << " is not read as a result";
    return result ? *result : ResultLine{};
}

TEST(AthenaDialogue, RequestIsKnownByItsWordsWithAnyTerminator)
{
    using namespace std::string_view_literals;
    for (auto const body :
         {"Ready for events"sv, "Ready for events\0"sv, "Ready for events\n"sv, "Ready for events\n\0"sv})
        EXPECT_TRUE(std::holds_alternative<Ready>(read_message(body)));
}

TEST(AthenaDialogue, ResultIsReadInAllDialects)
{
    using namespace std::string_view_literals;
    auto const now = result_of("/a/worker_0/HITS.1_000.1-2-3-4-5,ID:1-2-3-4-5,CPU:12,WALL:34"sv);
    EXPECT_EQ(now.paths, std::vector<std::string>{"/a/worker_0/HITS.1_000.1-2-3-4-5"});
    EXPECT_EQ(now.range_id, "1-2-3-4-5");
    EXPECT_EQ(now.cpu_ms, 12'000u);
    EXPECT_EQ(now.wall_ms, 34'000u);
    auto const bare = result_of("/a/x.1-2-3-4-5,1-2-3-4-5,CPU:0.5,WALL:1\0"sv);
    EXPECT_EQ(bare.range_id, "1-2-3-4-5");
    EXPECT_EQ(bare.cpu_ms, 500u);
    auto const threads = result_of("/a/x,ID:r,CPU:N/A,WALL:N/A\n"sv);
    EXPECT_EQ(threads.cpu_ms, 0u);
    EXPECT_EQ(threads.wall_ms, 0u);
    auto const several = result_of("/a/x,/a/y,/a/z,ID:r,CPU:1,WALL:1"sv);
    EXPECT_EQ(several.paths, (std::vector<std::string>{"/a/x", "/a/y", "/a/z"}));
    EXPECT_EQ(result_of("/a/x,/a/y,r,CPU:1,WALL:1"sv).range_id, "r");
}

TEST(AthenaDialogue, EveryErrorHasItsCodeAndRange)
{
    struct Case {
        std::string_view body;
        std::string_view id;
        std::uint16_t code;
        FailKind kind;
        bool ends;
    };
    auto const failed = FailKind::failed, fatal = FailKind::fatal;
    for (auto const& [body, id, error_code, kind, ends] : {
             Case{"ERR_ATHENAMP_PROCESS 1-2-3-4-5: Not found in the input file", "1-2-3-4-5", 1220, failed,
                  false},
             Case{"ERR_ATHENAMP_PROCESS 1-2-3-4-5: Seek failed", "1-2-3-4-5", 1220, failed, false},
             Case{"ERR_ATHENAMP_PROCESS 1-2-3-4-5: Failed to process event range", "1-2-3-4-5", 1220, failed,
                  false},
             Case{"ERR_ATHENAMP_PROCESS 1-2-3-4-5: Failed to make output file", "1-2-3-4-5", 1220, failed,
                  false},
             Case{"ERR_ATHENAMP_PROCESS 1-2-3-4-5: Failed to set input file", "1-2-3-4-5", 1220, failed,
                  false},
             Case{"ERR_ATHENAMP_PROCESS : Failed to process event range", "", 1220, failed, false},
             Case{"ERR_ATHENAMP_PROCESS Ready for events", "", 1220, failed, false},
             Case{"ERR_ATHENAMP_PARSE \"\"eventRangeID\": \"1-2-3-4-5\", \"startEvent\": 1\": Wrong format",
                  "1-2-3-4-5", 1220, failed, false},
             Case{"ERR_ATHENAMP_PARSE \"u'eventRangeID': u'1-2-3-4-5', u'x': 1\": Wrong values of range "
                  "fields",
                  "1-2-3-4-5", 1220, failed, false},
             Case{"ERR_ATHENAMP_PARSE \"eventRangeID:1-2-3-4-5\": Unable to dyn-cast the event selector to "
                  "IProperty",
                  "1-2-3-4-5", 1220, failed, false},
             Case{"ERR_ATHENAMP_PARSE \"junk\": Wrong format", "", 1220, failed, false},
             Case{"ERR_TE_RANGE 1-2-3-4-5: Range contains wrong positional number 5001", "1-2-3-4-5", 1220,
                  failed, false},
             Case{"ERR_TE_FATAL 1-2-3-4-5: CURL curl_easy_perform() failed! Couldn't resolve host name",
                  "1-2-3-4-5", 1233, fatal, true},
             Case{"ERR_TE_FATAL 1-2-3-4-5: URL Error 404 not found", "1-2-3-4-5", 1230, fatal, true},
             Case{"ERR_TE_FATAL 1-2-3-4-5: URL Error 500 Invalid GUID length", "1-2-3-4-5", 1231, fatal,
                  true},
             Case{"ERR_TE_FATAL 1-2-3-4-5: URL No tokens for GUID ABC", "1-2-3-4-5", 1232, fatal, true},
             Case{"ERR_TE_FATAL 1-2-3-4-5: something else", "1-2-3-4-5", 1229, fatal, true},
             Case{"ERR_TE_FATAL : something else", "", 1229, fatal, true},
             Case{"ERR_ATHENAMP_FATAL a.b_c-1: it is over", "a.b_c-1", 1228, fatal, true},
         }) {
        SCOPED_TRACE(body);
        auto const failure = failure_of(body);
        EXPECT_EQ(failure.range_id, id);
        EXPECT_EQ(failure.error_code, error_code);
        EXPECT_EQ(failure.kind, kind);
        EXPECT_EQ(failure.ends_payload, ends);
        EXPECT_EQ(failure.text, body);
    }
}

TEST(AthenaDialogue, RangeWithoutWhatThePayloadNeedsIsNotSent)
{
    EventRange range{"1-2-3-4-5", 4, 4, "EVNT.1", "G1", "mc"};
    EXPECT_TRUE(print_for_athena(range, "/data/EVNT.1", false));
    EXPECT_TRUE(print_for_athena(range, "", false)) << "numbers may run over all files";
    auto const no_place = print_for_athena(range, "", true);
    ASSERT_FALSE(no_place);
    EXPECT_NE(no_place.error().text().find("PFN"), std::string::npos);
    range.guid.clear();
    auto const no_guid = print_for_athena(range, "/data/EVNT.1", false);
    ASSERT_FALSE(no_guid);
    EXPECT_NE(no_guid.error().text().find("1-2-3-4-5"), std::string::npos);
    EXPECT_NE(no_guid.error().text().find("no GUID"), std::string::npos);
    EXPECT_TRUE(print_for_athena(range, "/data/EVNT.1", true)) << "AthenaMT takes the file by its place";
    range.id.clear();
    EXPECT_FALSE(print_for_athena(range, "/data/EVNT.1", true));
}

TEST(AthenaDialogue, NonsenseIsNeitherRequestNorResult)
{
    for (std::string_view const body :
         {"", "hello", "/a/x,ID:r", "/a/x,ID:,CPU:1,WALL:1", "/Ready for events", "1234"})
        EXPECT_TRUE(std::holds_alternative<Unknown>(read_message(body))) << body;
}

}  // namespace
}  // namespace yoda::athenamp
