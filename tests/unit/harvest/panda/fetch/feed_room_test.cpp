// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "harvest/panda/fetch/feed_room.hpp"

namespace yoda {
namespace {

nlohmann::json working()
{
    return {{"work_ends_unix_s", 10'600},
            {"event_time_s", {{"mean", 50.0}}},
            {"droids",
             {{{"state", "alive"}, {"workers", 4}},
              {{"state", "alive"}, {"workers", 2}},
              {{"state", "lost"}, {"workers", 8}}}}};
}

TEST(FeedRoom, IsWhatTheLivingWorkersCanStillDo)
{
    EXPECT_EQ(count_events_left(working(), 0, 10'000), 12 * 6);
    EXPECT_EQ(count_events_left(working(), 1, 10'000), 12 * 6) << "what this very run measured goes first";
    EXPECT_EQ(count_events_left(working(), 0, 10'001), 11 * 6) << "an event is not done by halves";
    EXPECT_EQ(count_events_left(working(), 0, 10'600), 0);
    EXPECT_EQ(count_events_left(working(), 0, 99'999), 0);
}

TEST(FeedRoom, UsesTheConfiguredTimeUntilAnEventHasEnded)
{
    auto status = working();
    status.erase("event_time_s");
    EXPECT_EQ(count_events_left(status, 100, 10'000), 6 * 6);
    EXPECT_FALSE(count_events_left(status, 0, 10'000)) << "nobody knows";
}

TEST(FeedRoom, IsNotLimitedWithoutAWalltime)
{
    auto status = working();
    status.erase("work_ends_unix_s");
    EXPECT_FALSE(count_events_left(status, 0, 10'000));
    EXPECT_FALSE(count_events_left(nlohmann::json::object(), 1, 10'000));
}

TEST(FeedRoom, CountsDroidsThatAreNotListed)
{
    auto status = working();
    status["droids_not_listed"] = 3;
    EXPECT_EQ(count_events_left(status, 0, 10'000), 12 * 12);
    status["droids"] = nlohmann::json::array();
    EXPECT_EQ(count_events_left(status, 0, 10'000), 0);
}

}  // namespace
}  // namespace yoda
