#include "droid/watch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

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
    ScratchFolder const folder;
    BusyWorker worker{{7, 1}, 0, 0, folder / "worker", at(0)};
    WatchLimits limits;
};

TEST_F(WatchTest, SilenceIsNoWordAndNoChangeInTheWorkersFolder)
{
    limits.silence = Duration::from_s(100);
    Watch watch(limits, folder.path());
    EXPECT_THAT(watch.check(at(0), {worker}), IsEmpty());
    EXPECT_THAT(watch.check(at(99), {worker}), IsEmpty());
    write_text(worker.folder + "/output", "a word");
    EXPECT_THAT(watch.check(at(150), {worker}), IsEmpty()) << "it wrote since";
    worker.heard = at(200);
    EXPECT_THAT(watch.check(at(290), {worker}), IsEmpty()) << "it spoke since";
    auto const breaches = watch.check(at(301), {worker});
    ASSERT_THAT(breaches, SizeIs(1));
    EXPECT_EQ(breaches[0].what, worker.what);
    EXPECT_EQ(breaches[0].error_code, code::looping_job);
    EXPECT_THAT(breaches[0].reason, HasSubstr("neither spoke nor wrote for 101 s"));
    worker.what = {8, 1};
    EXPECT_THAT(watch.check(at(500), {worker}), IsEmpty()) << "another range has its own time";
}

TEST_F(WatchTest, MemoryIsThatOfTheWorkerWithItsChildren)
{
    worker.pid = ::getpid();
    limits.memory_bytes = 1ull << 50;
    EXPECT_THAT(Watch(limits, folder.path()).check(at(0), {worker}), IsEmpty());
    limits.memory_bytes = 1;
    auto const breaches = Watch(limits, folder.path()).check(at(0), {worker});
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
    EXPECT_THAT(Watch(limits, folder.path()).check(at(0), {worker, larger}), IsEmpty());
    limits.folder_bytes = 350'000;
    auto const breaches = Watch(limits, folder.path()).check(at(0), {worker, larger});
    ASSERT_THAT(breaches, SizeIs(1));
    EXPECT_EQ(breaches[0].what, larger.what);
    EXPECT_EQ(breaches[0].error_code, code::no_local_space);
}

TEST_F(WatchTest, ALogOverItsLimitIsCutToHalfOfIt)
{
    auto const log = folder / "payload.err";
    limits.log_bytes = 1000;
    Watch const watch(limits, folder.path());
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
    Watch enough(limits, folder.path());
    enough.check(at(0), {});
    EXPECT_FALSE(enough.disk_is_low());
    EXPECT_GT(enough.free_bytes(), 0u);
    limits.free_bytes = UINT64_MAX;
    Watch low(limits, folder.path());
    low.check(at(0), {});
    EXPECT_TRUE(low.disk_is_low());
}

}  // namespace
}  // namespace yoda
