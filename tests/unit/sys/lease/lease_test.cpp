// SPDX-License-Identifier: Apache-2.0
#include "sys/lease/lease.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>

#include "support/scratch_folder.hpp"
#include "support/skip.hpp"
#include "support/small_disk.hpp"
#include "sys/lease/chain.hpp"
#include "sys/lease/keeper.hpp"
#include "sys/process/process_tree.hpp"

namespace yoda::test {
namespace {

constexpr Duration limit = LeasePolicy().silence_limit;

class LeaseTest : public ::testing::Test {
  protected:
    LeaseHolder here() const { return describe_holder("yoda", "slurm 7", clock_); }
    /// Somebody whose process cannot be looked up from here.
    LeaseHolder on(std::string host) const
    {
        LeaseHolder holder = here();
        holder.host = std::move(host);
        return holder;
    }
    Lease take(LeaseHolder holder)
    {
        LeaseTaker taker(lock_, std::move(holder));
        auto lease = taker.step(now_);
        EXPECT_TRUE(lease) << lease.error().text();
        EXPECT_TRUE(*lease);
        return **std::move(lease);
    }
    void place(LeaseRecord const& record) { write_text(lock_, print_lease(record)); }
    LeaseRecord foreign_record() const
    {
        LeaseRecord record;
        record.token = std::string(32, 'f');
        record.holder = on("far.away");
        return record;
    }
    std::vector<std::string> names() const
    {
        std::vector<std::string> found;
        for (auto const& entry : std::filesystem::directory_iterator(folder_.path()))
            found.push_back(entry.path().filename().string());
        std::sort(found.begin(), found.end());
        return found;
    }
    void expect_busy(LeaseTaker& taker)
    {
        auto const lease = taker.step(now_);
        ASSERT_FALSE(lease);
        EXPECT_EQ(lease.error().kind, ErrorKind::busy) << lease.error().text();
    }
    void expect_unsure(LeaseTaker& taker)
    {
        auto const lease = taker.step(now_);
        ASSERT_TRUE(lease) << lease.error().text();
        EXPECT_FALSE(*lease);
    }

    ScratchFolder folder_;
    std::string lock_ = folder_ / "lock";
    SystemClock clock_;
    TimePoint now_{1'000'000'000};
};

using Names = std::vector<std::string>;

TEST_F(LeaseTest, AFreeLockIsTakenAndLeavesOneFile)
{
    Lease const lease = take(here());
    EXPECT_EQ(names(), Names{"lock"});
    auto const read = read_lease(lock_);
    ASSERT_TRUE(read && *read);
    EXPECT_EQ((*read)->token, lease.record().token);
    EXPECT_EQ((*read)->holder.pid, ::getpid());
    EXPECT_FALSE((*read)->holder.boot_id.empty());
    EXPECT_FALSE((*read)->holder.pid_space.empty());
    EXPECT_GT((*read)->holder.pid_start_ticks, 0u);
}

TEST_F(LeaseTest, OldDraftsOfTakersThatWereKilledAreRemovedAndYoungOnesAreLeftAlone)
{
    auto const young = lock_ + ".draft.young", old = lock_ + ".draft.old";
    write_text(young, "");
    write_text(old, "");
    std::filesystem::last_write_time(old,
                                     std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
    Lease const lease = take(here());
    EXPECT_EQ(names(), (std::vector<std::string>{"lock", "lock.draft.young"}));
}

TEST_F(LeaseTest, AHeldLockIsBusyAndSaysByWhom)
{
    Lease const lease = take(here());
    LeaseTaker second(lock_, here());
    auto const refused = second.step(now_);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::busy);
    EXPECT_NE(refused.error().why.find("pid " + std::to_string(::getpid())), std::string::npos);
    EXPECT_NE(refused.error().why.find("slurm 7"), std::string::npos);
    now_ = now_ + limit + limit;
    expect_busy(second);  // it is here and alive
    EXPECT_EQ(names(), Names{"lock"});
}

TEST_F(LeaseTest, ReleaseFreesItAtOnce)
{
    {
        Lease lease = take(here());
        EXPECT_TRUE(lease.release());
        EXPECT_TRUE(names().empty());
        EXPECT_TRUE(lease.release()) << "again does nothing";
    }
    {
        Lease const lease = take(here());
    }
    EXPECT_TRUE(names().empty()) << "and so does its end";
    auto const nobody = read_lease(lock_);
    ASSERT_TRUE(nobody);
    EXPECT_FALSE(*nobody);
}

TEST_F(LeaseTest, TheLockOfADeadProcessIsFreeAtOnce)
{
    pid_t const child = ::fork();
    if (child == 0) {
        LeaseTaker taker(lock_, here());
        auto lease = taker.step(now_);
        ::_exit(lease && *lease ? 0 : 1);  // without a release, as if it had crashed
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(WEXITSTATUS(status), 0);
    ASSERT_EQ(names(), Names{"lock"});
    Lease lease = take(here());
    EXPECT_EQ(names(), Names{"lock"});
    EXPECT_TRUE(lease.beat());
}

TEST_F(LeaseTest, APidThatIsAnotherProcessByNowDoesNotCount)
{
    LeaseRecord record = foreign_record();
    record.holder = here();
    record.holder.pid_start_ticks += 1;
    place(record);
    Lease const lease = take(here());
}

TEST_F(LeaseTest, APidOfAnotherBootOrPidNamespaceSaysNothing)
{
    LeaseRecord record = foreign_record();
    record.holder = here();
    record.holder.pid_start_ticks += 1;
    for (auto* where : {&record.holder.boot_id, &record.holder.pid_space}) {
        std::string const right = std::exchange(*where, "another");
        place(record);
        LeaseTaker taker(lock_, here());
        expect_unsure(taker);
        *where = right;
    }
}

TEST_F(LeaseTest, ASilentHolderElsewhereIsFollowedAfterTheWholeSilenceAsSeenHere)
{
    place(foreign_record());
    LeaseTaker taker(lock_, here());
    expect_unsure(taker);
    ASSERT_TRUE(taker.seen());
    EXPECT_EQ(taker.seen()->holder.host, "far.away");
    now_ = now_ + limit - Duration{1};
    expect_unsure(taker);
    EXPECT_EQ(names(), Names{"lock"}) << "waiting leaves no trace";
    now_ = now_ + Duration{1};
    auto lease = taker.step(now_);
    ASSERT_TRUE(lease && *lease);
    EXPECT_EQ(names(), Names{"lock"});
    EXPECT_TRUE((*lease)->beat());
}

TEST_F(LeaseTest, ABeatingHolderElsewhereIsBusy)
{
    Lease far = take(on("far.away"));
    LeaseTaker taker(lock_, here());
    expect_unsure(taker);
    now_ = now_ + Duration::from_ms(5'000);
    expect_unsure(taker);
    ASSERT_TRUE(far.beat());
    now_ = now_ + limit;
    expect_busy(taker);
}

TEST_F(LeaseTest, AnUnreadableLockIsTakenAfterTheSilence)
{
    for (char const* content : {"", "{\"token\": \"x", "12 12 12"}) {
        write_text(lock_, content);
        LeaseTaker taker(lock_, here());
        expect_unsure(taker);
        EXPECT_FALSE(taker.seen());
        now_ = now_ + limit;
        auto lease = taker.step(now_);
        ASSERT_TRUE(lease && *lease);
        EXPECT_EQ(names(), Names{"lock"});
    }
}

TEST_F(LeaseTest, OnlyOneOfSeveralFollowsADeadHolder)
{
    place(foreign_record());
    LeaseTaker first(lock_, on("n1"));
    LeaseTaker second(lock_, on("n2"));
    LeaseTaker third(lock_, on("n3"));
    for (auto* taker : {&first, &second, &third}) expect_unsure(*taker);
    now_ = now_ + limit;
    auto lease = second.step(now_);
    ASSERT_TRUE(lease && *lease);
    expect_busy(first);
    expect_busy(third);
    EXPECT_TRUE((*lease)->beat());
}

TEST_F(LeaseTest, ATakerThatDiedOnItsWayIsFollowedInItsTurn)
{
    // It had linked its record behind the dead holder's, and no more.
    LeaseRecord const dead = foreign_record();
    place(dead);
    LeaseRecord half = foreign_record();
    half.token = std::string(32, 'a');
    half.holder.host = "also.far";
    write_text(next_lease_path(lock_, dead.token), print_lease(half));
    LeaseTaker taker(lock_, here());
    expect_unsure(taker);
    EXPECT_EQ(taker.seen()->holder.host, "also.far");
    now_ = now_ + limit;
    auto lease = taker.step(now_);
    ASSERT_TRUE(lease && *lease);
    EXPECT_EQ(names(), Names{"lock"}) << "what leads nowhere is removed";
    EXPECT_TRUE((*lease)->beat());
}

TEST_F(LeaseTest, ALinkBehindAHolderThatWasFollowedMeanwhileDoesNotCount)
{
    // What a taker leaves that looked before the others and died before it looked again.
    Lease lease = take(on("n1"));
    LeaseRecord late = foreign_record();
    late.token = std::string(32, 'b');
    write_text(next_lease_path(lock_, std::string(32, 'f')), print_lease(late));
    EXPECT_TRUE(lease.beat());
    auto const read = read_lease(lock_);
    ASSERT_TRUE(read && *read);
    EXPECT_EQ((*read)->token, lease.record().token);
}

TEST_F(LeaseTest, ARobbedHolderLearnsItAndHarmsNobody)
{
    Lease frozen = take(on("n1"));
    LeaseTaker taker(lock_, on("n2"));
    expect_unsure(taker);
    now_ = now_ + limit;
    auto lease = taker.step(now_);
    ASSERT_TRUE(lease && *lease);
    std::string const content = file_text(lock_);

    Status const lost = frozen.beat();
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().kind, ErrorKind::busy);
    EXPECT_NE(lost.error().why.find("n2"), std::string::npos);
    EXPECT_EQ(file_text(lock_), content);
    EXPECT_FALSE(frozen.release());
    EXPECT_EQ(file_text(lock_), content) << "somebody else's lock is not ours to remove";
    EXPECT_TRUE((*lease)->beat());
}

TEST_F(LeaseTest, ARobbedHolderLearnsItEvenBeforeTheFollowerHasTidiedUp)
{
    Lease frozen = take(on("n1"));
    LeaseRecord follower = foreign_record();
    write_text(next_lease_path(lock_, frozen.record().token), print_lease(follower));
    std::string const content = file_text(lock_);
    EXPECT_FALSE(frozen.beat());
    EXPECT_FALSE(frozen.release());
    EXPECT_EQ(file_text(lock_), content);
}

TEST_F(LeaseTest, ARemovedLockIsLost)
{
    Lease lease = take(here());
    std::filesystem::remove(lock_);
    Status const lost = lease.beat();
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().kind, ErrorKind::busy);
}

TEST_F(LeaseTest, AFolderThatIsNotThereMayComeBack)
{
    std::filesystem::create_directory(folder_ / "run");
    lock_ = folder_ / "run/lock";
    Lease lease = take(here());
    std::filesystem::rename(folder_ / "run", folder_ / "away");
    Status const missed = lease.beat();
    ASSERT_FALSE(missed);
    EXPECT_NE(missed.error().kind, ErrorKind::busy) << "an automounter, a server that starts anew";
    EXPECT_TRUE(lease.folder_is_gone());
    std::filesystem::rename(folder_ / "away", folder_ / "run");
    EXPECT_TRUE(lease.beat());
    EXPECT_FALSE(lease.folder_is_gone());
    // What cannot be seen is weather, however long it lasts.
    std::filesystem::remove_all(folder_ / "run");
    write_text(folder_ / "run", "");
    EXPECT_FALSE(lease.beat());
    EXPECT_FALSE(lease.folder_is_gone());
}

TEST_F(LeaseTest, TheLifeIsShownFromTheNextBeatOn)
{
    Lease lease = take(here());
    lease.set_life(9);
    ASSERT_TRUE(lease.beat());
    auto const read = read_lease(lock_);
    ASSERT_TRUE(read && *read);
    EXPECT_EQ((*read)->holder.life, 9u);
    EXPECT_EQ((*read)->beat, 1u);
}

TEST_F(LeaseTest, AFolderThatCannotBeWrittenSaysSo)
{
    for (std::string const path : {"/proc/lock", "/no/such/folder/lock"}) {
        LeaseTaker taker(path, here());
        auto const lease = taker.step(now_);
        ASSERT_FALSE(lease);
        EXPECT_NE(lease.error().what.find(path), std::string::npos);
        EXPECT_FALSE(lease.error().why.empty());
        EXPECT_FALSE(lease.error().fix.empty());
        EXPECT_NE(lease.error().kind, ErrorKind::busy);
    }
}

TEST_F(LeaseTest, AFullDiskIsAnErrorAtTheStartAndNoneAtTheEnd)
{
    int const result = with_small_disk(folder_ / "disk", "size=16k", [&](std::string const& disk) {
        LeaseTaker first(disk + "/lock", here());
        auto lease = first.step(now_);
        if (!lease || !*lease) return 1;
        write_text(disk + "/filler", std::string(100'000, 'x'));
        if (!(*lease)->beat()) return 2;  // needs no space
        if (!(*lease)->release()) return 3;
        LeaseTaker second(disk + "/lock", here());
        auto const refused = second.step(now_);
        if (refused || refused.error().kind != ErrorKind::no_space) return 4;
        std::filesystem::remove(disk + "/filler");
        auto const after = second.step(now_);
        return after && *after ? 0 : 5;
    });
    if (result == no_small_disk) YODA_SKIP("no mount namespaces here");
    EXPECT_EQ(result, 0);
}

TEST_F(LeaseTest, AcquiringWaitsForAHolderElsewhereToBeSilentLongEnough)
{
    place(foreign_record());
    LeasePolicy policy;
    policy.silence_limit = Duration::from_ms(30);
    policy.look_interval = Duration::from_ms(1);
    int told_count = 0;
    TimePoint const before = clock_.now();
    auto const lease = acquire_lease(lock_, here(), policy, clock_, [&](auto const& holder) {
        ++told_count;
        EXPECT_EQ(holder->holder.host, "far.away");
    });
    ASSERT_TRUE(lease) << lease.error().text();
    EXPECT_EQ(told_count, 1);
    EXPECT_GE(clock_.now() - before, policy.silence_limit);
}

TEST_F(LeaseTest, AKeeperBeatsShowsTheLifeAndReleases)
{
    LeasePolicy policy;
    policy.beat_interval = Duration::from_ms(1);
    auto keeper = LeaseKeeper::start(take(here()), policy);
    ASSERT_TRUE(keeper);
    auto const shown = [&] { return read_lease(lock_).value().value_or(LeaseRecord{}); };
    EXPECT_TRUE(eventually([&] { return shown().beat > 3; }));
    (*keeper)->set_life(5);
    EXPECT_TRUE(eventually([&] { return shown().holder.life == 5; }));
    EXPECT_TRUE((*keeper)->status());
    EXPECT_FALSE((*keeper)->take_warning());
    EXPECT_TRUE((*keeper)->release());
    EXPECT_TRUE(names().empty());
}

TEST_F(LeaseTest, AKeeperTellsOfALoss)
{
    LeasePolicy policy;
    policy.beat_interval = Duration::from_ms(1);
    auto keeper = LeaseKeeper::start(take(here()), policy);
    ASSERT_TRUE(keeper);
    ASSERT_TRUE((*keeper)->status());
    LeaseRecord const follower = foreign_record();
    write_text(folder_ / "other", print_lease(follower));
    std::filesystem::rename(folder_ / "other", lock_);
    pollfd event{(*keeper)->event_fd(), POLLIN, 0};
    ASSERT_EQ(::poll(&event, 1, 60'000), 1);
    ASSERT_FALSE((*keeper)->status());
    EXPECT_NE((*keeper)->status().error().why.find("far.away"), std::string::npos);
    EXPECT_FALSE((*keeper)->release());
    EXPECT_EQ(read_lease(lock_).value()->token, follower.token);
}

TEST_F(LeaseTest, AKeeperWhoseFolderIsGoneForTwoBeatsHasLostIt)
{
    std::filesystem::create_directory(folder_ / "run");
    lock_ = folder_ / "run/lock";
    LeasePolicy policy;
    policy.beat_interval = Duration::from_ms(50);
    auto keeper = LeaseKeeper::start(take(here()), policy);
    ASSERT_TRUE(keeper);
    // A beat finds either the folder whole or nothing.
    std::filesystem::rename(folder_ / "run", folder_ / "away");
    pollfd event{(*keeper)->event_fd(), POLLIN, 0};
    ASSERT_EQ(::poll(&event, 1, 60'000), 1);
    ASSERT_FALSE((*keeper)->status());
    EXPECT_EQ((*keeper)->status().error().kind, ErrorKind::io) << "the next call does not find it again";
    EXPECT_EQ((*keeper)->status().error().what, "the folder " + folder_ / "run" + " is gone");
    EXPECT_TRUE((*keeper)->take_warning()) << "the first look";
}

/// Many processes want the lease again and again; some die while they have it. Returns the number of times
/// that one was inside while another was, as the exit code.
int fight_for(std::string const& lock, std::string const& inside, LeaseHolder (*describe)(), int rounds,
              bool dies)
{
    SystemClock const clock;
    for (int round = 0; round < rounds;) {
        LeaseTaker taker(lock, describe());
        auto lease = taker.step(clock.now());
        if (!lease && lease.error().kind != ErrorKind::busy) return 2;
        if (!lease || !*lease) {
            ::sched_yield();
            continue;
        }
        std::string const other = file_text(inside);
        if (!other.empty() && other != std::to_string(::getpid())) {
            auto const process = read_process(std::stoi(other));
            if (process && !process->is_dead()) return 1;
        }
        write_text(inside, std::to_string(::getpid()));
        ++round;
        if (dies && round == rounds) ::kill(::getpid(), SIGKILL);
        if (!(*lease)->beat()) return 3;
        std::filesystem::remove(inside);
        if (!(*lease)->release()) return 4;
    }
    return 0;
}

LeaseHolder describe_here()
{
    return describe_holder("yoda", "", SystemClock());
}

TEST_F(LeaseTest, NeverTwoHoldItWhileManyFightAndSomeDie)
{
    constexpr int fighter_count = 8;
    std::vector<pid_t> fighters;
    for (int i = 0; i < fighter_count; ++i) {
        pid_t const child = ::fork();
        if (child == 0) ::_exit(fight_for(lock_, folder_ / "inside", describe_here, 25, i % 2 == 0));
        fighters.push_back(child);
    }
    for (int i = 0; i < fighter_count; ++i) {
        int status = 0;
        ASSERT_EQ(::waitpid(fighters[static_cast<std::size_t>(i)], &status, 0),
                  fighters[static_cast<std::size_t>(i)]);
        if (i % 2 == 0)
            EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
        else
            EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << WEXITSTATUS(status);
    }
    Lease const lease = take(here());
    // The last one to die may have been on its way; its draft is all that may stay.
    auto const left = names();
    EXPECT_LE(std::count_if(left.begin(), left.end(),
                            [](auto const& name) { return name.find("next") != name.npos; }),
              0);
}

TEST_F(LeaseTest, OfAllThatFollowEachOtherInARushTheLastHoldsIt)
{
    // Nobody respects anybody: every holder is dead at first sight. The chain alone decides.
    LeasePolicy ruthless;
    ruthless.silence_limit = Duration{0};
    std::vector<std::vector<Lease>> taken(4);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < taken.size(); ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; taken[t].size() < 15; ++i) {
                LeaseTaker taker(lock_, on(std::to_string(t) + "." + std::to_string(i)), ruthless);
                auto lease = taker.step(now_);
                if (lease && *lease) taken[t].push_back(**std::move(lease));
            }
        });
    }
    for (auto& thread : threads) thread.join();
    int held_count = 0;
    for (auto& leases : taken) {
        for (Lease& lease : leases)
            if (lease.beat()) ++held_count;
    }
    EXPECT_EQ(held_count, 1);
}

}  // namespace
}  // namespace yoda::test
