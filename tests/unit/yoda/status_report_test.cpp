// SPDX-License-Identifier: Apache-2.0
#include "yoda/status_report.hpp"

#include <gtest/gtest.h>

#include "support/recording_effects.hpp"

namespace yoda {
namespace {

TEST(StatusReport, ListsAtMostAThousandDroidsAndThoseInTroubleFirst)
{
    test::RecordingEffects effects;
    Dispatcher dispatcher(EventTable(), {1}, 1502, {});
    for (Rank rank = 1; rank <= 1500; ++rank)
        dispatcher.on_message(TimePoint{}, rank, {dispatcher.table().life(), 0}, Hello{"node", rank, 2},
                              effects);
    auto const status = make_status(dispatcher, TimePoint{}, {}, {});
    ASSERT_EQ(dispatcher.droid(1).state, DroidState::alive);
    EXPECT_EQ(status["droids"].size(), 1000u);
    EXPECT_EQ(status["droids_not_listed"], 501);
    EXPECT_EQ(status["droids"].back()["rank"], 1501) << "the one that never spoke";
    EXPECT_EQ(status["droids"].back()["state"], "absent");
}

TEST(StatusReport, TellsWhenTheWorkMustBeOver)
{
    StatusFacts facts;
    facts.unix_s = 5000;
    auto const now = TimePoint{} + Duration::from_s(100);
    EXPECT_FALSE(
        make_status(Dispatcher(EventTable(), {1}, 2, {}), now, facts, {}).contains("work_ends_unix_s"));
    DispatchPolicy policy;
    policy.walltime = Duration::from_s(3600);
    policy.end = TimePoint{} + policy.walltime;
    Dispatcher const dispatcher(EventTable(), {1}, 2, policy);
    // One minute is kept for sealing.
    EXPECT_EQ(make_status(dispatcher, now, facts, {})["work_ends_unix_s"], 5000 + 3600 - 60 - 100);
}

TEST(StatusReport, ListsAllWhereTheyAreFew)
{
    Dispatcher dispatcher(EventTable(), {1}, 4, {});
    auto const status = make_status(dispatcher, TimePoint{}, {}, {});
    EXPECT_EQ(status["droids"].size(), 3u);
    EXPECT_FALSE(status.contains("droids_not_listed"));
}

}  // namespace
}  // namespace yoda
