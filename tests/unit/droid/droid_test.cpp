#include "droid/droid.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <future>

#include "support/scratch_folder.hpp"
#include "sys/local_transport.hpp"

namespace yoda {
namespace {

using test::eventually;
using test::ScratchFolder;
using test::write_text;
using ::testing::IsEmpty;

constexpr Life life = 3;

/// A whole Droid, and rank 0 by hand.
struct DroidTest : ::testing::Test {
    DroidTest()
    {
        std::filesystem::create_directories(folder / "run/logs");
        std::filesystem::create_directories(folder / "run/bundles");
        std::filesystem::create_directories(folder / "work");
        config = "droid.heartbeat = 50 ms\nwork.folder = " + folder / "work" + "\n";
        auto ends = make_local_transports(2);
        auto started = Spawner::start();
        auto made = Poller::make();
        if (!ends || !started || !made) throw std::runtime_error("no descriptors");
        chief = std::move((*ends)[0]);
        droid_end = std::move((*ends)[1]);
        spawner.emplace(*std::move(started));
        poller.emplace(*std::move(made));
    }
    void begin(std::function<void()> before_errand = {})
    {
        droid.emplace(RunFolder(folder / "run"), "here", *spawner, *droid_end, *poller, clock, log,
                      std::move(before_errand));
        droid->begin();
        say(Welcome{});
        auto const job = Job::from_json({{"PandaID", 6001}, {"taskID", 4001}, {"jobsetID", 7}});
        give(DocumentKind::jobs, print_jobs({*job}));
        give(DocumentKind::payload, "channel = null\n");
        give(DocumentKind::config, config);
    }
    void say(Message const& message)
    {
        FrameWriter frames;
        frames.set_header({life, 0});
        frames.put(message);
        chief->send(1, frames.frame(0));
    }
    void give(DocumentKind kind, std::string const& text)
    {
        say(Document{kind, static_cast<std::uint32_t>(text.size()), 0, text});
    }
    /// What the Droid has said until now: heartbeats and hellos with workers.
    void hear()
    {
        std::string frame;
        Rank from = 0;
        while (chief->receive(from, frame)) {
            FrameReader reader;
            ASSERT_TRUE(reader.open(frame));
            while (auto const message = reader.next()) {
                if (std::holds_alternative<Heartbeat>(*message)) ++heartbeat_count;
                auto const* hello = std::get_if<Hello>(&*message);
                if (hello && hello->worker_count > 0) is_ready = true;
            }
        }
    }
    bool turn_until(std::function<bool()> const& done)
    {
        return eventually([&] {
            if (!droid->step()) droid->rest();
            hear();
            return done();
        });
    }
    std::vector<std::string> work() const { return list_folder(folder / "work").value(); }

    ScratchFolder const folder;
    std::string config;
    SystemClock const clock;
    Log log;
    std::unique_ptr<Transport> chief;
    std::unique_ptr<Transport> droid_end;
    std::optional<Spawner> spawner;
    std::optional<Poller> poller;
    std::optional<Droid> droid;
    std::atomic<int> heartbeat_count = 0;
    bool is_ready = false;
};

TEST_F(DroidTest, LivesWhileItsWorkFolderIsWalkedHoweverLongThatTakes)
{
    config += "disk.work_folder = 1 GB\ndisk.check_interval = 50 ms\n";
    std::promise<void> released;
    auto const release = released.get_future().share();
    std::atomic<bool> is_slow = false;
    std::atomic<bool> is_walking = false;
    begin([&] {
        if (!is_slow) return;
        is_walking = true;
        release.wait();
    });
    EXPECT_TRUE(turn_until([&] { return is_ready; }));
    is_slow = true;
    EXPECT_TRUE(turn_until([&] { return is_walking.load(); }));
    heartbeat_count = 0;
    EXPECT_TRUE(turn_until([&] { return heartbeat_count >= 5; }));
    released.set_value();
    droid.reset();  // Its threads look at what is here.
}

TEST_F(DroidTest, LivesWhileItRemovesWhatADeadOneHasLeft)
{
    pid_t const dead = ::fork();
    if (dead == 0) ::_exit(0);
    ASSERT_EQ(::waitpid(dead, nullptr, 0), dead);
    auto const stale = work_folder_path(folder / "work", "here", 1, dead);
    std::filesystem::create_directories(stale + "/a/b");
    write_text(stale + "/a/b/c", "x");
    std::promise<void> released;
    auto const release = released.get_future().share();
    begin([&] { release.wait(); });
    // Its set-up is one step, in which it waits.
    auto const listener = std::async(std::launch::async, [&] {
        EXPECT_TRUE(eventually([&] {
            hear();
            return heartbeat_count >= 5;
        }));
        EXPECT_TRUE(std::filesystem::exists(stale));
        released.set_value();
    });
    EXPECT_TRUE(eventually([&] {
        return droid->step() && listener.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    }));
    EXPECT_TRUE(turn_until([&] { return is_ready; }));
    EXPECT_FALSE(std::filesystem::exists(stale));
    droid.reset();
}

TEST_F(DroidTest, EndsAtOnceWhenRankZeroHasSaidItsLastWord)
{
    begin();
    EXPECT_TRUE(turn_until([&] { return is_ready; }));
    EXPECT_EQ(work().size(), 1u);
    say(Stop{true});
    EXPECT_TRUE(turn_until([&] { return droid->over(); }));
    EXPECT_TRUE(droid->everybody_alive());
    EXPECT_FALSE(droid->why().empty()) << "no other word will come";
    droid.reset();
    EXPECT_THAT(work(), IsEmpty());
}

}  // namespace
}  // namespace yoda
