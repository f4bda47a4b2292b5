// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "harvest/panda/wire/json_cursor.hpp"
#include "harvest/panda/wire/range_scanner.hpp"

namespace yoda {
namespace {

constexpr auto one =
    R"({"eventRangeID": "40000001-6900000001-5000001-3-3", "startEvent": 3, "lastEvent": 5, )"
    R"("LFN": "EVNT._1.root", "GUID": "B043", "scope": "mc16"})";

Result<std::vector<EventRange>> scan(std::string_view list)
{
    std::vector<EventRange> ranges;
    auto const count = scan_ranges(list, [&](RangeView const& view) -> Status {
        ranges.push_back({std::string(view.id), view.start_event, view.last_event, std::string(view.lfn),
                          std::string(view.guid), std::string(view.scope)});
        return {};
    });
    if (!count) return count.error();
    EXPECT_EQ(*count, ranges.size());
    return ranges;
}

EventRange const expected{"40000001-6900000001-5000001-3-3", 3, 5, "EVNT._1.root", "B043", "mc16"};

TEST(RangeScanner, ReadsTheShapeTheServerPrints)
{
    auto const ranges = scan("[" + std::string(one) + ", " + one + "]");
    ASSERT_TRUE(ranges);
    EXPECT_EQ(*ranges, (std::vector{expected, expected}));
    EXPECT_TRUE(scan("[]")->empty());
    EXPECT_TRUE(scan(" [ ] \n")->empty());
}

TEST(RangeScanner, TakesAnyKeyOrderAndSpacing)
{
    auto const ranges = scan(
        "[\n{\"scope\":\"mc16\",\"GUID\":\"B043\" , \"LFN\" : \"EVNT._1.root\",\"lastEvent\":5,"
        "\"startEvent\":3,\"eventRangeID\":\"40000001-6900000001-5000001-3-3\"}\n]");
    ASSERT_TRUE(ranges);
    EXPECT_EQ(ranges->at(0), expected);
}

TEST(RangeScanner, GivesWhatItDoesNotExpectToTheRealParser)
{
    auto const ranges =
        scan(R"([{"eventRangeID": "a\u002db", "startEvent": "3", "lastEvent": 5, "LFN": null,)"
             R"( "GUID": "x\"]},{", "extra": {"deep": [1, {"n": "}]"}]}}])");
    ASSERT_TRUE(ranges) << ranges.error().text();
    EXPECT_EQ(ranges->at(0), (EventRange{"a-b", 3, 5, "", "x\"]},{", ""}));
}

TEST(RangeScanner, KeepsNumbersBeyond32And53Bits)
{
    auto const ranges =
        scan(R"([{"eventRangeID": "1-9007199254740993-3-4-5", "startEvent": 9007199254740993,)"
             R"( "lastEvent": 9223372036854775807}])");
    ASSERT_TRUE(ranges);
    EXPECT_EQ(ranges->at(0).start_event, 9007199254740993);
    EXPECT_EQ(ranges->at(0).last_event, INT64_MAX);
}

TEST(RangeScanner, RefusesWhatIsNoListOfRanges)
{
    for (std::string_view const bad :
         {"", "{}", "[", "[{]", "[1]", "[{}]", "[null]", "[{\"eventRangeID\": \"x\"}]",
          "[{\"eventRangeID\": 5, \"startEvent\": 1, \"lastEvent\": 1}]",
          "[{\"eventRangeID\": \"x\", \"startEvent\": 1.5, \"lastEvent\": 2}]",
          "[{\"eventRangeID\": \"x\", \"startEvent\": 9223372036854775808, \"lastEvent\": 2}]",
          "[{\"eventRangeID\": \"x\", \"startEvent\": 1, \"lastEvent\": 2}", "[] x",
          "[{\"eventRangeID\": \"x\", \"startEvent\": 1, \"lastEvent\": 2},]"})
        EXPECT_FALSE(scan(bad)) << bad;
}

TEST(RangeScanner, AnswersCutAnywhereAreNeverTakenForWhole)
{
    std::string const whole = "[" + std::string(one) + ", " + one + "]";
    for (std::size_t bytes = 0; bytes < whole.size(); ++bytes)
        EXPECT_FALSE(scan(whole.substr(0, bytes))) << bytes;
}

TEST(RangeScanner, StopsWhereTheTakerSaysSo)
{
    int taken = 0;
    auto const count =
        scan_ranges("[" + std::string(one) + ", " + one + "]", [&](RangeView const&) -> Status {
            ++taken;
            return Error{ErrorKind::no_space, "full", {}, {}};
        });
    ASSERT_FALSE(count);
    EXPECT_EQ(count.error().kind, ErrorKind::no_space);
    EXPECT_EQ(taken, 1);
}

TEST(JsonCursor, PassesValuesOfAnyKind)
{
    for (std::string const value : {"1", "-1.5e3", "true", "null", "\"a\\\"b\"", "[]",
                                    "[1, [2, {\"x\": \"]\"}]]", "{\"a\": {\"b\": [1,2]}}"}) {
        std::string const text = value + ", 7";
        JsonCursor cursor(text);
        std::string_view taken;
        ASSERT_TRUE(cursor.take_value(taken)) << value;
        EXPECT_EQ(taken, value);
        std::int64_t seven = 0;
        EXPECT_TRUE(cursor.take(',') && cursor.take_integer(seven) && cursor.at_end()) << value;
    }
    for (std::string const bad : {"", "[1", "{\"a\": ", "\"open", "]", ","}) {
        JsonCursor cursor(bad);
        std::string_view taken;
        EXPECT_FALSE(cursor.take_value(taken)) << bad;
    }
}

}  // namespace
}  // namespace yoda
