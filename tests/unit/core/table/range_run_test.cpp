// SPDX-License-Identifier: Apache-2.0
#include "core/table/range_run.hpp"

#include <gtest/gtest.h>

#include <random>

namespace yoda {
namespace {

/// A run of one: range `begin`, events first..first+4, of file 0.
RangeRun one(RangeIndex begin, std::uint32_t first, std::uint32_t process_id)
{
    return {.begin = begin,
            .count = 1,
            .first = first,
            .events = 5,
            .process_id = process_id,
            .attempt = 10,
            .hand_out = 1};
}

std::vector<RangeRun> runs_of(std::vector<RangeRun> const& singles, std::uint32_t max_count = 100)
{
    std::vector<RangeRun> runs;
    for (auto const& single : singles) append_run(single, runs, 0, max_count);
    return runs;
}

TEST(RangeRun, RegularRangesAreOneRun)
{
    auto const runs = runs_of({one(7, 1, 1), one(8, 6, 6), one(9, 11, 11)});
    ASSERT_EQ(runs.size(), 1u);
    EXPECT_EQ(runs[0].count, 3u);
    EXPECT_EQ(runs[0].stride, 5u);
    EXPECT_EQ(runs[0].process_stride, 5u);
    EXPECT_EQ(runs[0].first_event(2), 11u);
    EXPECT_EQ(runs[0].last_event(2), 15u);
    EXPECT_EQ(runs[0].process(2), 11u);
}

TEST(RangeRun, WhatBreaksTheRegularityBeginsANewRun)
{
    auto const base = std::vector{one(7, 1, 1), one(8, 6, 6)};
    auto next = one(9, 11, 11);
    auto const breaks = [&](RangeRun const& odd) {
        auto singles = base;
        singles.push_back(odd);
        return runs_of(singles).size() == 2;
    };
    EXPECT_FALSE(breaks(next));
    auto odd = next;
    odd.begin = 10;
    EXPECT_TRUE(breaks(odd)) << "a gap";
    odd = next;
    odd.file = 1;
    EXPECT_TRUE(breaks(odd));
    odd = next;
    odd.first = 12;
    EXPECT_TRUE(breaks(odd));
    odd = next;
    odd.events = 4;
    EXPECT_TRUE(breaks(odd));
    odd = next;
    odd.process_id = 10;
    EXPECT_TRUE(breaks(odd));
    odd = next;
    odd.attempt = 9;
    EXPECT_TRUE(breaks(odd));
    odd = next;
    odd.hand_out = 2;
    EXPECT_TRUE(breaks(odd));
}

TEST(RangeRun, ARunHasABound)
{
    std::vector<RangeRun> singles;
    for (std::uint32_t i = 0; i < 10; ++i) singles.push_back(one(i, 1 + 5 * i, 1 + i));
    auto const runs = runs_of(singles, 4);
    ASSERT_EQ(runs.size(), 3u);
    EXPECT_EQ(runs[0].count, 4u);
    EXPECT_EQ(runs[2].count, 2u);
    EXPECT_EQ(runs_of(singles, 1).size(), 10u);
}

TEST(RangeRun, EarlierRunsAreLeftAlone)
{
    std::vector<RangeRun> runs{one(7, 1, 1)};
    append_run(one(8, 6, 2), runs, 1, 100);
    EXPECT_EQ(runs.size(), 2u);
    append_run(one(9, 11, 3), runs, 1, 100);
    EXPECT_EQ(runs.size(), 2u);
    EXPECT_EQ(runs[1].count, 2u);
}

TEST(RangeRun, EventsMayRunBackwards)
{
    auto const runs = runs_of({one(7, 101, 9), one(8, 96, 8), one(9, 91, 7)});
    ASSERT_EQ(runs.size(), 1u);
    EXPECT_EQ(runs[0].first_event(2), 91u);
    EXPECT_EQ(runs[0].process(2), 7u);
}

TEST(RangeRun, SaysOfEveryRangeWhatWentIn)
{
    for (unsigned seed = 0; seed < 50; ++seed) {
        std::mt19937 random(seed);
        std::vector<RangeRun> singles;
        RangeIndex begin = 0;
        for (int i = 0; i < 200; ++i) {
            begin += random() % 5 == 0 ? 3 : 1;
            auto single = one(begin, begin * 5, begin);
            if (random() % 4 == 0) single.first = static_cast<std::uint32_t>(random());
            if (random() % 4 == 0) single.process_id = static_cast<std::uint32_t>(random());
            if (random() % 8 == 0) single.events = 1 + static_cast<std::uint32_t>(random() % 3);
            if (random() % 8 == 0) single.hand_out = 2;
            singles.push_back(single);
        }
        std::size_t at = 0;
        for (auto const& run : runs_of(singles, 16)) {
            ASSERT_LE(run.count, 16u);
            for (std::uint32_t i = 0; i < run.count; ++i, ++at) {
                auto const& single = singles.at(at);
                ASSERT_EQ(run.begin + i, single.begin);
                ASSERT_EQ(run.first_event(i), single.first);
                ASSERT_EQ(run.last_event(i), single.first + single.events - 1);
                ASSERT_EQ(run.process(i), single.process_id);
                ASSERT_EQ(run.hand_out, single.hand_out);
                ASSERT_EQ(run.attempt, single.attempt);
            }
        }
        EXPECT_EQ(at, singles.size());
    }
}

}  // namespace
}  // namespace yoda
