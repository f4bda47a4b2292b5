// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <random>

#include "harvest/panda/fetch/fetch_plan.hpp"

namespace yoda {
namespace {

TEST(FetchPlan, AnAllocationHoldsSoManyEventsAndNoMore)
{
    JobCapacity capacity{3600, 600, 2, 4, 100};
    EXPECT_EQ(count_events_that_fit(capacity), 30 * 8);
    capacity.seconds_per_event = 1501;  // one each, not one and a half
    EXPECT_EQ(count_events_that_fit(capacity), 8);
    capacity.seconds_per_event = 3001;
    EXPECT_EQ(count_events_that_fit(capacity), 0);
    capacity.overhead_s = 9999;
    EXPECT_EQ(count_events_that_fit(capacity), 0);
    capacity.seconds_per_event = 0;
    EXPECT_FALSE(count_events_that_fit(capacity));
}

TEST(FetchPlan, AsksInChunksUntilAnEmptyAnswer)
{
    FetchLimits limits;
    limits.chunk = 100;
    FetchPlan plan(limits, 1);
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(plan.next());
        EXPECT_EQ(plan.next()->range_count, 100);
        plan.on_ranges(0, i == 1 ? 1 : 100, 100);  // a short answer is not the end
    }
    plan.on_ranges(0, 0, 0);
    EXPECT_FALSE(plan.next());
    EXPECT_TRUE(plan.is_empty(0));
    EXPECT_EQ(plan.range_count(), 201);
}

TEST(FetchPlan, LearnsHowManyEventsARangeHasBeforeItAsksForMany)
{
    FetchLimits limits;
    limits.event_count = 1000;
    FetchPlan plan(limits, 1);
    EXPECT_EQ(plan.next()->range_count, 1);
    plan.on_ranges(0, 1, 20);
    EXPECT_EQ(plan.next()->range_count, 10);
    plan.on_ranges(0, 10, 200);
    EXPECT_EQ(plan.next()->range_count, 39);
    plan.on_ranges(0, 39, 780);
    EXPECT_FALSE(plan.next());
}

TEST(FetchPlan, OneSmallRangeDoesNotMakeItAskForTooMany)
{
    FetchLimits limits;
    limits.event_count = 10'000;
    FetchPlan plan(limits, 1);
    plan.on_ranges(0, 1, 1);  // the end of a file; all others have 100 events
    EXPECT_EQ(plan.next()->range_count, 10);
    plan.on_ranges(0, 10, 1000);
    EXPECT_EQ(plan.next()->range_count, 89);
    plan.on_ranges(0, 89, 8900);
    EXPECT_FALSE(plan.next()) << "99 events are left, less than a range has";
}

TEST(FetchPlan, AsksForNoMoreThanFitsWhereTheSizeOfRangesIsKnown)
{
    FetchLimits limits;
    limits.event_count = 1000;
    limits.events_per_range = 30;
    FetchPlan plan(limits, 1);
    EXPECT_EQ(plan.next()->range_count, 33);
    limits.event_count = 29;
    EXPECT_FALSE(FetchPlan(limits, 1).next());
}

TEST(FetchPlan, NothingFitsMeansNothingIsAskedFor)
{
    FetchLimits limits;
    limits.event_count = 0;
    EXPECT_FALSE(FetchPlan(limits, 3).next());
    limits.event_count = 4;
    EXPECT_EQ(FetchPlan(limits, 1).next()->range_count, 1);
    EXPECT_FALSE(FetchPlan({}, 0).next());
}

TEST(FetchPlan, JobsShareEvenlyAndTakeWhatAnEmptyOneLeaves)
{
    FetchLimits limits;
    limits.range_count = 90;
    FetchPlan plan(limits, 3);
    std::vector<std::int64_t> got(3);
    while (auto const next = plan.next()) {
        auto const count =
            next->job == 1 ? std::min<std::int64_t>(next->range_count, 10 - got[1]) : next->range_count;
        got[next->job] += count;
        plan.on_ranges(next->job, count, count);
    }
    EXPECT_EQ(got, (std::vector<std::int64_t>{40, 10, 40}));
}

TEST(FetchPlan, LostAnswersCountAsIfTheyWereOurs)
{
    FetchLimits limits;
    limits.range_count = 100;
    limits.chunk = 60;
    FetchPlan plan(limits, 1);
    plan.on_lost(0, 60);
    EXPECT_EQ(plan.next()->range_count, 40);
    plan.on_ranges(0, 40, 40);
    EXPECT_FALSE(plan.next());
}

TEST(FetchPlan, NeverAsksForMoreThanTheLimitWhateverComesBack)
{
    std::minstd_rand random(7);
    for (int round = 0; round < 500; ++round) {
        FetchLimits limits;
        limits.range_count = static_cast<std::int64_t>(random() % 1000);
        limits.chunk = 1 + static_cast<std::int64_t>(random() % 100);
        auto const jobs = 1 + random() % 5;
        FetchPlan plan(limits, jobs);
        int asks = 0;
        while (auto const next = plan.next()) {
            ASSERT_LT(++asks, 100000);
            ASSERT_GT(next->range_count, 0);
            ASSERT_LE(next->range_count, limits.chunk);
            auto const count =
                static_cast<std::int64_t>(random() % (static_cast<unsigned>(next->range_count) + 1));
            plan.on_ranges(next->job, count, count * 3);
            ASSERT_LE(plan.range_count(), *limits.range_count);
        }
    }
}

}  // namespace
}  // namespace yoda
