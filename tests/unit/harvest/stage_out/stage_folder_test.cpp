// SPDX-License-Identifier: Apache-2.0
#include "harvest/stage_out/stage_folder.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "support/scratch_folder.hpp"
#include "sys/lease/lease.hpp"

namespace yoda {
namespace {

namespace fs = std::filesystem;

/// Time by hand.
class HandClock final : public Clock {
  public:
    TimePoint now() const override { return now_; }
    std::int64_t unix_ns() const override { return 1'700'000'000'000'000'000 + now_.ns; }
    void advance(double s) { now_ = now_ + Duration::from_s(s); }

  private:
    TimePoint now_{1'000'000'000};
};

StageRecord record_of(std::string const& name)
{
    StageRecord record;
    record.name = name;
    record.path = "bundles/" + name;
    return record;
}

class Staging : public ::testing::Test {
  protected:
    std::string stage(std::string const& rest) const { return folder_.path() + "/stage/" + rest; }
    /// A holder of another machine with one claim.
    void make_foreign_holder(std::string const& name, std::uint64_t beat)
    {
        fs::create_directories(stage("held/" + name));
        LeaseRecord record{std::string(32, 'a'), describe_holder("harvest push", "", clock_), beat, false};
        record.holder.host = "elsewhere";
        record.holder.boot_id = "another";
        test::write_text(stage("holders/" + name + ".json"), print_lease(record));
    }

    test::ScratchFolder folder_;
    HandClock clock_;
};

TEST_F(Staging, RecordIsAddedOnceAndClaimedByOne)
{
    StageFolder first(folder_.path(), clock_), second(folder_.path(), clock_);
    ASSERT_TRUE(first.join());
    ASSERT_TRUE(second.join());
    EXPECT_TRUE(first.add(record_of("a")).value());
    EXPECT_FALSE(second.add(record_of("a")).value());
    auto claim = first.claim("a").value();
    ASSERT_TRUE(claim);
    EXPECT_FALSE(second.claim("a").value());
    EXPECT_FALSE(second.add(record_of("a")).value()) << "it is held, so it is known";
    EXPECT_TRUE(second.look()->held.contains("a"));
    ASSERT_TRUE(claim->release({}));
    EXPECT_TRUE(second.claim("a").value());
}

TEST_F(Staging, ALongNameHasRoomAndARecordUnderAnotherNameIsDropped)
{
    StageFolder folder(folder_.path(), clock_);
    ASSERT_TRUE(folder.join());
    std::string const longest(230, 'n');
    EXPECT_TRUE(folder.add(record_of(longest)).value());
    auto claim = folder.claim(longest).value();
    ASSERT_TRUE(claim);
    EXPECT_TRUE(claim->save());
    ASSERT_TRUE(claim->release({}));
    // As an older harvest wrote it, whose JSON could not hold the name.
    test::write_text(stage("open/caf\xe9.json"), print_stage_record(record_of("caf\xe9")));
    EXPECT_FALSE(folder.claim("caf\xe9").value());
    EXPECT_FALSE(folder.look()->knows("caf\xe9")) << "its output has another record now";
}

TEST_F(Staging, WhatIsDoneIsNeverAddedAgain)
{
    StageFolder folder(folder_.path(), clock_);
    ASSERT_TRUE(folder.join());
    ASSERT_TRUE(folder.add(record_of("a")).value());
    {
        auto claim = folder.claim("a").value();
        on_lost(claim->record, "gone");
        ASSERT_TRUE(claim->release({}));
    }
    EXPECT_TRUE(folder.look()->done.contains("a"));
    EXPECT_FALSE(folder.add(record_of("a")).value());
    EXPECT_EQ(folder.read("a")->stage, Stage::lost);
}

TEST_F(Staging, ManyThreadsOfTwoHarvestsClaimEachRecordOnce)
{
    StageFolder folders[]{{folder_.path(), clock_}, {folder_.path(), clock_}};
    for (auto& folder : folders) ASSERT_TRUE(folder.join());
    constexpr int record_count = 200;
    std::atomic<int> added{0}, finished{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            auto& folder = folders[t % 2];
            for (int i = 0; i < record_count; ++i) {
                std::string const name = std::to_string(i);
                if (folder.add(record_of(name)).value()) ++added;
                auto claim = folder.claim(name).value();
                if (!claim) continue;
                on_lost(claim->record, "by this test");
                EXPECT_TRUE(claim->save());
                EXPECT_TRUE(claim->release({}));
                ++finished;
            }
        });
    for (auto& thread : threads) thread.join();
    // Who is told that it had been there already may have made it all the same: it was claimed meanwhile.
    EXPECT_LE(added, record_count);
    EXPECT_EQ(finished, record_count);
    auto const names = folders[0].look();
    EXPECT_EQ(names->done.size(), static_cast<std::size_t>(record_count));
    EXPECT_TRUE(names->open.empty() && names->held.empty());
}

TEST_F(Staging, ClaimThatIsDroppedIsGivenBack)
{
    StageFolder folder(folder_.path(), clock_);
    ASSERT_TRUE(folder.join());
    ASSERT_TRUE(folder.add(record_of("a")).value());
    {
        auto const claim = folder.claim("a").value();
    }
    EXPECT_TRUE(folder.look()->open.contains("a"));
}

TEST_F(Staging, DeadProcessOfThisMachineLosesItsClaimsAtOnce)
{
    StageFolder folder(folder_.path(), clock_);
    ASSERT_TRUE(folder.join());
    LeaseRecord dead{std::string(32, 'a'), describe_holder("harvest push", "", clock_), 0, false};
    dead.holder.pid_start_ticks -= 1;  // another process that had our pid
    fs::create_directories(stage("held/dead"));
    test::write_text(stage("holders/dead.json"), print_lease(dead));
    test::write_text(stage("held/dead/a.json"), print_stage_record(record_of("a")));
    test::write_text(stage("held/dead/1.spare"), "left by a kill");
    EXPECT_TRUE(folder.scan()->open.contains("a"));
    EXPECT_FALSE(fs::exists(stage("held/dead")));
    EXPECT_FALSE(fs::exists(stage("holders/dead.json")));
    EXPECT_EQ(std::distance(fs::directory_iterator(stage("held")), {}), 1) << "only our own";
}

TEST_F(Staging, HolderOfAnOlderProgramIsTakenOverOnlyWhenItIsSilent)
{
    StageFolder folder(folder_.path(), clock_);
    ASSERT_TRUE(folder.join());
    fs::create_directories(stage("held/old"));
    test::write_text(stage("holders/old.json"), "{\"host\": \"h\", \"pid\": 1, \"beat\": 7}\n");
    test::write_text(stage("held/old/a.json"), print_stage_record(record_of("a")));
    EXPECT_TRUE(folder.scan()->held.contains("a"));
    clock_.advance(61);
    EXPECT_TRUE(folder.scan()->open.contains("a"));
}

TEST_F(Staging, SilentHolderElsewhereIsTakenOverAfterAMinuteSeenByAnyOfUs)
{
    {
        StageFolder folder(folder_.path(), clock_);
        ASSERT_TRUE(folder.join());
        make_foreign_holder("far", 5);
        test::write_text(stage("held/far/a.json"), print_stage_record(record_of("a")));
        EXPECT_TRUE(folder.scan()->held.contains("a"));
    }
    clock_.advance(59);
    StageFolder later(folder_.path(), clock_);  // the next cron tick
    ASSERT_TRUE(later.join());
    EXPECT_TRUE(later.scan()->held.contains("a"));
    clock_.advance(1);
    EXPECT_TRUE(later.scan()->open.contains("a"));
}

TEST_F(Staging, HolderElsewhereThatBeatsKeepsItsClaims)
{
    StageFolder folder(folder_.path(), clock_);
    ASSERT_TRUE(folder.join());
    make_foreign_holder("far", 5);
    test::write_text(stage("held/far/a.json"), print_stage_record(record_of("a")));
    for (std::uint64_t beat = 5; beat < 10; ++beat) {
        make_foreign_holder("far", beat);
        EXPECT_TRUE(folder.scan()->held.contains("a"));
        clock_.advance(50);
    }
}

TEST_F(Staging, HolderThatWasThoughtDeadFindsOutAndWritesNothing)
{
    StageFolder sleeper(folder_.path(), clock_);
    ASSERT_TRUE(sleeper.join());
    ASSERT_TRUE(sleeper.add(record_of("a")).value());
    auto claim = sleeper.claim("a").value();
    ASSERT_TRUE(claim);
    auto const own = fs::directory_iterator(stage("held"))->path();
    fs::rename(own, own.string() + ".other");  // what another machine's harvest does
    Status const saved = claim->save();
    ASSERT_FALSE(saved);
    EXPECT_EQ(saved.error().kind, ErrorKind::busy);
    EXPECT_EQ(sleeper.beat().error().kind, ErrorKind::busy);
}

TEST_F(Staging, ReportedRecordsWaitForTheirHour)
{
    StageFolder folder(folder_.path(), clock_);
    ASSERT_TRUE(folder.join());
    StagePolicy policy;
    policy.keep_s = 3600;
    ASSERT_TRUE(folder.add(record_of("a")).value());
    {
        auto claim = folder.claim("a").value();
        begin_upload(claim->record, "es_events", "a", "");
        on_verified(claim->record, policy, clock_.unix_ns() / 1'000'000'000);
        on_reported(claim->record, clock_.unix_ns() / 1'000'000'000);
        ASSERT_TRUE(claim->release(policy));
    }
    EXPECT_TRUE(folder.scan()->later.contains("a"));
    clock_.advance(2 * 3600);
    EXPECT_TRUE(folder.scan()->open.contains("a"));
    EXPECT_TRUE(fs::is_empty(stage("later")));
}

TEST_F(Staging, RecordThatAPowerFailureTookIsNewAgain)
{
    StageFolder folder(folder_.path(), clock_);
    ASSERT_TRUE(folder.join());
    test::write_text(stage("open/a.json"), "");
    EXPECT_FALSE(folder.claim("a"));
    EXPECT_FALSE(folder.look()->knows("a"));
    test::write_text(stage("open/b.json"), R"({"version": 2})");
    EXPECT_FALSE(folder.claim("b"));
    EXPECT_TRUE(folder.look()->open.contains("b")) << "another version's record is left alone";
}

TEST_F(Staging, LookingWritesNothing)
{
    StageFolder const folder(folder_.path(), clock_);
    EXPECT_TRUE(folder.look()->open.empty());
    EXPECT_TRUE(fs::is_empty(folder_.path()));
}

}  // namespace
}  // namespace yoda
