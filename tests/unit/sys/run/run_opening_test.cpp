// SPDX-License-Identifier: Apache-2.0
#include "sys/run/run_opening.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "run_opening_fixture.hpp"
#include "support/kill_at.hpp"

namespace yoda {
namespace {

namespace fs = std::filesystem;
using test::check_outputs;
using test::check_sealed_bundle;
using test::file_text;
using test::finished_ranges;
using test::make_run;
using test::RunOpening;
using test::take_over_options;
using test::TestLife;
using test::write_text;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// ---- Good runs

TEST_F(RunOpening, ANewRunBeginsItsFirstLife)
{
    auto const opened = take_over();
    EXPECT_EQ(opened.life, 1u);
    EXPECT_EQ(opened.next_sequence, 1u);
    EXPECT_EQ(opened.table.ready_count(), 20u);
    EXPECT_EQ(opened.table.life(), 1u);
    EXPECT_EQ(opened.jobs.at(0).panda_id(), 200);
    EXPECT_TRUE(opened.records.empty());
    EXPECT_EQ(opened.findings.print(), "");
}

TEST_F(RunOpening, ARunThatEndedWellOpensAsItWas)
{
    TestLife life(path, 1, 1);
    life.store_and_finish(0, {0, 1, 2});
    life.store_and_finish(1, {3});
    life.record(journal::RangeFailed{4, RangeState::failed, 3, 1220, "it failed"});
    life.record(journal::InboxApplied{"000001-closed.json"});
    life.record(journal::Closed{});
    life.seal(0);
    life.seal(1);
    life.record(journal::LifeEnded{0, ""});
    for (auto const mode : {OpenMode::look, OpenMode::check}) {
        auto const opened = open(mode);
        EXPECT_EQ(opened.life, 1u);
        EXPECT_THAT(finished_ranges(opened.table), ElementsAre(0, 1, 2, 3));
        EXPECT_EQ(opened.failure_reasons.at(4), "it failed");
        EXPECT_TRUE(opened.closed);
        EXPECT_THAT(opened.applied_notes, ElementsAre("000001-closed.json"));
        EXPECT_EQ(opened.findings.print(), "");
    }
    auto const opened = take_over();
    EXPECT_EQ(opened.life, 2u);
    EXPECT_EQ(opened.next_sequence, life.next_sequence());
    EXPECT_EQ(opened.bundle_count, 2u);
    EXPECT_TRUE(opened.records.empty());
    EXPECT_FALSE(opened.wants_checkpoint);
    EXPECT_EQ(check_outputs(run, opened.table, true), "");
}

TEST_F(RunOpening, LookingAndCheckingChangeNothing)
{
    TestLife life(path, 1, 1);
    life.store_and_finish(0, {0, 1, 2});
    life.append("torn");
    auto const listing = [&] {
        std::string text;
        std::vector<fs::path> files;
        for (auto const& entry : fs::recursive_directory_iterator(path)) files.push_back(entry.path());
        std::sort(files.begin(), files.end());
        for (auto const& file : files) {
            text += file.string() + "\n";
            if (fs::is_regular_file(file)) text += file_text(file) + "\n";
        }
        return text;
    };
    auto const before = listing();
    open(OpenMode::look);
    open(OpenMode::check);
    EXPECT_EQ(listing(), before);
}

TEST_F(RunOpening, ACheckpointReplacesTheRecordsItIncludes)
{
    TestLife life(path, 1, 1);
    life.store_and_finish(0, {0, 1, 2});
    auto opened = open(OpenMode::look);
    ASSERT_TRUE(write_state_file(path, opened.table, opened.info.run_id, {life.next_sequence() - 1, 1}));
    fs::remove(life.segment_path());
    life.begin_segment();
    life.finish(0, {3});
    opened = open(OpenMode::look);
    EXPECT_THAT(finished_ranges(opened.table), ElementsAre(0, 1, 2, 3));
    EXPECT_EQ(opened.next_sequence, life.next_sequence());
    EXPECT_EQ(opened.findings.print(), "");
}

TEST_F(RunOpening, AddedRangesAreThereAndTold)
{
    TestLife life(path, 1, 1);
    RangeRow row;
    row.first = row.last = 1;
    row.process_id = 900;
    life.record(journal::RangeAdded{20, row, ""});
    auto const opened = take_over();
    EXPECT_EQ(opened.table.size(), 21u);
    EXPECT_EQ(opened.event_file_rows, 20u);
}

TEST_F(RunOpening, AddedRangesOutliveTheSegmentThatTold)
{
    TestLife life(path, 1, 1);
    RangeRow row;
    row.first = row.last = 1;
    row.process_id = 900;
    life.record(journal::RangeAdded{20, row, ""});
    auto const opened = take_over();
    ASSERT_TRUE(save_recovery(run, opened, 1700000002, "node"));
    EXPECT_FALSE(fs::exists(life.segment_path()));
    auto const again = take_over();
    EXPECT_EQ(again.table.size(), 21u);
    EXPECT_EQ(again.event_file_rows, 21u);
    EXPECT_EQ(again.findings.print(), "");
}

TEST_F(RunOpening, LookingBesideALifeThatAddsRangesAlwaysFindsATable)
{
    std::atomic<bool> done = false;
    std::thread living([&] {
        auto loaded = load_event_file(path);
        ASSERT_TRUE(loaded);
        for (RangeIndex range = 20; range < 60; ++range) {
            auto row = loaded->table.row(0);
            row.first = row.last = row.process_id = range + 1;
            loaded->table.add_row(row);
            ASSERT_TRUE(write_event_file(path, loaded->table, loaded->info));
            ASSERT_TRUE(write_state_file(path, loaded->table, loaded->info.run_id, {0, 0}));
        }
        done = true;
    });
    RangeIndex seen = 20;
    while (!done) {
        auto const opened = open_run(run, {});
        EXPECT_TRUE(opened) << opened.error().text();
        if (!opened) break;
        EXPECT_GE(opened->table.size(), seen);
        seen = opened->table.size();
    }
    living.join();
}

TEST_F(RunOpening, LookingBesideARunningLifeSeesNothingGoBack)
{
    // A life that finishes ranges, makes a checkpoint after each, and removes the journal before it.
    std::atomic<bool> done = false;
    std::thread living([&] {
        TestLife life(path, 1, 1);
        auto const info = load_event_file(path)->info;
        for (RangeIndex range = 0; range < 20; ++range) {
            life.store_and_finish(0, {range});
            auto loaded = load_event_file(path);
            ASSERT_TRUE(loaded);
            loaded->table.set_bundles({{life.origin(0), 1, false, false}});
            for (RangeIndex i = 0; i <= range; ++i)
                loaded->table.set_progress(i, {RangeState::finished, 0, 0, 0, 10 + i, 20 + i}, 1);
            auto const old = life.segment_path();
            auto const sequence = life.next_sequence() - 1;
            life.begin_segment();
            ASSERT_TRUE(write_state_file(path, loaded->table, info.run_id, {sequence, 1}));
            fs::remove(old);
        }
        done = true;
    });
    std::size_t seen = 0;
    while (!done) {
        auto const opened = open_run(run, {});
        ASSERT_TRUE(opened) << opened.error().text();
        EXPECT_EQ(opened->findings.print(), "");
        auto const count = finished_ranges(opened->table).size();
        EXPECT_GE(count, seen);
        seen = count;
    }
    living.join();
    EXPECT_EQ(finished_ranges(open(OpenMode::check).table).size(), 20u);
}

// ---- What lives leave behind

TEST_F(RunOpening, WhatWasLeftOpenIsSealedUnderANewName)
{
    TestLife life(path, 1, 1);
    life.store_and_finish(0, {0, 1, 2});
    life.store(0, {7});     // Stored, but rank 0 never heard of it.
    life.store(0, {2}, 2);  // A second copy that was rejected.
    life.finish(0, {9});    // Told, but its bytes are not there.
    auto const opened = take_over();
    EXPECT_THAT(finished_ranges(opened.table), ElementsAre(0, 1, 2, 7));
    EXPECT_EQ(check_outputs(run, opened.table, true), "");
    BundleOrigin const copy{200, 0, 2, 0, 0};
    EXPECT_EQ(opened.table.bundles().at(0).origin, copy);
    EXPECT_EQ(check_sealed_bundle(run.bundles(), copy, {0, 1, 2, 7}), "");
    auto const manifest = parse_manifest(file_text(bundle_paths(run.bundles(), copy).manifest));
    EXPECT_EQ(manifest->task_id, 100);
    EXPECT_EQ(manifest->jobset_id, 400);
    EXPECT_EQ(manifest->sealed_unix_s, 1700000001);
    auto const old = bundle_name(life.origin(0));
    EXPECT_THAT(names(run.quarantine()), ElementsAre(old + ".index.part", old + ".tar.part"));
    EXPECT_THAT(opened.findings.print(), HasSubstr("1 of 4 outputs are not whole in it"));

    // Written down, it is all there is to it.
    ASSERT_TRUE(save_recovery(run, opened, 1700000002, "node"));
    auto const again = take_over();
    EXPECT_EQ(again.life, 3u);
    EXPECT_TRUE(again.records.empty());
    EXPECT_EQ(again.findings.print(), "");
    EXPECT_THAT(finished_ranges(again.table), ElementsAre(0, 1, 2, 7));
    EXPECT_EQ(check_outputs(run, again.table, true), "");
}

TEST_F(RunOpening, BundlesOfARunWithAnIdHaveItInTheirNamesAndThoseOfAnotherRunAreNotIts)
{
    write_text(run.jobs(),
               R"({"version": 2, "run_id": "0a2b3c4d", "jobs": [{"PandaID": 200, "taskID": 100}]})");
    TestLife life(path, 1, 1);
    life.run_id = 0x0a2b3c4d;
    life.store_and_finish(0, {0, 1});
    life.seal(0);
    life.store_and_finish(1, {2});  // Left open.
    fs::create_directories(path + "_of_another/bundles");
    fs::create_directories(path + "_of_another/journal");
    TestLife stranger(path + "_of_another", 1, 1);
    stranger.run_id = 0x11111111;
    stranger.store_and_finish(0, {5});
    stranger.seal(0);
    for (auto const& file : fs::directory_iterator(path + "_of_another/bundles"))
        fs::copy_file(file.path(), fs::path(run.bundles()) / file.path().filename());
    auto const opened = take_over();
    EXPECT_THAT(finished_ranges(opened.table), ElementsAre(0, 1, 2)) << opened.findings.print();
    EXPECT_EQ(check_outputs(run, opened.table, true), "");
    EXPECT_TRUE(path_exists(run.bundles() + "/EventService_premerge_200_0a2b3c4d_1_1_0.tar"));
    EXPECT_TRUE(path_exists(run.bundles() + "/EventService_premerge_200_0a2b3c4d_2_0_0.tar")) << "the copy";
    EXPECT_THAT(opened.findings.print(), HasSubstr("not of this run's ranges"));
}

TEST_F(RunOpening, RecordsInTheJournalGiveTheSameTableWithoutACheckpoint)
{
    TestLife life(path, 1, 1);
    life.store_and_finish(0, {0, 1, 2});
    life.store(3, {7, 8});
    life.finish(0, {9});
    auto const opened = take_over();
    TestLife next(path, opened.life, opened.next_sequence, 2);
    journal::Writer writer(opened.life, next.next_sequence());
    next.append(opened.records.encode(writer));
    auto const looked = open(OpenMode::look);
    EXPECT_EQ(looked.findings.print(), "");
    EXPECT_EQ(finished_ranges(looked.table), finished_ranges(opened.table));
    EXPECT_EQ(looked.table.bundles(), opened.table.bundles());
    EXPECT_EQ(looked.life, 2u);
    EXPECT_EQ(check_outputs(run, looked.table, true), "");
}

TEST_F(RunOpening, WithoutTheRecordsTheNextRecoveryFindsTheCopies)
{
    TestLife life(path, 1, 1);
    life.store_and_finish(0, {0, 1, 2});
    life.store(0, {7});
    take_over();
    auto const again = take_over();
    EXPECT_EQ(again.life, 3u) << "a life that left copies is used up";
    EXPECT_THAT(finished_ranges(again.table), ElementsAre(0, 1, 2, 7));
    EXPECT_EQ(check_outputs(run, again.table, true), "");
    EXPECT_FALSE(again.findings.any_damage()) << again.findings.print();
    BundleOrigin const copy{200, 0, 2, 0, 0};
    EXPECT_EQ(again.table.bundles().at(0).origin, copy) << "the first copy counts, no second one is made";
}

TEST_F(RunOpening, ABundleShorterThanItsIndexKeepsWhatIsWhole)
{
    TestLife life(path, 1, 1);
    life.store_and_finish(0, {0, 1, 2});
    fs::resize_file(life.paths(0).open_tar, fs::file_size(life.paths(0).open_tar) - 600);
    auto const opened = take_over();
    EXPECT_THAT(finished_ranges(opened.table), ElementsAre(0, 1));
    EXPECT_EQ(check_outputs(run, opened.table, true), "");
    EXPECT_TRUE(opened.findings.any_damage());
}

TEST_F(RunOpening, OutputsThatDoNotHaveTheirChecksumAreRunAgain)
{
    TestLife life(path, 1, 1);
    life.store_and_finish(0, {0, 1, 2});
    auto tar = file_text(life.paths(0).open_tar);
    auto const index = decode_index(file_text(life.paths(0).open_index));
    tar[index->entries[1].members[0].data_offset] ^= 1;
    write_text(life.paths(0).open_tar, tar);
    auto const opened = take_over();
    EXPECT_THAT(finished_ranges(opened.table), ElementsAre(0, 2));
    EXPECT_EQ(check_outputs(run, opened.table, true), "");
    EXPECT_THAT(opened.findings.print(), HasSubstr("1 outputs in it do not have their checksum"));
    ASSERT_TRUE(save_recovery(run, opened, 1, "node"));
    EXPECT_THAT(finished_ranges(open(OpenMode::look).table), ElementsAre(0, 2));
}

TEST_F(RunOpening, BytesThatChangedInASealedBundleAreFoundWhenDataAreRead)
{
    for (bool const in_index : {false, true}) {
        SCOPED_TRACE(in_index);
        fs::remove_all(path);
        make_run(path, 20);
        TestLife life(path, 1, 1);
        life.store_and_finish(0, {0, 1, 2});
        life.seal(0);
        life.record(journal::LifeEnded{0, ""});
        auto const paths = life.paths(0);
        auto const file = in_index ? paths.index : paths.tar;
        auto bytes = file_text(file);
        auto const index = decode_index(file_text(paths.index));
        bytes[in_index ? index->frames[1] + 12 : index->entries[1].members[0].data_offset] ^= 1;
        write_text(file, bytes);
        EXPECT_EQ(open(OpenMode::check).findings.print(), "") << "sizes are right";

        OpenOptions options = take_over_options();
        options.read_data = true;
        auto const opened = open_run(run, options);
        ASSERT_TRUE(opened) << opened.error().text();
        EXPECT_TRUE(opened->findings.any_damage());
        // An index is read up to the damage: what stands behind it cannot be found any more.
        if (in_index)
            EXPECT_THAT(finished_ranges(opened->table), ElementsAre(0));
        else
            EXPECT_THAT(finished_ranges(opened->table), ElementsAre(0, 2));
        EXPECT_EQ(check_outputs(run, opened->table, true), "");
        ASSERT_TRUE(save_recovery(run, *opened, 1, "node"));
        options.mode = OpenMode::check;
        auto const again = open_run(run, options);
        ASSERT_TRUE(again);
        EXPECT_EQ(again->findings.print(), "");
    }
}

TEST_F(RunOpening, ASealedBundleThatWasCutIsMadeAnew)
{
    TestLife life(path, 1, 1);
    life.store_and_finish(0, {0, 1, 2});
    life.seal(0);
    auto const index = decode_index(file_text(life.paths(0).index));
    fs::resize_file(life.paths(0).tar, index->entries[1].end);
    auto const opened = take_over();
    EXPECT_THAT(finished_ranges(opened.table), ElementsAre(0, 1));
    EXPECT_EQ(check_outputs(run, opened.table, true), "");
    EXPECT_EQ(names(run.quarantine()).size(), 3u) << "tar, index and manifest are set aside together";
}

TEST_F(RunOpening, ABundleWithoutManifestIsMadeAnew)
{
    TestLife life(path, 1, 1);
    life.store_and_finish(0, {0, 1});
    life.seal(0);
    fs::remove(life.paths(0).manifest);
    auto const opened = take_over();
    EXPECT_THAT(finished_ranges(opened.table), ElementsAre(0, 1));
    EXPECT_EQ(check_outputs(run, opened.table, true), "");
    EXPECT_FALSE(opened.findings.any_damage()) << opened.findings.print();
}

TEST_F(RunOpening, ManifestAndIndexWithoutDataAreNormal)
{
    TestLife life(path, 1, 1);
    life.store_and_finish(0, {0, 1});
    life.seal(0);
    fs::remove(life.paths(0).tar);
    auto const opened = take_over();
    EXPECT_THAT(finished_ranges(opened.table), ElementsAre(0, 1));
    EXPECT_EQ(opened.findings.print(), "");
    EXPECT_TRUE(fs::exists(life.paths(0).manifest));
}

TEST_F(RunOpening, AManifestAloneProvesNothing)
{
    TestLife life(path, 1, 1);
    life.store_and_finish(0, {0, 1});
    life.seal(0);
    fs::remove(life.paths(0).tar);
    fs::remove(life.paths(0).index);
    auto const opened = take_over();
    EXPECT_THAT(finished_ranges(opened.table), ElementsAre());
    EXPECT_TRUE(opened.findings.any_damage());
    EXPECT_THAT(opened.findings.print(), HasSubstr("it has no index"));
    EXPECT_FALSE(fs::exists(life.paths(0).manifest)) << "else the next look would find it again";
    EXPECT_TRUE(fs::exists(run.quarantine() + "/" + fs::path(life.paths(0).manifest).filename().string()));
}

TEST_F(RunOpening, ASealedBundleWithADamagedIndexKeepsWhatItStillNames)
{
    TestLife life(path, 1, 1);
    life.store_and_finish(0, {0, 1, 2});
    life.seal(0);
    auto const index = file_text(life.paths(0).index);
    auto const decoded = decode_index(index);
    write_text(life.paths(0).index, index.substr(0, decoded->frames[2] + 5));
    auto const opened = take_over();
    EXPECT_THAT(finished_ranges(opened.table), ElementsAre(0, 1));
    EXPECT_EQ(check_outputs(run, opened.table, true), "");
    EXPECT_THAT(opened.findings.print(), HasSubstr("it is damaged from byte"));
}

TEST_F(RunOpening, AManifestThatIsNoneMakesTheBundleOpen)
{
    TestLife life(path, 1, 1);
    life.store_and_finish(0, {0, 1});
    life.seal(0);
    write_text(life.paths(0).manifest, "{}");
    auto const opened = take_over();
    EXPECT_THAT(finished_ranges(opened.table), ElementsAre(0, 1));
    EXPECT_EQ(check_outputs(run, opened.table, true), "");
    EXPECT_TRUE(opened.findings.any_damage());
}

TEST_F(RunOpening, TwoBundlesThatClaimOneRangeAreReported)
{
    TestLife life(path, 1, 1);
    life.store(1, {0, 1});  // Wrongly under the same hand-out, and whole.
    life.store_and_finish(0, {0, 1});
    life.seal(0);
    auto const opened = take_over();
    EXPECT_THAT(finished_ranges(opened.table), ElementsAre(0, 1));
    EXPECT_EQ(opened.table.bundles().at(opened.table.progress(0).holder).origin, life.origin(0));
    EXPECT_EQ(check_outputs(run, opened.table, true), "");
    EXPECT_THAT(opened.findings.print(), HasSubstr("range 0 (100-200-300-1-10) is in it and in "));
    EXPECT_TRUE(opened.findings.any_damage());
}

TEST_F(RunOpening, BundlesOfAnotherRunAreNotTaken)
{
    TestLife life(path, 1, 1);
    auto const other = root / "OTHER";
    make_run(other, 20);
    // The same PandaID, other ranges: the ids in the index tell.
    {
        auto table = test::make_table({20, 2});
        ASSERT_TRUE(write_event_file(path, table, {"00112233445566778899aabbccddeeff", 0}));
    }
    TestLife stranger(other, 1, 1);
    stranger.store(0, {3});
    auto index = decode_index(file_text(stranger.paths(0).open_index));
    index->entries[0].range_id = "100-200-300-77-10";
    std::string bytes = encode_index_header(index->origin);
    encode_index_entry(index->entries[0], bytes);
    fs::copy(stranger.paths(0).open_tar, run.bundles());
    write_text(life.paths(0).open_index, bytes);
    auto const opened = take_over();
    EXPECT_THAT(finished_ranges(opened.table), IsEmpty());
    EXPECT_THAT(names(run.bundles()), IsEmpty());
    EXPECT_EQ(names(run.quarantine()).size(), 2u);
}

TEST_F(RunOpening, AZombiesLateRecordsAndBundleDoNotCount)
{
    TestLife life(path, 1, 1);
    life.store_and_finish(0, {0, 1});
    auto const first = take_over();
    TestLife next(path, first.life, first.next_sequence, 2);
    journal::Writer writer(first.life, next.next_sequence());
    next.append(first.records.encode(writer));
    // Life 1 is not dead: it goes on writing, into a file that was set aside, and to its own segment.
    life.store(0, {5});
    life.finish(0, {5});
    life.store(1, {6});
    life.finish(1, {6});
    auto const opened = take_over();
    EXPECT_THAT(finished_ranges(opened.table), ElementsAre(0, 1, 6)) << "6 is whole in a bundle of its own";
    EXPECT_EQ(check_outputs(run, opened.table, true), "");
    EXPECT_THAT(opened.findings.print(), HasSubstr("two writers"));
    EXPECT_TRUE(opened.wants_checkpoint);
}

// ---- Kills

/// Runs `work` on copies of the run, killed at its first, second, ... system call that changes a disk, until
/// it ends unharmed; then `check` looks at what is left.
template <class Work, class Check>
unsigned kill_everywhere(std::string const& original, std::string const& copy, Work work, Check check)
{
    for (unsigned nth = 1;; ++nth) {
        SCOPED_TRACE(nth);
        fs::remove_all(copy);
        fs::copy(original, copy, fs::copy_options::recursive);
        bool const killed = test::run_and_kill_at(nth, [&] { return work(copy); });
        check(copy);
        if (!killed || ::testing::Test::HasFailure()) return nth;
    }
}

TEST_F(RunOpening, ALifeKilledAnywhereLosesNothingItAcknowledged)
{
    // What the life has journaled stands in a file beside the run, as its Droids have heard it.
    auto const work = [](std::string const& at) {
        TestLife life(at, 1, 1);
        auto const told = at + ".told";
        write_text(told, "");
        auto const tell = [&](std::vector<RangeIndex> const& ranges) {
            std::string text = file_text(told);
            for (auto const range : ranges) text += std::to_string(range) + "\n";
            write_text(told + ".new", text);
            fs::rename(told + ".new", told);
        };
        life.store_and_finish(0, {0, 1});
        tell({0, 1});
        life.store_and_finish(0, {2});
        tell({2});
        life.store(0, {1}, 2);  // A second copy, rejected.
        life.store_and_finish(1, {3, 4});
        tell({3, 4});
        life.seal(0, {{1, Epoch::make(1, 2)}});
        life.seal(1);
        return life.good();
    };
    auto const check = [&](std::string const& at) {
        RunFolder const folder(at);
        auto const opened = open_run(folder, take_over_options());
        ASSERT_TRUE(opened) << opened.error().text();
        EXPECT_EQ(check_outputs(folder, opened->table, true), "");
        EXPECT_FALSE(opened->findings.any_damage()) << opened->findings.print();
        for (auto const& line : test::file_lines(at + ".told"))
            EXPECT_EQ(opened->table.state(static_cast<RangeIndex>(std::stoul(line))), RangeState::finished);
    };
    EXPECT_GT(kill_everywhere(path, root / "COPY", work, check), 60u);
}

/// A run with all that recovery has to do.
void leave_a_mess(std::string const& path)
{
    TestLife life(path, 1, 1);
    life.store_and_finish(0, {0, 1});
    life.store(0, {2});                // To be adopted.
    life.store_and_finish(1, {3, 4});  // Sealed, the journal does not say so.
    life.seal(1, {{4, Epoch::make(1, 7)}});
    life.store_and_finish(2, {5, 6});  // Killed while it was sealed.
    fs::rename(life.paths(2).open_index, life.paths(2).index);
    life.store_and_finish(3, {7, 8});  // Cut off after it was sealed.
    life.seal(3);
    auto const index = decode_index(file_text(life.paths(3).index));
    fs::resize_file(life.paths(3).tar, index->entries[0].end);
    life.store(4, {9});     // Unknown to the journal.
    life.store(5, {0}, 2);  // Nothing in it counts.
    life.append("torn");
    write_text(life.paths(6).tar + ".new", "of a copy that was interrupted");
}

TEST_F(RunOpening, ARecoveryKilledAnywhereCanBeMadeAgain)
{
    leave_a_mess(path);
    std::vector<RangeIndex> const expected{0, 1, 2, 3, 4, 5, 6, 7, 9};
    std::uintmax_t data_bytes = 0;
    for (auto const& file : fs::directory_iterator(run.bundles())) data_bytes += file.file_size();
    auto const work = [](std::string const& at) {
        return static_cast<bool>(open_run(RunFolder(at), take_over_options()));
    };
    unsigned round = 0;
    auto const check = [&](std::string const& at) {
        RunFolder const folder(at);
        // Killed once more on the way, somewhere else each time.
        test::run_and_kill_at(1 + round++ * 7 % 50, [&] { return work(at); });
        auto const opened = open_run(folder, take_over_options());
        ASSERT_TRUE(opened) << opened.error().text();
        EXPECT_EQ(finished_ranges(opened->table), expected);
        EXPECT_EQ(check_outputs(folder, opened->table, true), "");
        TestLife next(at, opened->life, opened->next_sequence, 2);
        journal::Writer writer(opened->life, next.next_sequence());
        next.append(opened->records.encode(writer));
        auto const looked = open_run(folder, {});
        ASSERT_TRUE(looked) << looked.error().text();
        EXPECT_EQ(finished_ranges(looked->table), expected);
        EXPECT_EQ(check_outputs(folder, looked->table, true), "");
        std::uintmax_t left_bytes = 0;
        for (auto const& name : {folder.bundles(), folder.quarantine()})
            for (auto const& file : fs::directory_iterator(name)) left_bytes += file.file_size();
        EXPECT_GE(left_bytes, data_bytes) << "recovery deletes nothing";
    };
    EXPECT_GT(kill_everywhere(path, root / "COPY", work, check), 60u);
}

}  // namespace
}  // namespace yoda
