// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/fetch/fetch_guard.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/scratch_folder.hpp"

namespace yoda {
namespace {

using ::testing::HasSubstr;

nlohmann::json merge_fields()
{
    return {{"PandaID", 6900000003},
            {"taskID", "40000001"},
            {"jobsetID", 6900000002},
            {"attemptNr", 2},
            {"eventServiceMerge", "True"},
            {"writeToFile",
             "inputFor_HITS.1.root:HITS.1.root.40000001-6900000001-5000001-1-3,HITS.1.root.40000001-"
             "6900000001-5000001-2-3"
             "^inputFor_OTHER.root:OTHER.root.40000001-6900000001-5000001-1-3"}};
}

FetchGuard reopened(std::string const& folder)
{
    auto guard = FetchGuard::open(folder);
    EXPECT_TRUE(guard) << guard.error().text();
    return *std::move(guard);
}

TEST(HeldJob, KnowsWhatItWasToMergeAndSurvivesItsFile)
{
    auto const job = make_held_job(merge_fields(), 1000);
    EXPECT_EQ(job.range_ids, (std::vector<std::string>{"40000001-6900000001-5000001-1-3",
                                                       "40000001-6900000001-5000001-2-3"}));
    EXPECT_EQ(job.out_lfn, "HITS.1.root");
    EXPECT_THAT(job.loss(), HasSubstr("discards 2 finished ranges"));
    auto const read = parse_held_job(print_held_job(job));
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, job);
    EXPECT_FALSE(parse_held_job(R"({"version": 2})"));
    auto fields = merge_fields();
    fields.erase("writeToFile");
    EXPECT_THAT(make_held_job(fields, 1000).loss(), HasSubstr("all finished ranges"));
}

TEST(HeldJob, IsKnownAsAMergeJobByEachOfItsSigns)
{
    EXPECT_TRUE(is_merge_job(merge_fields()));
    auto fields = merge_fields();
    fields["eventServiceMerge"] = true;
    EXPECT_TRUE(is_merge_job(fields));
    fields.erase("eventServiceMerge");
    EXPECT_TRUE(is_merge_job(fields));
    fields["eventService"] = "True";
    EXPECT_FALSE(is_merge_job(fields));
    for (auto const* value : {"NULL", "False", ""})
        EXPECT_FALSE(is_merge_job({{"PandaID", 1}, {"eventServiceMerge", value}}));
}

TEST(FetchGuard, AsksForNothingWhileAJobIsHeld)
{
    test::ScratchFolder const folder;
    auto guard = reopened(folder.path());
    EXPECT_TRUE(guard.may_ask());
    ASSERT_TRUE(guard.hold(make_held_job(merge_fields(), 1000)));
    ASSERT_TRUE(guard.hold(make_held_job(merge_fields(), 2000)));
    auto const again = reopened(folder.path());
    ASSERT_EQ(again.jobs().size(), 1u);
    EXPECT_EQ(again.jobs()[0].since_unix_s, 1000);
    EXPECT_FALSE(again.may_ask());
    ASSERT_EQ(again.alarms().size(), 1u);
    EXPECT_THAT(again.alarms()[0], HasSubstr("jobseed=es"));
}

TEST(FetchGuard, StopsAfterThreeEndedJobsUntilARunIsMade)
{
    test::ScratchFolder const folder;
    for (std::int64_t panda_id = 1; panda_id <= 3; ++panda_id) {
        auto guard = reopened(folder.path());
        EXPECT_TRUE(guard.may_ask()) << panda_id;
        ASSERT_TRUE(guard.note_ended({panda_id, 1, 1103, "an input is missing"}));
        ASSERT_TRUE(guard.note_ended({panda_id, 1, 1103, "an input is missing"}));
    }
    auto guard = reopened(folder.path());
    EXPECT_FALSE(guard.may_ask());
    EXPECT_THAT(guard.alarms().at(0), HasSubstr("an input is missing"));
    ASSERT_TRUE(guard.forget_ended());
    ASSERT_TRUE(guard.forget_ended());
    EXPECT_TRUE(reopened(folder.path()).may_ask());
}

TEST(FetchGuard, ARecordThatCannotBeReadStopsEverything)
{
    test::ScratchFolder const folder;
    std::filesystem::create_directory(folder / "held-jobs");
    std::ofstream(folder / "held-jobs/17.json") << "{";
    auto const guard = FetchGuard::open(folder.path());
    ASSERT_FALSE(guard);
    EXPECT_THAT(guard.error().text(), HasSubstr("17.json"));
}

TEST(FetchGuard, LiesInTheSpoolOrBesideTheRun)
{
    test::ScratchFolder const folder;
    EXPECT_EQ(FetchGuard::folder_of(folder / "run"), folder.path());
    EXPECT_EQ(FetchGuard::folder_of(folder / "run/"), folder.path());
    std::ofstream(folder / "spool.cfg") << "fetch = yes\n";
    EXPECT_EQ(FetchGuard::folder_of(folder.path()), folder.path());
    EXPECT_EQ(FetchGuard::folder_of(folder / "run-1-0"), folder.path());
}

}  // namespace
}  // namespace yoda
