// SPDX-License-Identifier: Apache-2.0
#include "harvest/merge/order.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace yoda {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct MergeOrder : ::testing::Test {
    EventTable table;
    std::vector<Job> jobs{*Job::from_json({{"PandaID", 1}, {"inFiles", "B.lhe,A.lhe"}}),
                          *Job::from_json({{"PandaID", 2}, {"inFiles", "A.lhe"}})};

    RangeIndex add(JobIndex job, std::string const& id, std::int64_t first, std::string const& lfn)
    {
        return table.add_range(job, {id, first, first + 4, lfn, "G", ""}, "").value();
    }
    void finish_all()
    {
        table.start_life(1);
        auto const bundle = table.bundle({1, 0, 1, 1, 0});
        std::vector<RangeRun> runs;
        FileIndex file = none;
        while (table.hand_out(1, file, 100, runs) > 0) {
        }
        for (RangeIndex i = 0; i < table.size(); ++i) table.finish(i, Epoch::make(1, 1), bundle, 0, 0);
    }
};

TEST_F(MergeOrder, GoesByJobThenPlaceOfTheFileThenEvent)
{
    auto const second_job = add(1, "5-2-7-1-10", 1, "A.lhe");
    auto const a_late = add(0, "5-1-8-6-10", 6, "A.lhe");
    auto const b_late = add(0, "5-1-9-6-10", 6, "B.lhe");
    auto const a_early = add(0, "5-1-8-1-10", 1, "A.lhe");
    auto const b_early = add(0, "5-1-9-1-10", 1, "B.lhe");
    finish_all();
    EXPECT_THAT(*order_finished(table, jobs), ElementsAre(b_early, b_late, a_early, a_late, second_job));
}

TEST_F(MergeOrder, TakesOneFileWithIdsOfSeveralKindsAsOne)
{
    auto const third = add(0, "5-1-9-11-10", 11, "B.lhe");
    auto const second = add(0, "a text", 6, "B.lhe");
    auto const first = add(0, "5-1-10-1-9", 1, "B.lhe");
    finish_all();
    ASSERT_EQ(table.files().size(), 3u);
    EXPECT_THAT(*order_finished(table, jobs), ElementsAre(first, second, third));
}

TEST_F(MergeOrder, PutsFilesThatTheJobDoesNotNameLast)
{
    auto const z = add(0, "5-1-1-1-10", 1, "Z.lhe");
    auto const c = add(0, "5-1-2-1-10", 1, "C.lhe");
    auto const a = add(0, "5-1-3-1-10", 1, "A.lhe");
    finish_all();
    EXPECT_THAT(*order_finished(table, jobs), ElementsAre(a, c, z));
}

TEST_F(MergeOrder, LeavesOutWhatIsNotFinished)
{
    add(0, "5-1-3-1-10", 1, "A.lhe");
    EXPECT_THAT(*order_finished(table, jobs), ElementsAre());
    EXPECT_FALSE(check_all_finished(table));
    finish_all();
    EXPECT_TRUE(check_all_finished(table));
}

TEST_F(MergeOrder, NamesOnlySomeOfManyUnfinishedRanges)
{
    for (int i = 0; i < 100; ++i) add(0, "5-1-3-" + std::to_string(i + 1) + "-10", 1 + 5 * i, "A.lhe");
    auto const status = check_all_finished(table);
    ASSERT_FALSE(status);
    EXPECT_THAT(status.error().text(),
                HasSubstr("100 of 100 ranges are not finished: 100 ready: range 5-1-3-1-10"));
    EXPECT_THAT(status.error().text(), HasSubstr("and 95 more"));
}

TEST_F(MergeOrder, SeesThatTableAndJobsDoNotBelongTogether)
{
    add(2, "5-1-3-1-10", 1, "A.lhe");
    auto const order = order_finished(table, jobs);
    ASSERT_FALSE(order);
    EXPECT_THAT(order.error().text(), HasSubstr("A.lhe belongs to job 2, and there are 2"));
}

}  // namespace
}  // namespace yoda
