// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "harvest/panda/fetch/fetch_journal.hpp"
#include "support/scratch_folder.hpp"

namespace yoda {
namespace {

TEST(FetchJournal, AnAskWithoutAnythingBehindItIsLost)
{
    test::ScratchFolder const folder;
    auto journal = *FetchJournal::open(folder / "j");
    auto const jobs = *journal.begin(AskKind::jobs, 0, 2, 100);
    ASSERT_TRUE(journal.keep_answer(jobs, "[]\n"));
    auto const answered = *journal.begin(AskKind::ranges, 7, 50, 101, "note.json");
    ASSERT_TRUE(journal.keep_answer(answered, "[1]"));
    auto const later = *journal.begin(AskKind::ranges, 7, 60, 102);
    ASSERT_TRUE(journal.keep_end(later, {PandaOutcome::later, "down", false, false}));
    auto const unknown = *journal.begin(AskKind::ranges, 7, 70, 103);
    ASSERT_TRUE(journal.keep_end(unknown, {PandaOutcome::unknown, "\xff cut", false, false}));
    ASSERT_TRUE(journal.begin(AskKind::ranges, 7, 80, 104));
    ASSERT_TRUE(journal.begin(AskKind::jobs, 0, 3, 105));

    auto const again = *FetchJournal::open(folder / "j");
    ASSERT_EQ(again.asks().size(), 6u);
    EXPECT_EQ(again.asks()[1].state, Ask::State::answered);
    EXPECT_EQ(again.asks()[1].note, "note.json");
    EXPECT_EQ(again.asks()[1].panda_id, 7);
    EXPECT_EQ(*again.read_answer(again.asks()[1]), "[1]");
    EXPECT_EQ(again.asks()[2].state, Ask::State::ended);
    EXPECT_EQ(again.asks()[4].state, Ask::State::lost);
    EXPECT_EQ(again.lost_range_count(), 150);
    EXPECT_EQ(again.lost_job_count(), 3);
    // Job definitions carry secrets.
    EXPECT_EQ(std::filesystem::status(folder / "j/000001-jobs.answer.json").permissions(),
              std::filesystem::perms(0600));
}

TEST(FetchJournal, NumbersAreNeverUsedTwiceEvenByTwoAtOnce)
{
    test::ScratchFolder const folder;
    auto first = *FetchJournal::open(folder / "j");
    auto second = *FetchJournal::open(folder / "j");
    ASSERT_TRUE(first.begin(AskKind::ranges, 1, 1, 0));
    auto const clash = second.begin(AskKind::ranges, 1, 1, 0);
    ASSERT_FALSE(clash);
    EXPECT_EQ(clash.error().kind, ErrorKind::busy);
    auto third = *FetchJournal::open(folder / "j");
    EXPECT_EQ(third.begin(AskKind::ranges, 1, 1, 0)->number, 2u);
}

TEST(FetchJournal, WhatWasPassedOnIsNotPassedOnAgain)
{
    test::ScratchFolder const folder;
    auto journal = *FetchJournal::open(folder / "j");
    auto const ask = *journal.begin(AskKind::ranges, 7, 50, 101);
    ASSERT_TRUE(journal.keep_answer(ask, "[]"));
    ASSERT_TRUE(journal.keep_used(ask));
    auto const again = *FetchJournal::open(folder / "j");
    EXPECT_EQ(again.asks()[0].state, Ask::State::used);
    EXPECT_EQ(again.lost_range_count(), 0);
}

TEST(FetchJournal, AnAskForNothingLeavesNoTrace)
{
    test::ScratchFolder const folder;
    auto journal = *FetchJournal::open(folder / "j");
    ASSERT_TRUE(journal.begin(AskKind::ranges, 7, 50, 101));
    auto const ask = *journal.begin(AskKind::jobs, 0, 2, 102);
    ASSERT_TRUE(journal.forget(ask));
    EXPECT_EQ(journal.asks().size(), 1u);
    EXPECT_EQ(FetchJournal::open(folder / "j")->lost_job_count(), 0);
    EXPECT_EQ(journal.begin(AskKind::jobs, 0, 2, 103)->number, 2u);
    EXPECT_EQ(FetchJournal::open(folder / "j")->lost_job_count(), 2);
}

TEST(FetchJournal, AForeignFileIsAnErrorNotAGuess)
{
    test::ScratchFolder const folder;
    ASSERT_TRUE(FetchJournal::open(folder / "j"));
    test::write_text(folder / "j/000001-ranges.asked.json", "{\"version\": 2}");
    EXPECT_FALSE(FetchJournal::open(folder / "j"));
    test::write_text(folder / "j/000001-ranges.asked.json", "cut");
    EXPECT_FALSE(FetchJournal::open(folder / "j"));
}

}  // namespace
}  // namespace yoda
