// SPDX-License-Identifier: Apache-2.0
#include "yoda/held_words.hpp"

#include <gtest/gtest.h>

namespace yoda::test {
namespace {

using Acceptances = std::vector<HeldWords::Acceptance>;
using Answers = std::vector<std::string>;

TEST(HeldWords, NothingLeavesBeforeItsRecordsAreDurable)
{
    HeldWords words;
    words.accept(1, 7);
    words.answer("000001.json");
    EXPECT_EQ(words.release(1000).acceptances, Acceptances{}) << "the records are not in the journal yet";
    EXPECT_EQ(words.release(1000).answers, Answers{});
    words.place(100);
    EXPECT_EQ(words.release(99).acceptances, Acceptances{});
    EXPECT_EQ(words.release(99).answers, Answers{});
    auto const& released = words.release(100);
    EXPECT_EQ(released.acceptances, (Acceptances{{1, 7}}));
    EXPECT_EQ(released.answers, Answers{"000001.json"});
    EXPECT_EQ(words.release(1000).acceptances, Acceptances{}) << "it is said once";
    EXPECT_EQ(words.release(1000).answers, Answers{});
}

TEST(HeldWords, OnlyWordsOfDurableRecordsLeave)
{
    HeldWords words;
    words.accept(1, 1);
    words.place(10);
    words.accept(2, 5);
    words.place(20);
    words.accept(3, 9);
    EXPECT_EQ(words.release(15).acceptances, (Acceptances{{1, 1}}));
    EXPECT_EQ(words.release(20).acceptances, (Acceptances{{2, 5}}));
    EXPECT_EQ(words.acceptance_count(), 1u);
}

TEST(HeldWords, RecordsOfOneCommitShareAWordForEachDroid)
{
    HeldWords words;
    words.accept(1, 1);
    words.accept(2, 1);
    words.accept(1, 2);
    words.place(10);
    EXPECT_EQ(words.release(10).acceptances, (Acceptances{{1, 2}, {2, 1}}));
}

TEST(HeldWords, TheLastOfSeveralWordsInARowForOneDroidIsSaid)
{
    HeldWords words;
    words.accept(1, 1);
    words.place(10);
    words.accept(1, 2);
    words.place(20);
    words.accept(2, 4);
    words.place(30);
    EXPECT_EQ(words.release(30).acceptances, (Acceptances{{1, 2}, {2, 4}}));
}

TEST(HeldWords, ALaterWordNeverWaitsWithAnEarlierPosition)
{
    HeldWords words;
    words.accept(1, 1);
    words.place(10);
    words.accept(1, 2);
    words.place(20);
    EXPECT_EQ(words.release(10).acceptances, (Acceptances{{1, 1}})) << "sequence 2 is not durable yet";
    EXPECT_EQ(words.release(20).acceptances, (Acceptances{{1, 2}}));
}

}  // namespace
}  // namespace yoda::test
