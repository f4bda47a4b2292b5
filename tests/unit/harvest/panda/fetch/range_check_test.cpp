// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "harvest/panda/fetch/range_check.hpp"

namespace yoda {
namespace {

Job make_job()
{
    return *Job::from_json({{"PandaID", 6900000001}, {"inFiles", "a.root,b.root"}});
}

RangeView good(std::string_view id = "1-6900000001-3-1-5")
{
    return {id, 1, 2, "a.root", "G", "s"};
}

TEST(RangeChecker, LetsGoodRangesPassOnce)
{
    RangeChecker checker(make_job());
    RefusedRange refused;
    EXPECT_EQ(checker.check(good(), refused), RangeChecker::Verdict::good);
    EXPECT_EQ(checker.check(good(), refused), RangeChecker::Verdict::repeated);
    EXPECT_EQ(checker.check(good("1-6900000001-3-1-4"), refused),
              RangeChecker::Verdict::good);  // a fresh try
    EXPECT_EQ(checker.check(good("any-other id"), refused), RangeChecker::Verdict::good);
}

TEST(RangeChecker, TellsWhatCanNeverWorkFromWhatAnotherJobMayDo)
{
    auto const check = [](RangeView const& range) {
        RangeChecker checker(make_job());
        RefusedRange refused;
        EXPECT_EQ(checker.check(range, refused), RangeChecker::Verdict::refused) << range.id;
        EXPECT_FALSE(refused.why.empty());
        EXPECT_NE(refused.code, 0);
        return refused;
    };
    auto range = good();
    range.start_event = 5, range.last_event = 4;
    EXPECT_TRUE(check(range).fatal);
    range.start_event = 0;
    EXPECT_TRUE(check(range).fatal);
    range = good();
    range.last_event = 1ll << 32;
    EXPECT_TRUE(check(range).fatal);
    range = good();
    for (auto const* name : {"../a", "x/a", "a\nb", ".."}) {
        range.lfn = name;
        EXPECT_TRUE(check(range).fatal) << name;
    }
    range.lfn = "c.root";
    EXPECT_FALSE(check(range).fatal);
    range.lfn = "";
    EXPECT_FALSE(check(range).fatal);
    EXPECT_FALSE(check(good("1-5-3-1-5")).fatal);
    EXPECT_TRUE(check(good("1-\"2")).fatal);
}

TEST(RangeChecker, WhatItRefusedIsReadBack)
{
    std::vector<RefusedRange> const ranges{{"a", true, 1228, "no \"range\""}, {"b", false, 1103, "x"}};
    EXPECT_EQ(*parse_refused(print_refused(ranges)), ranges);
    EXPECT_FALSE(parse_refused("{}"));
    EXPECT_FALSE(parse_refused("{\"version\": 2, \"ranges\": []}"));
}

TEST(RangeMap, HoldsIdsOfAnyKind)
{
    RangeMap map;
    std::vector<std::string> ids;
    for (int file = 1; file <= 5; ++file)
        for (int first = 1; first <= 4000; first += 2)
            ids.push_back("40000001-6900000001-" + std::to_string(5000000000 + file) + "-" +
                          std::to_string(first) + "-" + std::to_string(first % 3 + 1));
    ids.insert(ids.end(), {"40000001-6900000009-5000001-1-3", "40000001-6900000001-5000001-1-99999999999",
                           "text", "007-1-1-1-1"});
    for (std::size_t i = 0; i < ids.size(); ++i)
        EXPECT_TRUE(map.insert(ids[i], static_cast<std::uint8_t>(i % 200))) << ids[i];
    EXPECT_EQ(map.size(), ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i) {
        EXPECT_EQ(map.find(ids[i]), i % 200) << ids[i];
        EXPECT_FALSE(map.insert(ids[i], 201));
    }
    EXPECT_FALSE(map.find("40000001-6900000001-5000000001-2-3"));
    EXPECT_FALSE(map.find("other"));
    EXPECT_FALSE(RangeMap().find("1-2-3-4-5"));
}

}  // namespace
}  // namespace yoda
