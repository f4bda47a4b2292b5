// SPDX-License-Identifier: Apache-2.0
#include "core/journal/replay.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "support/builders/table_builder.hpp"

namespace yoda {
namespace {

using journal::BundleChanged;
using journal::FrameInfo;
using journal::RangeFailed;
using journal::RangesFinished;
using journal::Record;
using test::make_table;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

BundleState bundle_state(std::uint32_t sequence, bool lost = false)
{
    return {{200, 0, 1, 3, sequence}, 1, false, lost};
}

struct ReplayTest : ::testing::Test {
    EventTable table = make_table({10});
    Findings findings;
    std::uint64_t sequence = 0;

    /// Applies records of life 1, numbered from 1, to the table.
    void apply(Replay& replay, std::vector<Record> const& records, Life life = 1)
    {
        for (auto const& record : records) {
            ++sequence;
            replay.apply(record, {sequence, life}, {"1-1", sequence}, findings);
        }
    }
    void replay_all(std::vector<Record> const& records)
    {
        Replay replay(table, 0, 0);
        apply(replay, records);
        replay.finish();
    }
    std::string what(std::size_t i = 0) const
    {
        return i < findings.list().size() ? findings.list()[i].what : "no finding";
    }
};

TEST_F(ReplayTest, FinishedRangesNameTheirBundleAndHandOut)
{
    std::vector<FinishedEntry> const entries{{2, 7, 10, 20}, {4, 1, 30, 40}};
    replay_all({BundleChanged{0, bundle_state(0)}, RangesFinished{0, 1, entries}});
    EXPECT_EQ(table.state(2), RangeState::finished);
    EXPECT_EQ(table.winning_epoch(2), Epoch::make(1, 7));
    EXPECT_EQ(table.progress(4).wall_ms, 40u);
    EXPECT_EQ(table.counts()[2], 2u);
    EXPECT_EQ(table.ready_count(), 8u);
    EXPECT_THAT(findings.list(), IsEmpty());
    // What has finished is not handed out again.
    std::vector<RangeRun> runs;
    FileIndex file = none;
    EXPECT_EQ(table.hand_out(1, file, 100, runs), 8u);
}

TEST_F(ReplayTest, RangesWithoutOutputFinishWithoutABundle)
{
    std::vector<FinishedEntry> const entries{{2, 7, 10, 20}};
    replay_all({RangesFinished{none, 1, entries}});
    EXPECT_EQ(table.state(2), RangeState::finished);
    EXPECT_EQ(table.progress(2).holder, none);
}

TEST_F(ReplayTest, FailuresKeepTriesCodeAndReason)
{
    Replay replay(table, 0, 0);
    apply(replay, {RangeFailed{1, RangeState::ready, 1, 1220, "first"},
                   RangeFailed{1, RangeState::failed, 3, 1213, "too slow"},
                   RangeFailed{2, RangeState::fatal, 1, 1228, "no such event"},
                   RangeFailed{3, RangeState::ready, 0x21, 1227, "it died"}});
    replay.finish();
    EXPECT_EQ(table.state(1), RangeState::failed);
    EXPECT_EQ(table.tries_burnt(1), 3u);
    EXPECT_EQ(table.progress(1).holder, 1213u);
    EXPECT_EQ(table.state(2), RangeState::fatal);
    EXPECT_EQ(table.state(3), RangeState::ready);
    EXPECT_EQ(table.progress(3).burnt, 0x21);
    EXPECT_EQ(replay.failure_reasons().at(1), "too slow");
    EXPECT_EQ(replay.failure_reasons().size(), 3u);
}

TEST_F(ReplayTest, ReasonsAreBoundedInNumberAndLength)
{
    table = make_table({20'000});
    Replay replay(table, 0, 0);
    std::string const reason(5000, 'r');
    for (RangeIndex range = 0; range < table.size(); ++range)
        apply(replay, {RangeFailed{range, RangeState::ready, 1, 1220, reason}});
    replay.finish();
    EXPECT_EQ(replay.failure_reasons().size(), 10'000u);
    EXPECT_EQ(replay.failure_reasons().at(0).size(), 500u);
}

TEST_F(ReplayTest, ACheckpointOfALifeThatWasRobbedHidesNothingOfTheNextOne)
{
    // Life 1 was frozen at record 3; life 2 went on from what was durable, record 1. Then life 1 woke up and
    // put its checkpoint in place.
    std::vector<FinishedEntry> const entries{{2, 1, 10, 20}};
    Replay replay(table, 1, 3);
    apply(replay, {RangeFailed{1, RangeState::ready, 1, 1220, "first"}});
    apply(replay, {BundleChanged{0, bundle_state(0)}, RangesFinished{0, 1, entries}}, 2);
    replay.finish();
    EXPECT_EQ(table.state(2), RangeState::finished);
    EXPECT_EQ(table.tries_burnt(1), 0u) << "that record the checkpoint does include";
    EXPECT_EQ(replay.next_sequence(), 4u);
}

TEST_F(ReplayTest, RangesOfALostBundleAreReadyAgainUnlessTheyFinishedElsewhere)
{
    std::vector<FinishedEntry> const first{{1, 1, 1, 1}, {2, 1, 1, 1}};
    std::vector<FinishedEntry> const again{{2, 2, 1, 1}};
    replay_all({BundleChanged{0, bundle_state(0)}, RangesFinished{0, 1, first},
                BundleChanged{0, bundle_state(0, true)}, BundleChanged{1, bundle_state(1)},
                RangesFinished{1, 1, again}});
    EXPECT_EQ(table.state(1), RangeState::ready);
    EXPECT_EQ(table.state(2), RangeState::finished);
    EXPECT_EQ(table.progress(2).holder, 1u);
    EXPECT_TRUE(table.bundles()[0].lost);
}

TEST_F(ReplayTest, ALostOutputIsReadyAgain)
{
    std::vector<FinishedEntry> const entries{{1, 1, 1, 1}};
    replay_all({BundleChanged{0, bundle_state(0)}, RangesFinished{0, 1, entries}, journal::OutputLost{1},
                journal::OutputLost{2}});
    EXPECT_EQ(table.state(1), RangeState::ready);
    EXPECT_EQ(table.progress(1).holder, none);
    EXPECT_EQ(table.state(2), RangeState::ready);
}

TEST_F(ReplayTest, ADroppedJobKeepsWhatHadEnded)
{
    table = make_table({5, 1, 2});
    std::vector<FinishedEntry> const entries{{1, 1, 1, 1}};
    std::vector<FinishedEntry> const later{{7, 1, 1, 1}};
    replay_all({BundleChanged{0, bundle_state(0)}, RangesFinished{0, 1, entries},
                RangeFailed{2, RangeState::failed, 3, 1220, ""}, journal::JobDropped{0},
                journal::InboxApplied{"000001-kill.json"}, RangesFinished{0, 1, later}});
    EXPECT_EQ(table.job_counts(0), (StateCounts{0, 0, 1, 1, 0, 3}));
    EXPECT_EQ(table.job_counts(1), (StateCounts{4, 0, 1, 0, 0, 0}));
    EXPECT_THAT(findings.list(), IsEmpty());
}

TEST_F(ReplayTest, AddedFilesAndRangesAreThereOnce)
{
    FileEntry file;
    file.lfn = "more.lhe";
    file.text_ids = true;
    RangeRow row;
    row.first = 1;
    row.last = 5;
    row.file = 1;
    std::vector<Record> const records{journal::FileAdded{1, file}, journal::RangeAdded{10, row, "id-a"},
                                      journal::RangeAdded{11, row, "id-b"}};
    replay_all(records);
    ASSERT_EQ(table.size(), 12u);
    EXPECT_EQ(table.range_id(11), "id-b");
    EXPECT_EQ(table.ready_count(), 12u);
    sequence = 0;
    replay_all(records);  // A later life's events.h5 has them already.
    EXPECT_EQ(table.size(), 12u);
    EXPECT_EQ(table.files().size(), 2u);
    EXPECT_THAT(findings.list(), IsEmpty());
}

TEST_F(ReplayTest, ANoteBehindMissingRecordsIsNotTakenForApplied)
{
    Replay replay(table, 0, 0);
    apply(replay, {journal::InboxApplied{"000001-ranges.json"}});
    ++sequence;  // What the second note did was not durable, its last word was.
    apply(replay, {journal::InboxApplied{"000002-ranges.json"}});
    replay.finish();
    EXPECT_THAT(replay.applied_notes(), ElementsAre("000001-ranges.json"));
    EXPECT_TRUE(replay.incomplete());
}

TEST_F(ReplayTest, NotesAndClosedAreToldAlsoFromBeforeTheCheckpoint)
{
    Replay replay(table, 1, 100);
    apply(replay, {journal::InboxApplied{"000001-ranges.json"}, journal::Closed{},
                   RangeFailed{1, RangeState::failed, 3, 1220, "why"}});
    replay.finish();
    EXPECT_THAT(replay.applied_notes(), ElementsAre("000001-ranges.json"));
    EXPECT_TRUE(replay.closed());
    EXPECT_EQ(replay.failure_reasons().at(1), "why");
    EXPECT_EQ(table.state(1), RangeState::ready) << "the checkpoint knows better";
    EXPECT_EQ(replay.next_sequence(), 101u);
    EXPECT_EQ(replay.life(), 1u);
    EXPECT_FALSE(replay.incomplete());
}

TEST_F(ReplayTest, AnOlderCheckpointLifeMayStillHaveSegments)
{
    Replay replay(table, 3, 2);
    apply(replay, {journal::Closed{}, journal::Closed{}}, 2);
    apply(replay, {RangeFailed{1, RangeState::failed, 3, 1220, ""}}, 3);
    replay.finish();
    EXPECT_THAT(findings.list(), IsEmpty());
    EXPECT_EQ(table.state(1), RangeState::failed);
    EXPECT_EQ(replay.life(), 3u);
    EXPECT_EQ(replay.next_sequence(), 4u);
}

TEST_F(ReplayTest, GapsAreReportedAndWhatComesAfterCounts)
{
    Replay replay(table, 1, 5);
    sequence = 7;
    apply(replay, {RangeFailed{1, RangeState::failed, 3, 1220, ""}});
    sequence = 10;
    apply(replay, {RangeFailed{2, RangeState::failed, 3, 1220, ""}});
    replay.finish();
    ASSERT_THAT(findings.list(), SizeIs(2));
    EXPECT_EQ(what(0), "records 6 to 7 are missing");
    EXPECT_EQ(what(1), "records 9 to 10 are missing");
    EXPECT_EQ(findings.list()[1].where, "1-1 at 11");
    EXPECT_TRUE(replay.incomplete());
    EXPECT_EQ(table.counts()[3], 2u);
}

TEST_F(ReplayTest, AWriterThoughtDeadIsRefused)
{
    Replay replay(table, 0, 0);
    replay.begin_life(1, 1);
    replay.begin_life(2, 3);
    RangeFailed const failed{0, RangeState::failed, 3, 1220, ""};
    auto const fail = [&](RangeIndex range, FrameInfo info) {
        auto record = failed;
        record.range = range;
        replay.apply(record, info, {"s", 0}, findings);
    };
    fail(0, {1, 1});
    fail(1, {2, 1});
    fail(2, {3, 1});  // Life 2 had begun: this writer was alone in believing itself alive.
    fail(3, {3, 2});
    fail(4, {4, 1});  // And once more, in a segment of its own that was read later.
    fail(5, {4, 2});
    fail(6, {4, 2});  // The same number twice.
    replay.finish();
    std::vector<bool> failed_ranges;
    for (RangeIndex range = 0; range < 7; ++range)
        failed_ranges.push_back(table.state(range) == RangeState::failed);
    EXPECT_THAT(failed_ranges, ElementsAre(true, true, false, true, false, true, false));
    ASSERT_THAT(findings.list(), SizeIs(3));
    for (std::size_t i = 0; i < 3; ++i) EXPECT_THAT(what(i), HasSubstr("two writers"));
    EXPECT_TRUE(replay.incomplete());
    EXPECT_EQ(replay.next_sequence(), 5u);
}

TEST_F(ReplayTest, RecordsThatCannotBeAreLeftOut)
{
    std::vector<FinishedEntry> const entries{{1, 1, 1, 1}};
    std::vector<FinishedEntry> const beyond{{3, 1, 1, 1}, {10, 1, 1, 1}, {none, 1, 1, 1}};
    FileEntry const file;
    RangeRow row;
    row.file = 9;
    RangeRow backwards;
    backwards.first = 2;
    backwards.last = 1;
    replay_all({RangesFinished{0, 1, entries},                   // No such bundle.
                BundleChanged{5, bundle_state(5)},               // 0 to 4 are missing:
                RangesFinished{2, 1, entries},                   // nothing can be in them.
                RangesFinished{5, 9, entries},                   // Another life's.
                RangesFinished{5, 1, beyond},                    // Two of three.
                BundleChanged{none - 1, bundle_state(1)},        // No memory for that.
                RangeFailed{10, RangeState::failed, 3, 1, ""},   //
                RangeFailed{4, RangeState::finished, 3, 1, ""},  //
                journal::OutputLost{10}, journal::FileAdded{7, file}, journal::FileAdded{0, file},
                journal::RangeAdded{12, row, ""}, journal::RangeAdded{10, row, ""},
                journal::RangeAdded{10, backwards, ""}, journal::RangeAdded{3, backwards, ""}});
    EXPECT_EQ(findings.count(), 14u) << findings.print();
    EXPECT_EQ(table.size(), 10u);
    EXPECT_EQ(table.counts()[2], 1u);
    EXPECT_EQ(table.state(3), RangeState::finished);
    EXPECT_EQ(table.bundles().size(), 6u);
    EXPECT_TRUE(table.bundles()[2].lost);
}

/// What an event table and its journal go through, with a checkpoint copied row by row beside it.
class World {
  public:
    explicit World(unsigned seed) : random_(seed) { jobs_.resize(table_.job_count()); }
    EventTable const& table() const { return table_; }
    std::string const& bytes() const { return bytes_; }
    std::uint64_t last_sequence() const { return writer_.next_sequence() - 1; }

    void step()
    {
        switch (pick(10)) {
            case 0:
            case 1:
            case 2:
            case 3:
                return finish();
            case 4:
            case 5:
                return fail();
            case 6:
                return add_range();
            case 7: {
                if (table_.bundles().empty()) return;
                auto const number = pick(static_cast<unsigned>(table_.bundles().size()));
                if (pick(4) == 0)
                    table_.lose_bundle(number);
                else if (!table_.bundles()[number].lost)
                    table_.seal_bundle(number);
                return record(BundleChanged{number, table_.bundles()[number]});
            }
            case 8: {
                auto const range = pick(table_.size());
                table_.lose_output(range);
                if (table_.state(range) == RangeState::ready) record(journal::OutputLost{range});
                return;
            }
            default: {
                if (pick(40) != 0) return;
                auto const job = pick(table_.job_count());
                table_.drop_job(job);
                jobs_[job] = true;
                return record(journal::JobDropped{job});
            }
        }
    }
    bool was_dropped(JobIndex job) const { return jobs_[job]; }

  private:
    std::uint32_t pick(std::uint32_t count)
    {
        return std::uniform_int_distribution<std::uint32_t>(0, count - 1)(random_);
    }
    void record(Record const& what) { writer_.append(what, bytes_); }
    void finish()
    {
        auto const range = test::hand_one(table_, 1);
        if (range == none) return;
        BundleOrigin const origin{200, 0, 1, 1, static_cast<std::uint32_t>(pick(6) + last_sequence() / 50)};
        auto const before = table_.bundles().size();
        auto const number = table_.bundle(origin);
        if (table_.bundles().size() != before) record(BundleChanged{number, table_.bundles()[number]});
        auto const epoch = test::latest_epoch(table_, range);
        if (table_.finish(range, epoch, number, range, 2 * range) != Outcome::accepted) return;
        std::vector<FinishedEntry> const entries{{range, epoch.hand_out(), range, 2 * range}};
        record(RangesFinished{number, 1, entries});
    }
    void fail()
    {
        auto const range = test::hand_one(table_, 1);
        if (range == none) return;
        auto const kind = pick(9) == 0 ? FailKind::fatal : FailKind::failed;
        table_.fail(range, test::latest_epoch(table_, range), 1, kind, 1220);
        auto const& progress = table_.progress(range);
        record(RangeFailed{range, progress.state, progress.burnt, 1220, "it failed"});
    }
    void add_range()
    {
        auto const range = test::make_range(0, 77 + pick(2), ++added_);
        auto const files = table_.files().size();
        auto const number = *table_.add_range(0, range, "/data/x");
        if (table_.files().size() != files)
            record(journal::FileAdded{static_cast<FileIndex>(files), table_.files().back()});
        record(journal::RangeAdded{number, table_.row(number), ""});
    }

    std::mt19937 random_;
    EventTable table_ = make_table({60, 1, 2});
    journal::Writer writer_{1, 1};
    std::string bytes_;
    std::vector<bool> jobs_;
    unsigned added_ = 0;
};

/// Everything that a later life goes by. Ready ranges: what their last error was does not matter.
std::string print_row(World const& world, EventTable const& table, RangeIndex range)
{
    auto const& progress = table.progress(range);
    auto state = progress.state == RangeState::sent ? RangeState::ready : progress.state;
    if (state == RangeState::dropped && world.was_dropped(table.job(range))) state = RangeState::ready;
    auto text = fmt::format("{} {} burnt {} events {}", table.range_id(range), print_state(state),
                            progress.burnt, table.row(range).first);
    if (state == RangeState::finished)
        text += fmt::format(" bundle {} winner {} {} {}", progress.holder, table.row(range).winner,
                            progress.cpu_ms, progress.wall_ms);
    if (state == RangeState::failed || state == RangeState::fatal)
        text += fmt::format(" {}", progress.holder);
    return text;
}

TEST(ReplayOverAFuzzyCheckpoint, GivesTheTableThatWasInMemory)
{
    for (unsigned seed = 0; seed < 200; ++seed) {
        SCOPED_TRACE(seed);
        World world(seed);
        for (unsigned i = 0; i < 150; ++i) world.step();
        // Rows are copied one by one while the world goes on, the bundles at the end.
        auto const checkpoint_sequence = world.last_sequence();
        EventTable loaded = world.table();  // As events.h5 has it: files and rows of this moment.
        auto const rows = loaded.size();
        for (RangeIndex range = 0; range < rows; ++range) {
            loaded.set_progress(range, world.table().progress(range), world.table().row(range).winner);
            if (range % 3 == 0) world.step();
        }
        loaded.set_bundles(world.table().bundles());
        loaded.rebuild();
        for (unsigned i = 0; i < 50; ++i) world.step();

        Findings findings;
        Replay replay(loaded, 1, checkpoint_sequence);
        journal::Reader reader(world.bytes());
        while (reader.next() == journal::Reader::Step::record)
            replay.apply(reader.record(), reader.info(), {"s", reader.offset()}, findings);
        replay.finish();

        EXPECT_EQ(findings.print(), "");
        EXPECT_EQ(replay.next_sequence(), world.last_sequence() + 1);
        EXPECT_EQ(loaded.bundles(), world.table().bundles());
        ASSERT_EQ(loaded.size(), world.table().size());
        for (RangeIndex range = 0; range < loaded.size(); ++range)
            ASSERT_EQ(print_row(world, loaded, range), print_row(world, world.table(), range)) << range;
        EXPECT_EQ(loaded.counts(), test::recount(loaded).all);
    }
}

}  // namespace
}  // namespace yoda
