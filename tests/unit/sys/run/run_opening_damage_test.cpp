// SPDX-License-Identifier: Apache-2.0
// Run folders whose journal, table or folder is damaged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "run_opening_fixture.hpp"
#include "sys/run/run_opening.hpp"

namespace yoda {
namespace {

namespace fs = std::filesystem;
using test::check_outputs;
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

// ---- Damaged journals

TEST_F(RunOpening, AJournalTornAtAnyByteOfItsLastFrameIsCutThere)
{
    TestLife life(path, 1, 1);
    life.store_and_finish(0, {0, 1});
    life.store(0, {2});
    auto const before = fs::file_size(life.segment_path());
    auto const next_sequence = life.next_sequence();
    life.finish(0, {2});
    auto const whole = file_text(life.segment_path());
    for (auto bytes = before; bytes <= whole.size(); ++bytes) {
        SCOPED_TRACE(bytes);
        write_text(life.segment_path(), whole.substr(0, bytes));
        auto const looked = open(OpenMode::look);
        bool const has_last = bytes == whole.size();
        EXPECT_EQ(finished_ranges(looked.table).size(), has_last ? 3u : 2u);
        EXPECT_EQ(looked.next_sequence, has_last ? next_sequence + 1 : next_sequence);
        EXPECT_EQ(looked.findings.count(), bytes == before || has_last ? 0u : 1u);
        EXPECT_FALSE(looked.findings.any_damage());
        EXPECT_EQ(finished_ranges(open(OpenMode::check).table).size(), 3u)
            << "the bundle has it all the same";
    }
}

TEST_F(RunOpening, ANewLifeDoesNotMindTheOldOnesTornEnd)
{
    TestLife life(path, 1, 1);
    life.store_and_finish(0, {0, 1});
    life.append(std::string(100, '\0'));
    auto const first = take_over();
    TestLife next(path, first.life, first.next_sequence, 2);
    journal::Writer writer(first.life, next.next_sequence());
    next.append(first.records.encode(writer));
    auto const opened = take_over();
    EXPECT_FALSE(opened.findings.any_damage()) << opened.findings.print();
    EXPECT_THAT(finished_ranges(opened.table), ElementsAre(0, 1));
    EXPECT_EQ(opened.life, 3u);
}

TEST_F(RunOpening, AZeroBlockInTheMiddleIsMadeGoodFromTheBundles)
{
    TestLife life(path, 1, 1);
    life.store_and_finish(0, {0, 1});
    auto const begin = fs::file_size(life.segment_path());
    life.store_and_finish(0, {2, 3});
    life.store_and_finish(1,
                          {4});  // Its BundleChanged is lost too: the journal names an unknown bundle then.
    auto const end = fs::file_size(life.segment_path());
    life.store_and_finish(1, {5});
    life.seal(0);
    life.seal(1);
    auto journal = file_text(life.segment_path());
    for (auto i = begin; i < end; ++i) journal[i] = 0;
    write_text(life.segment_path(), journal);

    EXPECT_THAT(finished_ranges(open(OpenMode::look).table), ElementsAre(0, 1));
    auto const checked = open(OpenMode::check);
    EXPECT_TRUE(checked.findings.any_damage());
    EXPECT_THAT(names(run.quarantine()), IsEmpty());

    auto const opened = take_over();
    EXPECT_THAT(finished_ranges(opened.table), ElementsAre(0, 1, 2, 3, 4, 5));
    EXPECT_EQ(check_outputs(run, opened.table, true), "");
    EXPECT_TRUE(opened.wants_checkpoint);
    auto const kept = run.quarantine() + "/" + fmt::format("00001-0000000001.journal.{}-{}", begin, end);
    EXPECT_EQ(file_text(kept), std::string(end - begin, '\0'));
    EXPECT_THAT(opened.findings.print(), HasSubstr("bytes are no records"));
    // The checkpoint makes it whole again.
    ASSERT_TRUE(save_recovery(run, opened, 1, "node"));
    EXPECT_THAT(finished_ranges(open(OpenMode::look).table), ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST_F(RunOpening, AGapIsMadeGoodFromTheBundles)
{
    TestLife life(path, 1, 1);
    life.store_and_finish(0, {0, 1});
    life.begin_segment();
    life.store_and_finish(0, {2});
    auto const lost = life.segment_path();
    life.begin_segment();
    life.store_and_finish(0, {3});
    life.seal(0);
    fs::remove(lost);
    auto const opened = take_over();
    EXPECT_THAT(finished_ranges(opened.table), ElementsAre(0, 1, 2, 3));
    EXPECT_THAT(opened.findings.print(), HasSubstr("are missing"));
}

TEST_F(RunOpening, AJournalOfANewerFormatIsRefused)
{
    TestLife life(path, 1, 1);
    auto frame = file_text(life.segment_path());
    frame[15] = 9;  // The format's version, under a checksum that is right.
    auto const crc = crc32c(std::string_view(frame).substr(12));
    std::memcpy(frame.data() + 8, &crc, 4);
    write_text(life.segment_path(), frame);
    for (auto const mode : {OpenMode::look, OpenMode::check, OpenMode::take_over}) {
        EXPECT_THAT(open_error(mode), HasSubstr("00001-0000000001.journal is of another version"));
        EXPECT_THAT(open_error(mode), HasSubstr("has format 9"));
    }
}

TEST_F(RunOpening, AJournalOfAnotherRunIsRefused)
{
    TestLife life(path, 1, 1);
    life.record(journal::BundleChanged{0, {{999, 0, 1, 1, 0}, 1, false, false}});
    EXPECT_THAT(open_error(), HasSubstr("of another run"));
    EXPECT_THAT(open_error(), HasSubstr("EventService_premerge_999_1_1_0"));
}

// ---- Damaged folders

TEST_F(RunOpening, SaysWhatIsMissing)
{
    run = RunFolder(root / "nowhere");
    EXPECT_THAT(open_error(), HasSubstr("there is no run folder"));
    fs::create_directory(root / "nowhere");
    EXPECT_THAT(open_error(), HasSubstr("is not a run folder"));
    run = RunFolder(path);
    auto const jobs = file_text(run.jobs());
    fs::remove(run.jobs());
    EXPECT_THAT(open_error(), HasSubstr("not whole: it has no job.json"));
    write_text(run.jobs(), jobs);
    auto const events = file_text(run.events());
    fs::remove(run.events());
    EXPECT_THAT(open_error(), HasSubstr("not whole: it has no events.h5"));
    write_text(run.events(), events);
    write_text(run.jobs(), "{");
    EXPECT_THAT(open_error(), HasSubstr("job.json"));
}

TEST_F(RunOpening, SaysWhatIsWrongWithTheTable)
{
    auto const events = file_text(run.events());
    write_text(run.events(), "this is no HDF5");
    EXPECT_THAT(open_error(), HasSubstr("events.h5"));
    write_text(run.events(), events);
    auto const other = root / "OTHER";
    make_run(other, 20, "ffffffffffffffffffffffffffffffff");
    fs::copy_file(other + "/state.h5", run.state(), fs::copy_options::overwrite_existing);
    EXPECT_THAT(open_error(), HasSubstr("it belongs to run ffff"));
    write_text(run.jobs(), R"({"version": 1, "jobs": [{"PandaID": 201}]})");
    fs::copy_file(other + "/events.h5", run.events(), fs::copy_options::overwrite_existing);
    TestLife life(path, 1, 1);
    life.finish(0, {});
    EXPECT_THAT(open_error(), HasSubstr("of another run"));
}

TEST_F(RunOpening, AStateFileThatCannotBeUsedIsMadeAnewOnRequest)
{
    TestLife life(path, 1, 1);
    life.store_and_finish(0, {0, 1});
    life.seal(0);
    auto looked = open(OpenMode::look);
    ASSERT_TRUE(write_state_file(path, looked.table, looked.info.run_id, {life.next_sequence() - 1, 1}));
    fs::remove(life.segment_path());
    life.begin_segment();
    life.store_and_finish(1, {2});
    fs::remove(run.state());
    write_text(run.state(), "no HDF5");
    EXPECT_THAT(open_error(OpenMode::take_over), HasSubstr("state.h5"));
    EXPECT_THAT(open_error(OpenMode::take_over), HasSubstr("harvest recover"));

    auto options = take_over_options();
    options.rebuild_state = true;
    auto const opened = open_run(run, options);
    ASSERT_TRUE(opened) << opened.error().text();
    EXPECT_THAT(finished_ranges(opened->table), ElementsAre(0, 1, 2));
    EXPECT_EQ(check_outputs(run, opened->table, true), "");
    EXPECT_EQ(file_text(run.quarantine() + "/state.h5"), "no HDF5");
    ASSERT_TRUE(save_recovery(run, *opened, 1, "node"));
    EXPECT_THAT(finished_ranges(open(OpenMode::look).table), ElementsAre(0, 1, 2));
}

TEST_F(RunOpening, FoldersThatGotLostAreMade)
{
    for (auto const& folder : {run.journal(), run.bundles(), run.quarantine()}) fs::remove(folder);
    EXPECT_EQ(open(OpenMode::check).findings.print(), "");
    take_over();
    EXPECT_TRUE(fs::exists(run.journal()));
}

TEST_F(RunOpening, LivesDoNotRunOver)
{
    TestLife life(path, UINT16_MAX, 1);
    EXPECT_THAT(open_error(OpenMode::take_over), HasSubstr("it has had 65535 lives"));
}

}  // namespace
}  // namespace yoda
