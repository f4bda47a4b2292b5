// SPDX-License-Identifier: Apache-2.0
#include "sys/journal/file.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <future>
#include <set>

#include "support/scratch_folder.hpp"
#include "support/skip.hpp"
#include "support/small_disk.hpp"
#include "support/sync_gate.hpp"
#include "sys/base/clock.hpp"

namespace yoda::test {
namespace {

class JournalFileTest : public ::testing::Test {
  protected:
    void open(Life life = 1, JournalOptions options = {})
    {
        auto opened = JournalFile::open(folder_.path(), life, std::move(options));
        ASSERT_TRUE(opened) << opened.error().text();
        journal_ = std::move(*opened);
    }
    /// Until all that was appended is durable, by the event, as a loop does it.
    void wait_durable(std::uint64_t position)
    {
        while (journal_->durable() < position && journal_->error()) {
            pollfd event{journal_->event_fd(), POLLIN, 0};
            ASSERT_EQ(::poll(&event, 1, 60'000), 1);
            journal_->clear_event();
        }
        ASSERT_TRUE(journal_->error()) << journal_->error().error().text();
    }
    void wait_error()
    {
        ASSERT_TRUE(eventually([&] { return !journal_->error(); }));
    }
    std::string segment_text(Life life, std::uint64_t number) const
    {
        return file_text(segment_path(folder_.path(), life, number));
    }
    std::vector<std::pair<Life, std::uint64_t>> segments() const
    {
        auto const found = list_segments(folder_.path());
        EXPECT_TRUE(found);
        std::vector<std::pair<Life, std::uint64_t>> names;
        for (auto const& segment : *found) names.emplace_back(segment.life, segment.number);
        return names;
    }

    using Names = std::vector<std::pair<Life, std::uint64_t>>;
    ScratchFolder folder_;
    SyncGate gate_;
    std::unique_ptr<JournalFile> journal_;
};

TEST_F(JournalFileTest, WhatIsAppendedBecomesDurableInOrder)
{
    open();
    EXPECT_EQ(journal_->durable(), 0u);
    EXPECT_EQ(journal_->append("one,"), 4u);
    EXPECT_EQ(journal_->append(""), 4u);
    EXPECT_EQ(journal_->append("two,"), 8u);
    wait_durable(8);
    EXPECT_EQ(journal_->durable(), 8u);
    EXPECT_EQ(journal_->appended(), 8u);
    EXPECT_EQ(segment_text(1, 1), "one,two,");
}

TEST_F(JournalFileTest, NothingIsDurableBeforeItsSyncHasReturned)
{
    JournalOptions options;
    options.sync = gate_.hook();
    gate_.closed = true;
    open(1, options);
    journal_->append("frame");
    ASSERT_TRUE(eventually([&] { return gate_.begun == 1; }));
    EXPECT_EQ(segment_text(1, 1), "frame") << "written, but not synced";
    EXPECT_EQ(journal_->durable(), 0u);
    pollfd event{journal_->event_fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&event, 1, 0), 0);
    gate_.closed = false;
    wait_durable(5);
}

TEST_F(JournalFileTest, ASyncThatHangsNeverHoldsUpTheCaller)
{
    JournalOptions options;
    options.sync = gate_.hook();
    options.queue_limit_bytes = 1 << 20;
    gate_.closed = true;
    open(1, options);
    std::string const block(5000, 'x');
    std::uint64_t appended = journal_->append(block);
    ASSERT_TRUE(eventually([&] { return gate_.begun == 1; }));
    // All of this happens while the disk stands still; a caller that waited for it would wait for ever.
    while (!journal_->full()) appended = journal_->append(block);
    EXPECT_GT(appended, 1u << 20);
    EXPECT_LE(appended, (1u << 20) + block.size());
    auto const segment = journal_->rotate();
    ASSERT_TRUE(segment);
    journal_->remove_before(*segment);
    EXPECT_TRUE(journal_->error());
    EXPECT_EQ(journal_->durable(), 0u);
    EXPECT_EQ(gate_.begun, 1);
    gate_.closed = false;
    wait_durable(appended);
    EXPECT_FALSE(journal_->full());
}

TEST_F(JournalFileTest, ManyRecordsShareASync)
{
    JournalOptions options;
    options.sync = gate_.hook();
    gate_.closed = true;
    open(1, options);
    journal_->append("first");
    ASSERT_TRUE(eventually([&] { return gate_.begun == 1; }));
    std::uint64_t position = 0;
    for (int i = 0; i < 1000; ++i) position = journal_->append("more,");
    gate_.closed = false;
    wait_durable(position);
    EXPECT_EQ(gate_.begun, 2);
}

TEST_F(JournalFileTest, ALoneRecordDoesNotWaitForTheInterval)
{
    JournalOptions options;
    options.commit_interval = Duration::from_s(100'000);
    open(1, options);
    wait_durable(journal_->append("first"));
    // The second has to wait, unless there is much of it.
    journal_->append("second");
    std::string const block(1 << 20, 'x');
    std::uint64_t position = 0;
    for (int i = 0; i < 8; ++i) position = journal_->append(block);
    wait_durable(position);
    // Or the end comes.
    journal_->append("third");
    journal_.reset();
    EXPECT_TRUE(segment_text(1, 1).ends_with("third"));
}

TEST_F(JournalFileTest, TheEndWritesWhatIsQueued)
{
    open();
    std::string expected;
    for (int i = 0; i < 1000; ++i) {
        expected += "frame " + std::to_string(i) + ";";
        journal_->append("frame " + std::to_string(i) + ";");
    }
    journal_.reset();
    EXPECT_EQ(segment_text(1, 1), expected);
}

TEST_F(JournalFileTest, BlocksOfAnySizeComeOutAsTheyWentIn)
{
    open();
    std::string expected;
    std::string block;
    for (std::size_t size = 1; size < 2'000'000; size = size * 3 + 1) {
        block.assign(size, static_cast<char>('a' + size % 26));
        expected += block;
        journal_->append(block);
        if (size % 2 == 0) wait_durable(expected.size());
    }
    journal_.reset();
    EXPECT_TRUE(segment_text(1, 1) == expected);
}

TEST_F(JournalFileTest, AFailedSyncIsForEver)
{
    JournalOptions options;
    options.sync = gate_.hook();
    open(1, options);
    wait_durable(journal_->append("good"));
    gate_.fail_with = EIO;
    journal_->append("lost");
    pollfd event{journal_->event_fd(), POLLIN, 0};
    while (journal_->error()) ASSERT_EQ(::poll(&event, 1, 60'000), 1);
    Error const error = journal_->error().error();
    EXPECT_EQ(error.kind, ErrorKind::io);
    EXPECT_NE(error.what.find("00001-0000000001.journal"), std::string::npos) << error.text();
    gate_.fail_with = 0;
    EXPECT_EQ(journal_->append("later"), 13u);
    EXPECT_FALSE(journal_->rotate());
    journal_->remove_before(7);
    journal_.reset();
    EXPECT_EQ(segment_text(1, 1), "goodlost") << "nothing is written after a failure";
}

TEST_F(JournalFileTest, DurableStaysWhereItWasWhenASyncFails)
{
    JournalOptions options;
    options.sync = gate_.hook();
    open(1, options);
    wait_durable(journal_->append("good"));
    gate_.fail_with = ENOSPC;
    journal_->append("lost");
    wait_error();
    EXPECT_EQ(journal_->error().error().kind, ErrorKind::no_space);
    gate_.fail_with = 0;
    int const begun = gate_.begun;
    journal_->append("later");
    journal_.reset();
    EXPECT_EQ(gate_.begun, begun) << "no sync that could seem to help";
}

TEST_F(JournalFileTest, WhatWasQueuedBehindAFailureIsNotWritten)
{
    JournalOptions options;
    options.sync = gate_.hook();
    gate_.closed = true;
    gate_.fail_with = EIO;
    open(1, options);
    journal_->append("lost");
    ASSERT_TRUE(eventually([&] { return gate_.begun == 1; }));
    journal_->append("queued");
    gate_.closed = false;
    wait_error();
    gate_.fail_with = 0;
    journal_.reset();
    EXPECT_EQ(segment_text(1, 1), "lost");
}

TEST_F(JournalFileTest, AnOldSegmentIsSyncedBeforeTheNewOneCounts)
{
    std::vector<std::string> synced;
    JournalOptions options;
    options.sync = [&, gate = gate_.hook()](int fd) {
        char target[512];
        ssize_t const n = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target, sizeof target);
        synced.emplace_back(target, static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
        return gate(fd);
    };
    gate_.closed = true;
    open(1, options);
    journal_->append("first");
    ASSERT_TRUE(eventually([&] { return gate_.begun == 1; }));
    // All of this is one commit.
    journal_->append("end of the old");
    ASSERT_TRUE(journal_->rotate());
    journal_->append("begin of the new");
    gate_.closed = false;
    journal_.reset();
    std::string const old_path = segment_path(folder_.path(), 1, 1);
    EXPECT_EQ(synced, (std::vector{old_path, old_path, segment_path(folder_.path(), 1, 2)}));
}

TEST_F(JournalFileTest, ARotationSplitsExactlyWhereItWasAskedFor)
{
    open(3);
    journal_->append("a1");
    auto const second = journal_->rotate();
    ASSERT_TRUE(second);
    journal_->append("b2");
    auto const third = journal_->rotate();
    auto const fourth = journal_->rotate();
    ASSERT_TRUE(third && fourth);
    wait_durable(journal_->append("c3"));
    EXPECT_EQ(*second, 2u);
    EXPECT_EQ(segment_text(3, 1), "a1");
    EXPECT_EQ(segment_text(3, *second), "b2");
    EXPECT_EQ(segment_text(3, *third), "");
    EXPECT_EQ(segment_text(3, *fourth), "c3");
}

TEST_F(JournalFileTest, OldSegmentsGoNewOnesAndStrangersStay)
{
    for (char const* name :
         {"00001-0000000001.journal", "00002-0000000002.journal", "00002-0000000099.journal",
          "00004-0000000003.journal", "notes.txt", "1-1.journal", "00003-0000000001.journal.part"})
        write_text(folder_ / name, "x");
    open(3);
    EXPECT_EQ(segments(), (Names{{1, 1}, {2, 2}, {2, 99}, {3, 100}, {4, 3}}));
    auto const next = journal_->rotate();
    ASSERT_TRUE(next);
    wait_durable(journal_->append("kept"));
    journal_->remove_before(*next);
    ASSERT_TRUE(eventually([&] { return segments().size() == 2; }));
    EXPECT_EQ(segments(), (Names{{3, 101}, {4, 3}})) << "a newer life's are not ours to remove";
    EXPECT_TRUE(std::filesystem::exists(folder_ / "notes.txt"));
    EXPECT_TRUE(std::filesystem::exists(folder_ / "1-1.journal"));
    journal_.reset();
    EXPECT_EQ(segment_text(3, 101), "kept");
}

TEST_F(JournalFileTest, ASegmentThatCannotBeMadeLeavesTheOldOneInUse)
{
    open();
    write_text(folder_ / "00001-0000000002.journal", "somebody else's");
    auto const next = journal_->rotate();
    ASSERT_TRUE(next);
    EXPECT_EQ(*next, 2u);
    wait_durable(journal_->append("goes on"));
    auto const warning = journal_->take_warning();
    ASSERT_TRUE(warning);
    EXPECT_NE(warning->what.find("00001-0000000002.journal"), std::string::npos);
    EXPECT_FALSE(journal_->take_warning());
    journal_->remove_before(*next);
    journal_.reset();
    EXPECT_EQ(segment_text(1, 1), "goes on") << "it holds what came after the rotation";
    EXPECT_EQ(segment_text(1, 2), "somebody else's");
}

TEST_F(JournalFileTest, EachLifeStartsASegmentWithANewNumber)
{
    open(1);
    wait_durable(journal_->append("one"));
    journal_.reset();
    open(2);
    wait_durable(journal_->append("two"));
    EXPECT_EQ(segments(), (Names{{1, 1}, {2, 2}}));
    EXPECT_EQ(segment_text(1, 1), "one");
}

TEST_F(JournalFileTest, OpeningWhereNothingCanBeWrittenSaysSo)
{
    auto const missing = JournalFile::open(folder_ / "missing", 1, {});
    ASSERT_FALSE(missing);
    EXPECT_NE(missing.error().what.find("missing"), std::string::npos);
    write_text(folder_ / "file", "");
    EXPECT_FALSE(JournalFile::open(folder_ / "file", 1, {}));
    EXPECT_FALSE(JournalFile::open("/proc/self", 1, {}));
}

TEST_F(JournalFileTest, SlowSyncIsAddedToEverySync)
{
    JournalOptions options;
    options.slow_sync = Duration::from_ms(50);
    open(1, options);
    SystemClock const clock;
    TimePoint const before = clock.now();
    wait_durable(journal_->append("slow"));
    EXPECT_GE((clock.now() - before).ms(), 50);
}

/// 0 if all is as it should be.
int fill_a_small_disk(std::string const& folder)
{
    auto journal = JournalFile::open(folder, 1, {});
    if (!journal) return 1;
    std::string const block(5000, 'x');
    std::uint64_t position = 0;
    while ((*journal)->error() && position < (100u << 20)) {
        position = (*journal)->append(block);
        if (!eventually([&] { return (*journal)->durable() == position || !(*journal)->error(); })) return 2;
    }
    Status const status = (*journal)->error();
    if (status) return 3;
    if (status.error().kind != ErrorKind::no_space || status.error().fix.empty()) return 4;
    std::uint64_t const durable = (*journal)->durable();
    if (durable == 0 || durable > (64u << 10) || durable % block.size() != 0) return 5;
    // Space comes back; the journal must not.
    write_text(folder + "/other", "");
    auto const found = list_segments(folder);
    if (!found || found->size() != 1 || found->front().bytes < durable) return 6;
    (*journal)->append(block);
    journal->reset();
    return 0;
}

TEST_F(JournalFileTest, AFullDiskIsAnErrorThatNamesItsRemedy)
{
    int const result = with_small_disk(folder_ / "disk", "size=64k", fill_a_small_disk);
    if (result == no_small_disk) YODA_SKIP("no mount namespaces here");
    EXPECT_EQ(result, 0);
}

}  // namespace
}  // namespace yoda::test
