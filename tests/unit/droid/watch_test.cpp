#include "droid/watch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <future>

#include "support/scratch_folder.hpp"

namespace yoda {
namespace {

using test::file_text;
using test::ScratchFolder;
using test::write_text;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TimePoint at(double seconds)
{
    return TimePoint{} + Duration::from_s(seconds);
}

struct WatchTest : ::testing::Test {
    WatchTest() { std::filesystem::create_directory(worker.folder); }
    /// The walks that begin here come to their end before the next look.
    std::vector<Breach> look(Watch& watch, double seconds, std::vector<BusyWorker> const& busy)
    {
        auto breaches = watch.check(at(seconds), busy);
        EXPECT_TRUE(meter.wait(Duration::from_s(60)));
        return breaches;
    }
    ScratchFolder const folder;
    BusyWorker worker{{7, 1}, 0, 0, folder / "worker", at(0)};
    WatchLimits limits;
    FolderMeter meter;
};

TEST_F(WatchTest, SilenceIsNoWordAndNoChangeInTheWorkersFolder)
{
    limits.silence = Duration::from_s(100);
    Watch watch(limits, folder.path(), meter);
    EXPECT_THAT(look(watch, 0, {worker}), IsEmpty());
    EXPECT_THAT(look(watch, 1, {worker}), IsEmpty());
    EXPECT_THAT(look(watch, 99, {worker}), IsEmpty());
    write_text(worker.folder + "/output", "a word");
    EXPECT_THAT(look(watch, 150, {worker}), IsEmpty());
    EXPECT_THAT(look(watch, 151, {worker}), IsEmpty()) << "it wrote since";
    worker.heard = at(200);
    EXPECT_THAT(look(watch, 290, {worker}), IsEmpty()) << "it spoke since";
    EXPECT_THAT(look(watch, 301, {worker}), IsEmpty()) << "the walk that began at 290 proves 90 s";
    auto const breaches = look(watch, 302, {worker});
    ASSERT_THAT(breaches, SizeIs(1));
    EXPECT_EQ(breaches[0].what, worker.what);
    EXPECT_EQ(breaches[0].error_code, code::looping_job);
    EXPECT_THAT(breaches[0].reason, HasSubstr("neither spoke nor wrote for 101 s"));
    worker.what = {8, 1};
    EXPECT_THAT(look(watch, 500, {worker}), IsEmpty()) << "another range has its own time";
}

TEST_F(WatchTest, AWalkThatTakesLongHoldsNobodyUpAndProvesNothingBeforeItsEnd)
{
    std::promise<void> released;
    auto const release = released.get_future().share();
    FolderMeter slow([&] { release.wait(); });
    limits.silence = Duration::from_s(100);
    limits.folder_bytes = 1;
    write_text(worker.folder + "/output", std::string(10'000, 'x'));
    Watch watch(limits, folder.path(), slow);
    for (double seconds = 0; seconds < 1000; seconds += 50)
        EXPECT_THAT(watch.check(at(seconds), {worker}), IsEmpty());
    released.set_value();
    ASSERT_TRUE(slow.wait(Duration::from_s(60)));
    auto const breaches = watch.check(at(1000), {worker});
    ASSERT_THAT(breaches, SizeIs(1));
    EXPECT_EQ(breaches[0].error_code, code::no_local_space) << "silence is counted from the first walk's end";
}

TEST_F(WatchTest, MemoryIsThatOfTheWorkerWithItsChildren)
{
    worker.pid = ::getpid();
    limits.memory_bytes = 1ull << 50;
    EXPECT_THAT(Watch(limits, folder.path(), meter).check(at(0), {worker}), IsEmpty());
    limits.memory_bytes = 1;
    auto const breaches = Watch(limits, folder.path(), meter).check(at(0), {worker});
    ASSERT_THAT(breaches, SizeIs(1));
    EXPECT_EQ(breaches[0].error_code, code::exceeds_max_memory);
}

TEST_F(WatchTest, TheWorkerWithTheLargestFolderPaysForAFullWorkFolder)
{
    BusyWorker larger = worker;
    larger.what = {9, 1};
    larger.folder = folder / "larger";
    std::filesystem::create_directory(larger.folder);
    write_text(worker.folder + "/output", std::string(100'000, 'x'));
    write_text(larger.folder + "/output", std::string(300'000, 'x'));
    limits.folder_bytes = 1'000'000;
    Watch enough(limits, folder.path(), meter);
    EXPECT_THAT(look(enough, 0, {worker, larger}), IsEmpty());
    EXPECT_THAT(look(enough, 1, {worker, larger}), IsEmpty());
    limits.folder_bytes = 350'000;
    Watch watch(limits, folder.path(), meter);
    EXPECT_THAT(look(watch, 0, {worker, larger}), IsEmpty()) << "nothing is known yet";
    auto const breaches = look(watch, 1, {worker, larger});
    ASSERT_THAT(breaches, SizeIs(1));
    EXPECT_EQ(breaches[0].what, larger.what);
    EXPECT_EQ(breaches[0].error_code, code::no_local_space);
    // What is being measured then is of before: only a walk that begins at the next look counts again.
    std::filesystem::remove_all(larger.folder);
    EXPECT_THAT(look(watch, 2, {worker}), IsEmpty());
    EXPECT_THAT(look(watch, 3, {worker}), IsEmpty());
}

TEST_F(WatchTest, ALogOverItsLimitIsCutToHalfOfIt)
{
    auto const log = folder / "payload.err";
    limits.log_bytes = 1000;
    Watch const watch(limits, folder.path(), meter);
    EXPECT_THAT(watch.check_logs(0, {log}), IsEmpty()) << "there is none yet";
    write_text(log, "first words" + std::string(989, 'x'));
    EXPECT_THAT(watch.check_logs(0, {log}), IsEmpty());
    write_text(log, "first words" + std::string(990, 'x'));
    auto const breaches = watch.check_logs(3, {log});
    ASSERT_THAT(breaches, SizeIs(1));
    EXPECT_EQ(breaches[0].job, 3u);
    EXPECT_EQ(breaches[0].error_code, code::no_local_space);
    EXPECT_EQ(file_text(log), "first words" + std::string(489, 'x'));
}

TEST_F(WatchTest, TheDiskIsLowWhenLessIsFreeThanAskedFor)
{
    limits.free_bytes = 1;
    Watch enough(limits, folder.path(), meter);
    enough.check(at(0), {});
    EXPECT_FALSE(enough.disk_is_low());
    EXPECT_GT(enough.free_bytes(), 0u);
    limits.free_bytes = UINT64_MAX;
    Watch low(limits, folder.path(), meter);
    low.check(at(0), {});
    EXPECT_TRUE(low.disk_is_low());
}

}  // namespace
}  // namespace yoda
