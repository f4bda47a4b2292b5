// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/run/reported_log.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "support/scratch_folder.hpp"

namespace yoda {
namespace {

struct ReportedLogTest : ::testing::Test {
    test::ScratchFolder folder;
    std::string path() const { return folder / "reported-1.log"; }
    ReportedLog open() { return ReportedLog::open(path()).value(); }
    void append(std::string const& text) { std::ofstream(path(), std::ios::app) << text; }
};

TEST_F(ReportedLogTest, WhatWasAddedIsThereAfterReopening)
{
    auto log = open();
    ASSERT_TRUE(log.add_bundle("a.tar", {12, 0, 1}));
    ASSERT_TRUE(log.add_rows({{3, 5}, {9, 10}}, {0, 3, 0}));
    ASSERT_TRUE(log.add_listed({{0, 2}}, {0, 2, 0}));
    log = open();
    EXPECT_TRUE(log.has_bundle("a.tar"));
    EXPECT_FALSE(log.has_bundle("b.tar"));
    EXPECT_EQ(log.rows(), (RangeSpans{{3, 5}, {9, 10}}));
    EXPECT_EQ(log.listed(), (RangeSpans{{0, 2}}));
    EXPECT_EQ(log.totals().accepted, 12u);
    EXPECT_EQ(log.totals().failed, 5u);
    EXPECT_EQ(log.totals().refused, 1u);
}

TEST_F(ReportedLogTest, WhatIsWrittenTwiceCountsOnce)
{
    auto log = open();
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(log.add_bundle("a.tar", {12, 0, 0}));
        ASSERT_TRUE(log.add_rows({{3, 5}}, {0, 2, 0}));
    }
    log = open();
    EXPECT_EQ(log.totals().accepted, 12u);
    EXPECT_EQ(log.totals().failed, 2u);
    EXPECT_EQ(count_of(log.rows()), 2u);
}

TEST_F(ReportedLogTest, ATornLastLineIsLeftOutAndTheNextLineIsWhole)
{
    auto log = open();
    ASSERT_TRUE(log.add_bundle("a.tar", {1, 0, 0}));
    append(R"({"bundle":"b.tar","acc)");
    log = open();
    EXPECT_FALSE(log.has_bundle("b.tar"));
    ASSERT_TRUE(log.add_bundle("c.tar", {1, 0, 0}));
    log = open();
    EXPECT_TRUE(log.has_bundle("a.tar"));
    EXPECT_TRUE(log.has_bundle("c.tar"));
    EXPECT_EQ(log.totals().accepted, 2u);
}

TEST_F(ReportedLogTest, LinesOfNobodyAreLeftOut)
{
    append("not json\n{}\n{\"rows\":7,\"accepted\":1,\"failed\":0,\"refused\":0}\n\n");
    EXPECT_EQ(open().totals().accepted, 0u);
    EXPECT_TRUE(open().rows().empty());
}

}  // namespace
}  // namespace yoda
