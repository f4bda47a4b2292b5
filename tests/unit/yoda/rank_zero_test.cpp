// SPDX-License-Identifier: Apache-2.0
// Rank 0's real loop with a real journal on disk; this test is the Droid.
#include "yoda/rank_zero.hpp"

#include <gtest/gtest.h>

#include <optional>

#include "support/builders/table_builder.hpp"
#include "support/scratch_folder.hpp"
#include "support/sync_gate.hpp"
#include "sys/transport/local_transport.hpp"

namespace yoda::test {
namespace {

class RankZeroTest : public ::testing::Test {
  protected:
    RankZeroTest()
    {
        EXPECT_TRUE(run_.make_folders());
        JournalOptions options;
        options.sync = gate_.hook();
        journal_ = *JournalFile::open(run_.journal(), 1, std::move(options));
        ends_ = *make_local_transports(2);
        droid_.set_header({1, 0});
        RankZeroParts parts;
        parts.folder = run_;
        Dispatcher dispatcher(make_table({.ranges = 4}), {first_panda_id}, 2, {});
        zero_.emplace(std::move(parts), std::move(dispatcher), *journal_, *ends_[0], poller_, clock_, log_);
        zero_->begin({});
    }
    ~RankZeroTest() override { gate_.closed = false; }

    void say(Message const& message)
    {
        droid_.put(message);
        for (std::size_t i = 0; i < droid_.count(); ++i) ends_[1]->send(0, droid_.frame(i));
        droid_.clear();
    }
    /// Reads what has come for the Droid.
    void hear()
    {
        Rank from = 0;
        std::string frame;
        FrameReader reader;
        while (ends_[1]->receive(from, frame)) {
            ASSERT_TRUE(reader.open(frame));
            while (auto const message = reader.next()) {
                auto const* const grant = std::get_if<Grant>(&*message);
                if (grant && !granted_) granted_ = grant->run;
                if (auto const* accepted = std::get_if<Accepted>(&*message)) accepted_ = accepted->sequence;
            }
        }
    }
    void step()
    {
        zero_->step();
        hear();
    }
    /// Asks for a range and gets it.
    void get_range()
    {
        say(Hello{"node", 42, 1});
        say(Request{1});
        ASSERT_TRUE(eventually([&] { return step(), granted_.has_value(); }));
    }
    void finish(std::uint32_t sequence)
    {
        std::vector<FinishedEntry> const entries{{granted_->begin, granted_->hand_out, 1000, 1000}};
        say(Finished{sequence, 0, 0, entries});
    }

    ScratchFolder folder_;
    SyncGate gate_;
    RunFolder run_{folder_ / "RUN"};
    std::unique_ptr<JournalFile> journal_;
    std::vector<std::unique_ptr<Transport>> ends_;
    Poller poller_ = *Poller::make();
    SystemClock clock_;
    Log log_{LogLevel::error};
    FrameWriter droid_;
    std::optional<RankZero> zero_;
    std::optional<RangeRun> granted_;  ///< the first one
    std::optional<std::uint32_t> accepted_;
};

TEST_F(RankZeroTest, SaysAcceptedOnlyAfterTheRecordIsDurable)
{
    get_range();
    ASSERT_TRUE(eventually([&] { return step(), journal_->durable() == journal_->appended(); }));
    gate_.closed = true;
    int const begun = gate_.begun;
    auto const before = journal_->appended();
    finish(1);
    ASSERT_TRUE(eventually([&] { return step(), journal_->appended() > before && gate_.begun > begun; }))
        << "the record is written, and its sync does not return";
    for (int i = 0; i < 100; ++i) step();
    EXPECT_EQ(zero_->dispatcher().table().state(granted_->begin), RangeState::finished);
    EXPECT_FALSE(accepted_.has_value()) << "a crash now would lose what the Droid was told";
    gate_.closed = false;
    ASSERT_TRUE(eventually([&] { return step(), accepted_.has_value(); }));
    EXPECT_EQ(*accepted_, 1u);
    EXPECT_EQ(journal_->durable(), journal_->appended());
}

TEST_F(RankZeroTest, SaysNothingOfWhatAFailedSyncMayHaveLost)
{
    get_range();
    ASSERT_TRUE(eventually([&] { return step(), journal_->durable() == journal_->appended(); }));
    gate_.fail_with = EIO;
    finish(1);
    ASSERT_TRUE(eventually([&] { return step(), zero_->over(); }));
    zero_->end(Duration::from_s(1));
    hear();
    EXPECT_FALSE(accepted_.has_value());
    EXPECT_EQ(zero_->exit_code(), 4);
}

TEST_F(RankZeroTest, AnswersAnInboxNoteOnlyAfterItsRecordIsDurable)
{
    ASSERT_TRUE(eventually([&] { return step(), journal_->durable() == journal_->appended(); }));
    gate_.closed = true;
    int const begun = gate_.begun;
    write_text(run_.inbox() + "/000001.json", R"({"version": 1, "type": "drain"})");
    ASSERT_TRUE(eventually([&] { return step(), gate_.begun > begun; }));
    for (int i = 0; i < 100; ++i) step();
    EXPECT_FALSE(std::filesystem::exists(run_.outbox() + "/000001.json"));
    gate_.closed = false;
    EXPECT_TRUE(eventually([&] { return step(), std::filesystem::exists(run_.outbox() + "/000001.json"); }));
}

}  // namespace
}  // namespace yoda::test
