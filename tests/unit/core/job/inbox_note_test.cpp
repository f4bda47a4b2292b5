// SPDX-License-Identifier: Apache-2.0
#include "core/job/inbox_note.hpp"

#include <gtest/gtest.h>

namespace yoda {
namespace {

std::string error_of(std::string_view text)
{
    auto const note = inbox::parse(text);
    return note ? std::string{} : note.error().text();
}

TEST(InboxNote, MoreRangesAreRangesOfAJob)
{
    auto const note = inbox::parse(
        R"({"version": 1, "type": "more_ranges", "PandaID": 200, "ranges": [
            {"eventRangeID": "1-200-3-4-5", "startEvent": 4, "lastEvent": 8, "LFN": "l", "GUID": "g", "scope": "s"},
            {"eventRangeID": "x", "startEvent": 1, "lastEvent": 1}]})");
    ASSERT_TRUE(note);
    auto const& more = std::get<inbox::MoreRanges>(*note);
    EXPECT_EQ(more.panda_id, 200);
    ASSERT_EQ(more.ranges.size(), 2u);
    EXPECT_EQ(more.ranges[0], (EventRange{"1-200-3-4-5", 4, 8, "l", "g", "s"}));
    EXPECT_EQ(more.ranges[1], (EventRange{"x", 1, 1, "", "", ""}));
}

TEST(InboxNote, TheOtherTypesAreUnderstood)
{
    EXPECT_TRUE(std::holds_alternative<inbox::Closed>(*inbox::parse(R"({"version": 1, "type": "closed"})")));
    EXPECT_TRUE(std::holds_alternative<inbox::Drain>(*inbox::parse(R"({"version": 1, "type": "drain"})")));
    EXPECT_EQ(std::get<inbox::JobKilled>(*inbox::parse(R"({"version":1,"type":"job_killed","PandaID":7})"))
                  .panda_id,
              7);
    for (std::string const name : {"NAME", "NAME.tar"}) {
        auto const note = inbox::parse(R"({"version":1,"type":"bundle_lost","bundle":")" + name + "\"}");
        EXPECT_EQ(std::get<inbox::BundleLost>(*note).bundle, "NAME");
    }
}

TEST(InboxNote, RefusesWhatCannotBeApplied)
{
    for (
        std::string const text :
        {"", "null", "[]", "{}", "{", R"({"version": 2, "type": "closed"})", R"({"version": 1})",
         R"({"version": 1, "type": "unheard of"})", R"({"version": 1, "type": 5})",
         R"({"version": 1, "type": "job_killed"})", R"({"version": 1, "type": "job_killed", "PandaID": "x"})",
         R"({"version": 1, "type": "bundle_lost"})", R"({"version": 1, "type": "more_ranges", "PandaID": 1})",
         R"({"version": 1, "type": "more_ranges", "PandaID": 1, "ranges": [{}]})",
         R"({"version": 1, "type": "more_ranges", "PandaID": 1, "ranges": [5]})",
         R"({"version": 1, "type": "more_ranges", "PandaID": 1, "ranges": [{"eventRangeID": 5, "startEvent": 1, "lastEvent": 1}]})"})
        EXPECT_NE(error_of(text).find("inbox note cannot be applied"), std::string::npos) << text;
}

TEST(InboxNote, AnotherVersionIsNamed)
{
    EXPECT_NE(error_of(R"({"version": 9, "type": "closed"})").find("it has version 9, this program reads 1"),
              std::string::npos);
}

}  // namespace
}  // namespace yoda
