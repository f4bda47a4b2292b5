// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>

#include "athenamp/desk.hpp"
#include "core/base/checksum.hpp"
#include "sys/base/checked_copy.hpp"

namespace yoda::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

/// A desk whose job has two files that are really there.
struct FileDesk : Desk {
    FileDesk()
    {
        for (auto const* name : {"EVNT.1.root", "EVNT.2.root"})
            write_text(folder / name, std::string("events of ") + name);
        set_inputs();
        setup.stage_folder = folder / "stage";
        setup.payload.stage_in = true;
    }
    void set_inputs(std::string const& second_checksum = {})
    {
        auto fields = setup.definition.fields();
        auto const sum = [&](std::string const& name) {
            return "ad:" + print_adler32(adler32(file_text(folder / name)));
        };
        fields["inFiles"] = "EVNT.1.root,EVNT.2.root";
        fields["GUID"] = "G1,G2";
        fields["fsize"] = "21,21";
        fields["scopeIn"] = "mc,mc";
        fields["inFilePaths"] = (folder / "EVNT.1.root") + "," + (folder / "EVNT.2.root");
        fields["checksum"] =
            sum("EVNT.1.root") + "," + (second_checksum.empty() ? sum("EVNT.2.root") : second_checksum);
        setup.definition = *Job::from_json(fields);
    }
    /// Where a copy of the file lies.
    std::string staged(std::string const& name) const
    {
        return fmt::format("{}/{:08x}/{}", setup.stage_folder, crc32c(folder / name), name);
    }
    WorkItem item(RangeIndex range, unsigned file)
    {
        auto item = make_item(range, folder / ("EVNT." + std::to_string(file) + ".root"));
        item.range.lfn = "EVNT." + std::to_string(file) + ".root";
        item.range.guid = "G" + std::to_string(file);
        return item;
    }
};

TEST(AthenaInputs, AreCopiedOnceAndThePayloadSeesTheCopies)
{
    FileDesk desk;
    desk.mock("MOCK_RECORD", desk.folder / "frames");
    for (RangeIndex range = 1; range <= 6; ++range) desk.ranges.push_back(desk.item(range, 1 + range % 2));
    desk.start(2);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 0) << desk.end_reason;
    EXPECT_EQ(desk.outputs.size(), 6u);
    auto const frames = file_text(desk.folder / "frames");
    EXPECT_THAT(frames, HasSubstr("\"PFN\": \"" + desk.staged("EVNT.1.root") + "\""));
    EXPECT_THAT(frames, HasSubstr("\"PFN\": \"" + desk.staged("EVNT.2.root") + "\""));
    EXPECT_EQ(file_text(desk.staged("EVNT.2.root")), "events of EVNT.2.root");
    EXPECT_THAT(file_text(desk.folder / "payload.out"),
                HasSubstr("--inputEVNTFile=" + desk.staged("EVNT.1.root")));
    auto const catalogue = file_text(desk.folder / "work/start_0/PoolFileCatalog_1.xml");
    EXPECT_THAT(catalogue, HasSubstr(desk.staged("EVNT.2.root")));
}

TEST(AthenaInputs, FileWithAWrongChecksumFailsItsRangesOnly)
{
    FileDesk desk;
    desk.set_inputs("ad:00000001");
    desk.ranges = {desk.item(1, 1), desk.item(2, 2), desk.item(3, 1)};
    desk.start(1);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 0) << desk.end_reason;
    EXPECT_EQ(desk.finished(), (std::set<RangeIndex>{1, 3}));
    ASSERT_THAT(desk.failures, SizeIs(1));
    EXPECT_EQ(desk.failures[0].what.range, 2u);
    EXPECT_EQ(desk.failures[0].kind, FailKind::failed);
    EXPECT_EQ(desk.failures[0].error_code, 1171);
    EXPECT_THAT(desk.failures[0].reason, HasSubstr("not 00000001"));
}

TEST(AthenaInputs, PayloadStartsOnTheFirstFileThatCanBeHad)
{
    FileDesk desk;
    fs::remove(desk.folder / "EVNT.1.root");
    auto fields = desk.setup.definition.fields();
    fields["jobPars"] = "--inputEVNTFile=EVNT.1.root,EVNT.2.root --outputHITSFile=HITS.1.root";
    desk.setup.definition = *Job::from_json(fields);
    desk.ranges = {desk.item(1, 1), desk.item(2, 2)};
    desk.start(1);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 0) << desk.end_reason;
    EXPECT_THAT(file_text(desk.folder / "payload.out"),
                HasSubstr("--inputEVNTFile=" + desk.staged("EVNT.2.root")));
    EXPECT_EQ(desk.finished(), (std::set<RangeIndex>{2}));
    ASSERT_THAT(desk.failures, SizeIs(1));
    EXPECT_EQ(desk.failures[0].what.range, 1u);
    EXPECT_EQ(desk.failures[0].error_code, 1103);
}

TEST(AthenaInputs, PayloadWithoutAnyFileDoesNotStart)
{
    FileDesk desk;
    for (auto const* name : {"EVNT.1.root", "EVNT.2.root"}) fs::remove(desk.folder / name);
    desk.start(1);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 1103);
    EXPECT_FALSE(fs::exists(desk.folder / "payload.out"));
}

TEST(AthenaInputs, DirectAccessIsPassedThrough)
{
    FileDesk desk;
    desk.mock("MOCK_RECORD", desk.folder / "frames");
    auto item = desk.item(1, 2);
    item.pfn = "root://host:1094//store/EVNT.2.root";
    desk.ranges = {item};
    desk.start(1);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 0) << desk.end_reason;
    EXPECT_THAT(file_text(desk.folder / "frames"),
                HasSubstr("\"PFN\": \"root://host:1094//store/EVNT.2.root\""));
}

TEST(AthenaInputs, NewGuidGetsACatalogueOfANewName)
{
    Desk desk;
    desk.add_ranges(1, 1);
    for (RangeIndex range = 2; range <= 5; ++range) {
        auto item = Desk::make_item(range, "/data/more&" + std::to_string(range / 2));
        item.range.guid = "NEW" + std::to_string(range / 2);
        desk.ranges.push_back(item);
    }
    desk.start(1);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 0) << desk.end_reason;
    auto const start = desk.folder / "work/start_0/";
    EXPECT_THAT(file_text(start + "PoolFileCatalog.xml"), Not(HasSubstr("NEW1")));
    EXPECT_THAT(file_text(start + "PoolFileCatalog_1.xml"), HasSubstr("ID=\"NEW1\""));
    EXPECT_THAT(file_text(start + "PoolFileCatalog_2.xml"), HasSubstr("/data/more&#038;2"));
    EXPECT_THAT(file_text(start + "PoolFileCatalog_2.xml"), HasSubstr(Desk::guid));
    EXPECT_FALSE(fs::exists(start + "PoolFileCatalog_3.xml")) << "one for each new GUID, not for each range";
}

TEST(AthenaInputs, RunningNumbersComeWithoutAFile)
{
    FileDesk desk;
    auto fields = desk.setup.definition.fields();
    fields["inFilePosEvtNum"] = "NULL";
    desk.setup.definition = *Job::from_json(fields);
    desk.setup.payload.stage_in = false;
    desk.mock("MOCK_RECORD", desk.folder / "frames");
    desk.ranges = {desk.item(30, 2)};
    desk.start(1);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 0) << desk.end_reason;
    EXPECT_THAT(file_text(desk.folder / "frames"), Not(HasSubstr("PFN")));
}

TEST(AthenaInputs, LogsAndJobReportAreKept)
{
    Desk desk;
    desk.add_ranges(1, 2);
    desk.start(1);
    desk.run_to_end();
    EXPECT_THAT(file_text(desk.folder / "payload.start_0/jobReport.json"), HasSubstr("exitCode"));
    EXPECT_TRUE(fs::exists(desk.folder / "payload.start_0/PoolFileCatalog.xml"));
}

TEST(AthenaInputs, TwoFilesOfOneNameAreTwo)
{
    FileDesk desk;
    desk.mock("MOCK_RECORD", desk.folder / "frames");
    fs::create_directory(desk.folder / "other");
    fs::copy(desk.folder / "EVNT.1.root", desk.folder / "other/EVNT.1.root");
    desk.ranges = {desk.item(1, 1), desk.item(2, 1)};
    desk.ranges[1].range.guid = "OTHER";
    desk.ranges[1].pfn = desk.folder / "other/EVNT.1.root";
    desk.start(1);
    desk.run_to_end();
    EXPECT_EQ(desk.finished(), (std::set<RangeIndex>{1, 2}));
    auto const frames = file_text(desk.folder / "frames");
    EXPECT_THAT(frames, HasSubstr("\"PFN\": \"" + desk.staged("EVNT.1.root") + "\""));
    auto const other = fmt::format("{}/{:08x}/EVNT.1.root", desk.setup.stage_folder,
                                   crc32c(desk.folder / "other/EVNT.1.root"));
    EXPECT_THAT(frames, HasSubstr("\"PFN\": \"" + other + "\""));
}

TEST(StageIn, CopyThatFailedIsTriedOnceMore)
{
    using athenamp::StageIn;
    ScratchFolder const folder;
    InputFile const input{"in", "G", "mc", folder / "in", "ad:" + print_adler32(adler32("bytes")), 5};
    auto const opened = StageIn::open(folder / "stage");
    ASSERT_TRUE(opened);
    auto& stage = **opened;
    auto const settled = [&] {
        EXPECT_TRUE(eventually([&] { return stage.state(input.pfn) != StageIn::State::waiting; }));
        return stage.state(input.pfn);
    };
    stage.ask(input);
    EXPECT_EQ(settled(), StageIn::State::failed);
    write_text(folder / "in", "bytes");
    stage.ask(input);
    EXPECT_EQ(settled(), StageIn::State::here);

    auto gone = input;
    gone.pfn = folder / "gone";
    for (int i = 0; i < 4; ++i) {
        stage.ask(gone);
        EXPECT_TRUE(eventually([&] { return stage.state(gone.pfn) == StageIn::State::failed; }));
    }
    write_text(folder / "gone", "bytes");
    stage.ask(gone);
    EXPECT_EQ(stage.state(gone.pfn), StageIn::State::failed) << "not for ever";
}

TEST(StageIn, FolderIsSharedAndGoesWithItsLastUser)
{
    ScratchFolder const folder;
    write_text(folder / "in", "bytes");
    InputFile const input{"in", "G", "mc", folder / "in", "ad:" + print_adler32(adler32("bytes")), 5};
    auto first = athenamp::StageIn::open(folder / "stage");
    auto second = athenamp::StageIn::open(folder / "stage");
    ASSERT_TRUE(first && second);
    (*first)->ask(input);
    ASSERT_TRUE(eventually([&] { return (*first)->state(input.pfn) == athenamp::StageIn::State::here; }));
    fs::remove(folder / "in");  // The second one finds the copy.
    (*second)->ask(input);
    ASSERT_TRUE(eventually([&] { return (*second)->state(input.pfn) != athenamp::StageIn::State::waiting; }));
    EXPECT_EQ((*second)->state(input.pfn), athenamp::StageIn::State::here);
    first->reset();
    EXPECT_TRUE(fs::exists((*second)->local_path(input)));
    second->reset();
    EXPECT_FALSE(fs::exists(folder / "stage"));
}

TEST(CheckedCopy, ComparesWhatCameOver)
{
    ScratchFolder const folder;
    write_text(folder / "in", "hello\n");
    struct Case {
        CopyWanted wanted;
        std::uint16_t code;
    };
    for (auto const& [wanted, error_code] :
         {Case{{"ad:084b021f", 6}, 0}, Case{{"084B021F", 6}, 0},
          Case{{"b1946ac92492d2347c6235b4d2611184", 6}, 0},
          Case{{"md:B1946AC92492D2347C6235B4D2611184", 0}, 0}, Case{{"", 0}, 0},
          Case{{"ad:084b0220", 6}, 1171}, Case{{"b1946ac92492d2347c6235b4d2611185", 6}, 1145},
          Case{{"ad:084b021f", 7}, 1175}}) {
        auto const to = folder / "out";
        auto const fault = copy_checked(folder / "in", to, wanted);
        EXPECT_EQ(fault.error_code, error_code) << wanted.checksum << " " << fault.error.text();
        EXPECT_EQ(fs::exists(to), error_code == 0);
        EXPECT_FALSE(fs::exists(to + ".part"));
        fs::remove(to);
    }
    EXPECT_EQ(copy_checked(folder / "nothing", folder / "out", {}).error_code, 1103);
}

}  // namespace
}  // namespace yoda::test
