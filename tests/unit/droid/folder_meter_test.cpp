#include "droid/folder_meter.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <mutex>

#include "support/scratch_folder.hpp"

namespace yoda {
namespace {

using test::eventually;
using test::ScratchFolder;
using test::write_text;

constexpr Duration patience = Duration::from_s(60);

TimePoint at(double seconds)
{
    return TimePoint{} + Duration::from_s(seconds);
}

std::uint64_t disk_bytes(std::string const& path)
{
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0 ? static_cast<std::uint64_t>(info.st_blocks) * 512 : 0;
}

struct FolderMeterTest : ::testing::Test {
    ScratchFolder const folder;
};

TEST_F(FolderMeterTest, CountsFilesInAllFoldersAndFollowsNoLinks)
{
    std::filesystem::create_directories(folder / "measured/a/b");
    std::uint64_t bytes = 0;
    for (int i = 0; i < 1000; ++i) {
        auto const path = folder / ("measured/a/b/" + std::to_string(i));
        write_text(path, std::string(static_cast<std::size_t>(i), 'x'));
        bytes += disk_bytes(path);
    }
    write_text(folder / "outside", std::string(1 << 20, 'x'));
    std::filesystem::create_symlink(folder / "outside", folder / "measured/link");
    FolderMeter meter;
    FolderSight sight;
    EXPECT_FALSE(sight.look(meter, folder / "measured", at(5)));
    ASSERT_TRUE(meter.wait(patience));
    EXPECT_TRUE(sight.look(meter, folder / "measured", at(9)));
    EXPECT_EQ(sight.use().bytes, bytes);
    EXPECT_EQ(sight.as_of(), at(5)) << "the walk began then: later changes may be missing";
    EXPECT_EQ(measure_file(folder / "outside").bytes, disk_bytes(folder / "outside"));
}

TEST_F(FolderMeterTest, ASmallFolderDoesNotWaitForALargeOne)
{
    std::filesystem::create_directories(folder / "large");
    std::filesystem::create_directories(folder / "small");
    for (int i = 0; i < 2000; ++i) write_text(folder / ("large/" + std::to_string(i)), "x");
    // The thread takes a part of a walk for each permit.
    std::mutex mutex;
    std::condition_variable changed;
    int permits = 0;
    FolderMeter meter([&] {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return permits > 0; });
        --permits;
    });
    auto const permit = [&](int count) {
        std::lock_guard const lock(mutex);
        permits += count;
        changed.notify_all();
    };
    FolderSight large;
    FolderSight small;
    large.look(meter, folder / "large", at(0));
    small.look(meter, folder / "small", at(0));
    permit(2);
    EXPECT_TRUE(eventually([&] { return small.look(meter, folder / "small", at(1)); }));
    EXPECT_FALSE(large.look(meter, folder / "large", at(1))) << "eight parts are one too many";
    permit(1000);
    EXPECT_TRUE(meter.wait(patience));
    EXPECT_TRUE(large.look(meter, folder / "large", at(2)));
    permit(1000);
}

TEST_F(FolderMeterTest, AWalkThatNobodyWaitsForEnds)
{
    for (int i = 0; i < 2000; ++i) write_text(folder / std::to_string(i), "x");
    std::promise<void> begun;
    std::promise<void> released;
    auto const release = released.get_future().share();
    std::atomic<int> parts = 0;
    FolderMeter meter([&] {
        if (++parts == 1) begun.set_value();
        release.wait();
    });
    {
        FolderSight sight;
        sight.look(meter, folder.path(), at(0));
        begun.get_future().wait();
    }
    released.set_value();
    ASSERT_TRUE(meter.wait(patience));
    EXPECT_EQ(parts, 1);
}

TEST_F(FolderMeterTest, SilenceIsProvenByWalksThatBeganLater)
{
    FolderMeter meter;
    FolderSilence silence;
    silence.begin(at(100));
    auto const look = [&](double seconds) {
        silence.look(meter, folder.path(), at(seconds));
        EXPECT_TRUE(meter.wait(patience)) << "before anything changes";
        return silence.proven();
    };
    EXPECT_LT(look(100), Duration{0}) << "no walk has ended";
    EXPECT_LT(look(110), Duration{0}) << "the first one shows what there is";
    EXPECT_EQ(look(120), Duration::from_s(0));
    EXPECT_EQ(look(150), Duration::from_s(10));
    write_text(folder / "a", "word");
    look(200);
    EXPECT_LT(look(210), Duration{0});
    silence.heard(at(230));
    look(240);
    EXPECT_EQ(look(250), Duration::from_s(10));
}

}  // namespace
}  // namespace yoda
