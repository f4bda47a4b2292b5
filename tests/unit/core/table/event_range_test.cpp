// SPDX-License-Identifier: Apache-2.0
#include "core/table/event_range.hpp"

#include <gtest/gtest.h>

namespace yoda {
namespace {

TEST(RangeId, FiveNumbersArePrintedWithDashes)
{
    EXPECT_EQ((RangeId{38542011, 6123456789, 24567890123, 17, 10}.text()),
              "38542011-6123456789-24567890123-17-10");
}

TEST(RangeId, ParsingGivesTheNumbersBack)
{
    for (RangeId const& id : {RangeId{38542011, 6123456789, 24567890123, 17, 10}, RangeId{0, 0, 0, 0, 0},
                              RangeId{INT64_MAX, 1, 2, 3, INT64_MAX}}) {
        auto const parsed = RangeId::parse(id.text());
        ASSERT_TRUE(parsed) << id.text();
        EXPECT_EQ(*parsed, id);
    }
}

TEST(RangeId, RefusesWhatWouldNotPrintTheSameAgain)
{
    for (std::string const text :
         {"", "1", "1-2-3-4", "1-2-3-4-5-6", "1-2-3-4-", "-1-2-3-4-5", "1--2-3-4-5", "1-2-3-4-5 ",
          " 1-2-3-4-5", "+1-2-3-4-5", "01-2-3-4-5", "1-2-3-4-05", "1-2-3-4-5x", "1-2-x-4-5", "1-2-3-4-0x5",
          "1_2_3_4_5", "9223372036854775808-2-3-4-5", "1-2-3-4-99999999999999999999", "00-2-3-4-5"})
        EXPECT_FALSE(RangeId::parse(text)) << text;
    EXPECT_FALSE(RangeId::parse(std::string_view("1-2-3-4-5\0", 10)));
}

TEST(RangeId, DoesNotReadBeyondItsText)
{
    std::string const text = "1-2-3-4-567";
    auto const parsed = RangeId::parse(std::string_view(text).substr(0, 9));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->attempt, 5);
}

EventRange some_range()
{
    return {"38542011-6123456789-24567890123-17-10", 17, 20, "EVNT.1._000615.pool.root.1", "GUID-1", "mc23"};
}

TEST(RangeText, IsOneLineOfPlainJson)
{
    auto const text = print_range_text(some_range(), "/data/EVNT.1");
    ASSERT_TRUE(text);
    EXPECT_EQ(
        *text,
        R"([{"eventRangeID": "38542011-6123456789-24567890123-17-10", "startEvent": 17, "lastEvent": 20, )"
        R"("GUID": "GUID-1", "LFN": "EVNT.1._000615.pool.root.1", "scope": "mc23", "PFN": "/data/EVNT.1"}])");
}

TEST(RangeText, LeavesOutWhatIsNotKnown)
{
    auto range = some_range();
    range.scope.clear();
    auto const text = print_range_text(range, "");
    ASSERT_TRUE(text);
    EXPECT_EQ(text->find("scope"), std::string::npos);
    EXPECT_EQ(text->find("PFN"), std::string::npos);
}

TEST(RangeText, ColonsAreFine)
{
    EXPECT_TRUE(print_range_text(some_range(), "root://host:1094//path/f"));
}

TEST(RangeText, RefusesWhatAPayloadWouldMisread)
{
    for (std::string const bad : {",", "\"", "'", "\\", "\n", "\t", "\x7f", "\xc3\xa4"}) {
        for (auto const field : {&EventRange::id, &EventRange::lfn, &EventRange::guid, &EventRange::scope}) {
            auto range = some_range();
            range.*field += bad;
            EXPECT_FALSE(print_range_text(range, "/data/f")) << bad;
        }
        EXPECT_FALSE(print_range_text(some_range(), "/data" + bad)) << bad;
    }
    EXPECT_FALSE(fits_range_text(std::string_view("a\0b", 3)));
}

TEST(PlainFileName, TakesWhatCanBeTheLastPartOfAPath)
{
    for (std::string const name : {"a", "EVNT.1._000615.pool.root.1", "..a", "a b", ".hidden", "\xc3\xa4"})
        EXPECT_TRUE(is_plain_file_name(name)) << name;
    EXPECT_TRUE(is_plain_file_name(std::string(255, 'x')));
}

TEST(PlainFileName, RefusesWhatLeadsElsewhere)
{
    for (std::string const name : {"", ".", "..", "a/b", "/a", "a/", "a\nb", "a\rb"})
        EXPECT_FALSE(is_plain_file_name(name)) << name;
    EXPECT_FALSE(is_plain_file_name(std::string_view("a\0b", 3)));
    EXPECT_FALSE(is_plain_file_name(std::string(256, 'x')));
}

}  // namespace
}  // namespace yoda
