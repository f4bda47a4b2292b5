// SPDX-License-Identifier: Apache-2.0
#include "sys/run/event_file_checkpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "support/builders/event_tables.hpp"
#include "support/scratch_folder.hpp"

namespace yoda {
namespace {

using test::eventually;
using test::make_worked_table;
using test::ScratchFolder;
using ::testing::HasSubstr;

EventFileInfo const info{"00112233445566778899aabbccddeeff", 0};

/// Feeds until the result is there.
Result<CheckpointInfo> finish(CheckpointWriter& writer, EventTable const& table)
{
    std::optional<Result<CheckpointInfo>> result;
    EXPECT_TRUE(eventually([&] {
        writer.feed(table);
        result = writer.take_result();
        return result.has_value();
    }));
    return result ? *result : Result<CheckpointInfo>(Error{});
}

EventTable make_large_table(RangeIndex rows)
{
    EventTable table;
    table.add_file({0, 1, 2, 3, false, "EVNT.lhe", "", "", "/data/EVNT.lhe"});
    for (RangeIndex i = 0; i < rows; ++i) table.add_row({i + 1, i + 1, i + 1, 0, 10, 0});
    return table;
}

TEST(CheckpointWriter, WritesTheSameAsTheWriterThatBlocks)
{
    ScratchFolder const beside;
    ScratchFolder const at_once;
    auto const table = make_worked_table();
    CheckpointWriter writer;
    EXPECT_FALSE(writer.busy());
    writer.begin(beside.path(), info, {41, 3}, table.size());
    EXPECT_TRUE(writer.busy());
    auto const result = finish(writer, table);
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_EQ(*result, (CheckpointInfo{41, 3}));
    EXPECT_FALSE(writer.busy());
    ASSERT_TRUE(write_state_file(at_once.path(), table, info.run_id, {41, 3}));
    EXPECT_EQ(test::file_text(beside / "state.h5"), test::file_text(at_once / "state.h5"));
}

TEST(CheckpointWriter, TakesSeveralCheckpointsAndTableThatChangesMeanwhile)
{
    ScratchFolder const run;
    auto table = make_large_table(300'000);
    ASSERT_TRUE(write_event_file(run.path(), table, info));
    table.start_life(1);
    CheckpointWriter writer;
    for (Life round = 1; round <= 3; ++round) {
        writer.begin(run.path(), info, {round, 1}, table.size());
        std::optional<Result<CheckpointInfo>> result;
        ASSERT_TRUE(eventually([&] {
            std::vector<RangeRun> runs;
            FileIndex file = none;
            table.hand_out(1, file, 100, runs);
            auto const bundle =
                table.bundle({2, 0, 1, 1, static_cast<std::uint32_t>(table.bundles().size())});
            for (auto const& one : runs)
                for (RangeIndex i = 0; i < one.count; ++i)
                    table.finish(one.begin + i, Epoch::make(1, one.hand_out), bundle, 1, 2);
            writer.feed(table);
            result = writer.take_result();
            return result.has_value();
        }));
        ASSERT_TRUE(*result) << result->error().text();
        auto const loaded = load_event_file(run.path());
        ASSERT_TRUE(loaded) << loaded.error().text();
        EXPECT_EQ(loaded->checkpoint.journal_sequence, round);
        EXPECT_GT(loaded->table.counts()[2], 0u);
    }
}

TEST(CheckpointWriter, LeavesRangesAddedMeanwhileToTheNextOne)
{
    ScratchFolder const run;
    auto table = make_large_table(70'000);
    CheckpointWriter writer;
    writer.begin(run.path(), info, {1, 1}, table.size());
    writer.feed(table);
    table.add_row({1, 1, 99'999, 0, 9, 0});
    ASSERT_TRUE(finish(writer, table));
    ASSERT_TRUE(write_event_file(run.path(), table, info));
    auto const loaded = load_event_file(run.path());
    ASSERT_TRUE(loaded) << loaded.error().text();
    EXPECT_EQ(loaded->table.size(), 70'001u);
}

TEST(CheckpointWriter, WritesTheRangesAnewThatStateWouldOtherwiseLack)
{
    ScratchFolder const run;
    auto table = make_large_table(70'000);
    ASSERT_TRUE(write_event_file(run.path(), table, info));
    FileIndex const texts = table.add_file({0, 1, 2, 4, true, "MORE.lhe", "", "", "/data/MORE.lhe"});
    for (RangeIndex i = 0; i < 10; ++i)
        table.add_row({i + 1, i + 1, table.add_text("range-" + std::to_string(i)), texts, 9, 0});
    CheckpointWriter writer;
    writer.begin(run.path(), info, {1, 1}, table.size());
    ASSERT_TRUE(finish(writer, table));
    EXPECT_THAT(load_event_file(run.path()).error().text(), HasSubstr("70010 ranges, events.h5 has 70000"));

    writer.begin(run.path(), info, {2, 1}, table.size(), true);
    writer.feed(table);
    table.add_row({99, 99, table.add_text("later"), texts, 9, 0});
    ASSERT_TRUE(finish(writer, table));
    auto const loaded = load_event_file(run.path());
    ASSERT_TRUE(loaded) << loaded.error().text();
    ASSERT_EQ(loaded->table.size(), 70'010u);
    EXPECT_EQ(loaded->info, info);
    for (RangeIndex range : {0u, 69'999u, 70'000u, 70'009u})
        EXPECT_EQ(loaded->table.range_id(range), table.range_id(range));

    ScratchFolder const at_once;
    ASSERT_TRUE(write_event_file(at_once.path(), table, info));
    writer.begin(run.path(), info, {3, 1}, table.size(), true);
    ASSERT_TRUE(finish(writer, table));
    EXPECT_EQ(test::file_text(run / "events.h5"), test::file_text(at_once / "events.h5"));
}

TEST(CheckpointWriter, LeavesStateToTheCallerOnceItHasStopped)
{
    ScratchFolder const run;
    ScratchFolder const alone;
    auto table = make_large_table(300'000);
    ASSERT_TRUE(write_event_file(run.path(), table, info));
    CheckpointWriter writer;
    writer.begin(run.path(), info, {1, 1}, table.size());
    writer.feed(table);
    writer.stop();
    ASSERT_TRUE(write_state_file(run.path(), table, info.run_id, {2, 1}));
    ASSERT_TRUE(write_state_file(alone.path(), table, info.run_id, {2, 1}));
    EXPECT_EQ(test::file_text(run / "state.h5"), test::file_text(alone / "state.h5"));
    EXPECT_FALSE(std::filesystem::exists(run / "state.h5.part"));
    writer.stop();
}

TEST(CheckpointWriter, KeepsWhatFinishedWithoutAnOutput)
{
    ScratchFolder const run;
    auto table = make_large_table(10);
    ASSERT_TRUE(write_event_file(run.path(), table, info));
    table.start_life(1);
    std::vector<RangeRun> runs;
    FileIndex file = none;
    ASSERT_EQ(table.hand_out(1, file, 4, runs), 4u);
    for (RangeIndex range = 0; range < 4; ++range)
        ASSERT_EQ(table.finish(range, Epoch::make(1, runs[0].hand_out), none, 1, 2), Outcome::accepted);
    ASSERT_TRUE(write_state_file(run.path(), table, info.run_id, {1, 1}));
    auto const loaded = load_event_file(run.path());
    ASSERT_TRUE(loaded) << loaded.error().text();
    EXPECT_EQ(loaded->table.counts()[static_cast<std::size_t>(RangeState::finished)], 4u);
    EXPECT_EQ(loaded->table.progress(0).holder, none);
}

TEST(CheckpointWriter, ReportsAFailureAndGoesOn)
{
    ScratchFolder const run;
    auto const table = make_worked_table();
    CheckpointWriter writer;
    writer.begin(run / "nowhere", info, {41, 3}, table.size());
    auto const failed = finish(writer, table);
    ASSERT_FALSE(failed);
    EXPECT_THAT(failed.error().text(), HasSubstr("No such file or directory"));
    writer.begin(run.path(), info, {42, 3}, table.size());
    EXPECT_TRUE(finish(writer, table));
}

TEST(CheckpointWriter, EndsInTheMiddleWithoutATrace)
{
    ScratchFolder const run;
    auto const table = make_large_table(200'000);
    {
        CheckpointWriter writer;
        writer.begin(run.path(), info, {1, 1}, table.size());
        writer.feed(table);
    }
    EXPECT_TRUE(std::filesystem::is_empty(run.path()));
}

}  // namespace
}  // namespace yoda
