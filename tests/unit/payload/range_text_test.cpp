// SPDX-License-Identifier: Apache-2.0
#include "payload/range_text.hpp"

#include <gtest/gtest.h>

namespace yoda::payload {
namespace {

constexpr char kUsual[] =
    R"([{"eventRangeID": "123-456-789-1-2", "startEvent": 6, "lastEvent": 10, "GUID": "BEC5", "LFN": "a.root", )"
    R"("scope": "mc15", "PFN": "/data/a b.root"}])";

TEST(RangeText, AllKeysAreRead)
{
    Range range;
    EXPECT_EQ(read_range(kUsual, range), "");
    EXPECT_EQ(range.id, "123-456-789-1-2");
    EXPECT_EQ(range.first, 6);
    EXPECT_EQ(range.last, 10);
    EXPECT_EQ(range.guid, "BEC5");
    EXPECT_EQ(range.lfn, "a.root");
    EXPECT_EQ(range.scope, "mc15");
    EXPECT_EQ(range.pfn, "/data/a b.root");
}

TEST(RangeText, CompactTextQuotedNumbersAndUnknownKeysAreFine)
{
    Range range;
    EXPECT_EQ(read_range(R"([{"new":{"a":[1,{"b":null}],"c":"x"},"eventRangeID":"i","startEvent":"1",)"
                         R"("lastEvent":"2","flag":true,"n":-1.5e+3,"empty":[],"none":{}}])",
                         range),
              "");
    EXPECT_EQ(range.first, 1);
    EXPECT_EQ(range.last, 2);
}

TEST(RangeText, NothingStaysFromTheRangeBefore)
{
    Range range;
    ASSERT_EQ(read_range(kUsual, range), "");
    EXPECT_EQ(read_range(R"([{"eventRangeID":"i","startEvent":1,"lastEvent":1}])", range), "");
    EXPECT_EQ(range.pfn + range.scope + range.guid + range.lfn, "");
}

TEST(RangeText, EscapesAreUndone)
{
    Range range;
    EXPECT_EQ(
        read_range(R"([{"eventRangeID":"a\"b\\c\/d\tÄ\u20ac\ud83d\ude00","startEvent":1,"lastEvent":1}])",
                   range),
        "");
    EXPECT_EQ(range.id, "a\"b\\c/d\t\xc3\x84\xe2\x82\xac\xf0\x9f\x98\x80");
}

TEST(RangeText, WhatIsNoRangeIsRefusedWithAReason)
{
    std::pair<char const*, char const*> const cases[] = {
        {"", "does not start"},
        {"{}", "does not start"},
        {"No more event", "does not start"},
        {"[{}]", "key"},
        {R"([{"eventRangeID":"i","startEvent":1,"lastEvent":1}] x)", "does not end"},
        {R"([{"eventRangeID":"i","startEvent":1,"lastEvent":1}, {"eventRangeID":"j"}])", "more than one"},
        {R"([{"eventRangeID":"i","startEvent":1,"lastEvent":1]])", "lastEvent"},
        {R"([{"eventRangeID":"i","startEvent":1,"lastEvent":1)", "lastEvent"},
        {R"([{"eventRangeID":"i","startEvent":1.5,"lastEvent":2}])", "startEvent"},
        {R"([{"eventRangeID":"i","startEvent":99999999999999999999,"lastEvent":2}])", "startEvent"},
        {R"([{"eventRangeID":"i","startEvent":0,"lastEvent":2}])", "no range"},
        {R"([{"eventRangeID":"i","startEvent":3,"lastEvent":2}])", "no range"},
        {R"([{"eventRangeID":"i"}])", "no range"},
        {R"([{"startEvent":1,"lastEvent":2}])", "eventRangeID is missing"},
        {R"([{"eventRangeID":"","startEvent":1,"lastEvent":2}])", "eventRangeID is missing"},
        {R"([{"eventRangeID":"\ud83d","startEvent":1,"lastEvent":2}])", "eventRangeID"},
        {R"([{"eventRangeID":"\x","startEvent":1,"lastEvent":2}])", "eventRangeID"},
        {R"([{"eventRangeID":7,"startEvent":1,"lastEvent":2}])", "eventRangeID"},
    };
    for (auto const& [text, reason] : cases) {
        Range range;
        EXPECT_NE(read_range(text, range).find(reason), std::string::npos)
            << text << " -> " << read_range(text, range);
    }
}

TEST(RangeText, EveryCutAndEveryChangedByteEndsWithAnAnswer)
{
    std::string const usual = kUsual;
    Range range;
    for (std::size_t size = 0; size < usual.size(); ++size)
        EXPECT_NE(read_range(usual.substr(0, size), range), "");
    for (std::size_t at = 0; at < usual.size(); ++at) {
        for (char const c : {'\0', '"', '\\', '[', '{', ']', '}', ',', ':', '9', '\xff'}) {
            auto changed = usual;
            changed[at] = c;
            if (read_range(changed, range).empty()) {
                EXPECT_LE(range.first, range.last) << changed;
            }
        }
    }
    EXPECT_NE(read_range(R"([{"a":)" + std::string(100'000, '['), range), "");
}

}  // namespace
}  // namespace yoda::payload
