// SPDX-License-Identifier: Apache-2.0
#include "core/table/ready_ranges.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace yoda {
namespace {

/// What take() gives until nothing is left, `max_count` at a time.
std::vector<RangeIndex> take_all(ReadyRanges& ready, FileIndex& file, std::uint32_t max_count = 100,
                                 std::vector<bool> const& blocked = {})
{
    std::vector<RangeIndex> taken;
    for (auto part = ready.take(file, max_count, blocked); part.count > 0;
         part = ready.take(file, max_count, blocked)) {
        for (std::uint32_t i = 0; i < part.count; ++i) taken.push_back(part.begin + i);
    }
    return taken;
}

TEST(ReadyRanges, GivesNothingWhenEmpty)
{
    ReadyRanges ready;
    FileIndex file = none;
    EXPECT_EQ(ready.take(file, 5).count, 0u);
    EXPECT_EQ(file, none);
}

TEST(ReadyRanges, GivesNoMoreThanWanted)
{
    ReadyRanges ready;
    ready.add(0, 0, {10, 5}, false);
    FileIndex file = none;
    auto const taken = ready.take(file, 2);
    EXPECT_EQ(taken.begin, 10u);
    EXPECT_EQ(taken.count, 2u);
    EXPECT_EQ(file, 0u);
    EXPECT_EQ(ready.take(file, 0).count, 0u);
    EXPECT_EQ(ready.take(file, 100).begin, 12u);
}

TEST(ReadyRanges, KeepsTheOrderOfNewRanges)
{
    ReadyRanges ready;
    for (RangeIndex range = 0; range < 6; ++range) ready.add(0, 0, {range, 1}, false);
    FileIndex file = none;
    EXPECT_EQ(ready.take(file, 100).count, 6u) << "neighbours are one interval";
    EXPECT_EQ(ready.take(file, 100).count, 0u);
}

TEST(ReadyRanges, WhatComesBackIsFirst)
{
    ReadyRanges ready;
    ready.add(0, 0, {0, 10}, false);
    FileIndex file = none;
    ready.take(file, 4);
    ready.add(0, 0, {1, 1}, true);
    EXPECT_EQ(ready.take(file, 1).begin, 1u);
    EXPECT_EQ(ready.take(file, 1).begin, 4u);
}

TEST(ReadyRanges, ReturnedNeighboursBecomeOneInterval)
{
    ReadyRanges ready;
    FileIndex file = none;
    for (RangeIndex range = 5; range-- > 2;) ready.add(0, 0, {range, 1}, true);  // As a queue is given back.
    EXPECT_EQ(ready.take(file, 100).count, 3u);
    for (RangeIndex range = 2; range < 5; ++range) ready.add(0, 0, {range, 1}, true);
    auto const taken = ready.take(file, 100);
    EXPECT_EQ(taken.begin, 2u);
    EXPECT_EQ(taken.count, 3u);
}

TEST(ReadyRanges, StaysOnTheFileThatIsOpen)
{
    ReadyRanges ready;
    ready.add(0, 0, {0, 3}, false);
    ready.add(0, 1, {10, 3}, false);
    FileIndex file = 1;
    EXPECT_EQ(take_all(ready, file, 1), (std::vector<RangeIndex>{10, 11, 12, 0, 1, 2}));
}

TEST(ReadyRanges, TwoDroidsGetDifferentFilesWhileThereAreSome)
{
    ReadyRanges ready;
    ready.add(0, 0, {0, 3}, false);
    ready.add(0, 1, {10, 3}, false);
    FileIndex one = none;
    FileIndex two = none;
    ready.take(one, 1);
    ready.take(two, 1);
    EXPECT_NE(one, two);
    FileIndex three = none;
    EXPECT_EQ(ready.take(three, 1).count, 1u) << "files are shared when there are more Droids";
}

TEST(ReadyRanges, StaysInTheJobWhenItsFileIsDone)
{
    ReadyRanges ready;
    ready.add(0, 0, {0, 1}, false);
    ready.add(1, 1, {10, 1}, false);
    ready.add(1, 2, {20, 1}, false);
    FileIndex file = 1;
    EXPECT_EQ(take_all(ready, file), (std::vector<RangeIndex>{10, 20, 0}));
}

TEST(ReadyRanges, JobsAreTakenInTurnByThoseWhoAreNew)
{
    ReadyRanges ready;
    for (JobIndex job = 0; job < 3; ++job) ready.add(job, job, {job * 10, 5}, false);
    std::set<FileIndex> files;
    for (int i = 0; i < 3; ++i) {
        FileIndex file = none;
        ready.take(file, 1);
        files.insert(file);
    }
    EXPECT_EQ(files.size(), 3u);
}

TEST(ReadyRanges, BlockedJobsAreLeftAlone)
{
    ReadyRanges ready;
    ready.add(0, 0, {0, 2}, false);
    ready.add(1, 1, {10, 2}, false);
    FileIndex file = 0;
    EXPECT_EQ(take_all(ready, file, 100, {true, false}), (std::vector<RangeIndex>{10, 11}))
        << "even when its file is open";
    EXPECT_EQ(take_all(ready, file, 100, {true, true}), (std::vector<RangeIndex>{}));
    EXPECT_EQ(take_all(ready, file), (std::vector<RangeIndex>{0, 1}));
}

TEST(ReadyRanges, AFileCanBeFilledAgain)
{
    ReadyRanges ready;
    FileIndex file = none;
    for (RangeIndex range = 0; range < 5; ++range) {
        ready.add(0, 0, {range, 1}, false);
        EXPECT_EQ(take_all(ready, file), std::vector<RangeIndex>{range});
    }
}

TEST(ReadyRanges, DroppingAJobReturnsItsRanges)
{
    ReadyRanges ready;
    ready.add(0, 0, {0, 2}, false);
    ready.add(1, 1, {10, 2}, false);
    ready.add(1, 2, {20, 1}, false);
    std::uint32_t dropped = 0;
    for (auto const& interval : ready.drop_job(1)) dropped += interval.count;
    EXPECT_EQ(dropped, 3u);
    FileIndex file = 1;
    EXPECT_EQ(take_all(ready, file), (std::vector<RangeIndex>{0, 1}));
    EXPECT_TRUE(ready.drop_job(7).empty());
}

TEST(ReadyRanges, ADroppedJobCanBeFilledAgain)
{
    ReadyRanges ready;
    ready.add(0, 0, {0, 2}, false);
    ready.drop_job(0);
    ready.add(0, 0, {5, 1}, false);
    FileIndex file = none;
    EXPECT_EQ(take_all(ready, file), std::vector<RangeIndex>{5});
}

TEST(ReadyRanges, ClearingForgetsAll)
{
    ReadyRanges ready;
    ready.add(0, 0, {0, 2}, false);
    ready.clear();
    FileIndex file = 0;
    EXPECT_EQ(ready.take(file, 1).count, 0u);
}

TEST(ReadyRanges, LosesAndDoublesNothingUnderRandomUse)
{
    for (unsigned seed = 0; seed < 20; ++seed) {
        std::mt19937 random(seed);
        ReadyRanges ready;
        std::set<RangeIndex> inside;
        std::vector<RangeIndex> outside;
        std::vector<FileIndex> files(4, none);
        auto const file_of = [](RangeIndex range) { return range / 50; };
        auto const job_of = [](FileIndex file) { return file / 2; };
        for (RangeIndex range = 0; range < 300; ++range) {
            ready.add(job_of(file_of(range)), file_of(range), {range, 1}, false);
            inside.insert(range);
        }
        for (int step = 0; step < 3000; ++step) {
            if (random() % 2 == 0 && !outside.empty()) {
                auto const which = random() % outside.size();
                auto const range = outside[which];
                outside.erase(outside.begin() + static_cast<std::ptrdiff_t>(which));
                ready.add(job_of(file_of(range)), file_of(range), {range, 1}, random() % 2 == 0);
                inside.insert(range);
                continue;
            }
            auto& file = files[random() % files.size()];
            auto const part = ready.take(file, static_cast<std::uint32_t>(random() % 6));
            for (std::uint32_t i = 0; i < part.count; ++i) {
                ASSERT_EQ(file_of(part.begin + i), file);
                ASSERT_EQ(inside.erase(part.begin + i), 1u) << "seed " << seed;
                outside.push_back(part.begin + i);
            }
        }
        FileIndex file = none;
        for (auto const range : take_all(ready, file)) ASSERT_EQ(inside.erase(range), 1u);
        EXPECT_TRUE(inside.empty()) << "seed " << seed;
    }
}

}  // namespace
}  // namespace yoda
