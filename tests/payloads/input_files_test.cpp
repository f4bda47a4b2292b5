// SPDX-License-Identifier: Apache-2.0
// Readers of event files: what is whole is read, what is not says so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "common/event_index.hpp"
#include "common/numbers.hpp"
#include "hepmc/hepmc_file.hpp"
#include "lhe/lhe_file.hpp"
#include "payload/yoda_payload.hpp"
#include "payloads/samples.hpp"
#include "support/builders/event_files.hpp"

namespace yoda::test {
namespace {

using payload::Fatal;
using samples::EventIndex;
using samples::hepmc::HepmcFile;
using samples::lhe::LheFile;
using testing::HasSubstr;

/// What the function throws, or an empty text.
template <class Error, class Function>
std::string error_of(Function function)
{
    try {
        function();
        return {};
    } catch (Error const& error) {
        return error.what();
    }
}

std::string replace(std::string text, std::string const& from, std::string const& to)
{
    auto const at = text.find(from);
    if (at == std::string::npos) throw std::invalid_argument("not there: " + from);
    return text.replace(at, from.size(), to);
}

class Lhe : public testing::Test {
  protected:
    std::string opening_error(std::string const& text)
    {
        auto const path = folder.write("bad.lhe", text);
        return error_of<std::runtime_error>([&] { LheFile file(path); });
    }
    std::string event_error(std::string const& text, std::int64_t position)
    {
        LheFile const file(folder.write("bad.lhe", text));
        return error_of<Fatal>([&] { file.event(position); });
    }
    TempFolder folder;
};

TEST_F(Lhe, InitIsFoundBehindInitrwgtAndEventsAreReadByPosition)
{
    LheFile const file(folder.write("a.lhe", lhe_text(7)));
    EXPECT_EQ(file.event_count(), 7U);
    EXPECT_EQ(file.beams().pdg_ids[1], 2212);
    EXPECT_EQ(file.beams().energies_gev[0], 6500);
    EXPECT_EQ(file.beams().energies_gev[1], 6500);  // Written with Fortran's D.
    ASSERT_EQ(file.beams().processes.size(), 1U);
    EXPECT_EQ(file.beams().processes[0].cross_section_pb, 7e8);
    auto const event = file.event(5);
    ASSERT_EQ(event.particles.size(), 4U);
    EXPECT_EQ(event.particles[0].energy, 105);
    EXPECT_EQ(event.particles[2].colours[1], 504);
    EXPECT_EQ(event.weight, 6.99e8);
}

TEST_F(Lhe, TagsWithAttributesAndIndentationAreTagsAndCommentsAreNot)
{
    auto text = replace(lhe_text(2), "<event>", "  <event npLO=\"2\"\n npNLO=\"0\">");
    text = replace(text, "<header>", "<header>\nNot the <event> nor the <init> that is meant\n<eventgroup>");
    text = replace(text, "<init>", "<init a=\"b\">");
    LheFile const file(folder.write("a.lhe", text));
    EXPECT_EQ(file.event_count(), 2U);
    EXPECT_EQ(file.event(1).particles.size(), 4U);
}

TEST_F(Lhe, WhatIsNoEventFileIsRefusedWithAReason)
{
    EXPECT_THAT(opening_error(""), HasSubstr("is empty"));
    EXPECT_THAT(opening_error("something else"), HasSubstr("no Les Houches event file"));
    EXPECT_THAT(opening_error("\x1f\x8b rest"), HasSubstr("compressed"));
    EXPECT_THAT(opening_error("\x28\xb5\x2f\xfd rest"), HasSubstr("compressed"));
    EXPECT_THAT(error_of<std::runtime_error>([] { LheFile file("/nowhere/a.lhe"); }),
                HasSubstr("No such file"));
    EXPECT_THAT(error_of<std::runtime_error>([] { LheFile file("/tmp"); }), HasSubstr("cannot be read"));
    auto const text = lhe_text(3);
    EXPECT_THAT(opening_error(text.substr(0, text.find("</init>"))), HasSubstr("no complete <init>"));
    EXPECT_THAT(opening_error(replace(text, "<init>", "<inix>")), HasSubstr("no complete <init>"));
    EXPECT_THAT(opening_error(text.substr(0, text.find("<event>"))), HasSubstr("cut off"));
    EXPECT_THAT(opening_error(lhe_text(0)), HasSubstr("holds no events"));
    EXPECT_THAT(opening_error(replace(text, "2212 2212", "2212 proton")), HasSubstr("ten numbers"));
    EXPECT_THAT(opening_error(replace(text, "-4 1\n", "-4 0\n")), HasSubstr("0 processes"));
    EXPECT_THAT(opening_error(replace(text, "-4 1\n", "-4 3\n")), HasSubstr("four numbers"));
    EXPECT_THAT(opening_error(replace(text, "6.5e+03", "nan")), HasSubstr("beam without energy"));
    EXPECT_THAT(opening_error(replace(text, "6.5e+03", "-1")), HasSubstr("beam without energy"));
}

TEST_F(Lhe, BeyondTheEndIsFatal)
{
    LheFile const file(folder.write("a.lhe", lhe_text(3)));
    EXPECT_THAT(error_of<Fatal>([&] { file.require(4); }), HasSubstr("holds 3 events"));
    EXPECT_THAT(error_of<Fatal>([&] { file.event(0); }), HasSubstr("does not exist"));
    EXPECT_EQ(error_of<Fatal>([&] { file.require(3); }), "");
}

TEST_F(Lhe, ACutFileGivesItsWholeEventsAndNoOther)
{
    auto const text = lhe_text(3);
    auto const third = text.rfind("<event>");
    for (auto size = third + 8; size < text.rfind("</event>") + 8; ++size) {
        LheFile const file(folder.write("cut.lhe", text.substr(0, size)));
        EXPECT_EQ(file.event(2).particles.size(), 4U);
        EXPECT_THAT(error_of<Fatal>([&] { file.event(3); }), HasSubstr("cut off"));
        EXPECT_THAT(error_of<Fatal>([&] { file.event(4); }), HasSubstr("and is cut off"));
    }
}

TEST_F(Lhe, AMalformedEventIsFatalAndTheOthersAreRead)
{
    auto const text = lhe_text(3);
    std::string const head = " 4 1 +6.99e+08 9.1e+01 7.5e-03 1.2e-01\n";
    EXPECT_THAT(event_error(replace(text, head, " 4 1\n"), 1), HasSubstr("malformed"));
    EXPECT_THAT(event_error(replace(text, head, " 5 1 1 1 1 1\n"), 1), HasSubstr("13 numbers"));
    EXPECT_THAT(event_error(replace(text, head, " 501 1 1 1 1 1\n"), 1), HasSubstr("501 particles"));
    EXPECT_THAT(event_error(replace(text, head, " -1 1 1 1 1 1\n"), 1), HasSubstr("-1 particles"));
    EXPECT_THAT(event_error(replace(text, "0 0 101 101", "0 0 inf 101"), 1), HasSubstr("finite"));
    EXPECT_THAT(event_error(replace(text, "21 1 1 2", "21 1 1 5"), 1), HasSubstr("mother"));
    EXPECT_THAT(event_error(replace(text, "21 -1", "21 1"), 1), HasSubstr("incoming"));
    EXPECT_EQ(event_error(replace(text, "21 -1", "21 1"), 2), "");
}

TEST_F(Lhe, WhatIsWrittenIsRead)
{
    samples::lhe::Beams beams;
    beams.pdg_ids = {2212, -2212};
    beams.energies_gev = {980, 980};
    beams.processes = {{1.5e3, 2.5, 1, 81}, {2, 3, 4, 82}};
    LheFile const source(folder.write("a.lhe", lhe_text(2)));
    auto text = samples::lhe::write_head(beams, "by a test");
    for (int i = 1; i <= 2; ++i) text += samples::lhe::write_event(source.event(i));
    LheFile const copy(folder.write("b.lhe", text + samples::lhe::write_tail()));
    EXPECT_EQ(copy.beams().pdg_ids[1], -2212);
    EXPECT_EQ(copy.beams().processes[1].id, 82);
    EXPECT_EQ(copy.event(2).particles[3].energy, 102);
    EXPECT_EQ(copy.event(2).particles[3].mothers[1], 2);
}

TEST(Numbers, SignsExponentsAndWrongTextsAreTold)
{
    double value = 0;
    for (auto const* text : {"+1.5e+00", "1.5", " 15d-1", "1.5D0 ", "+.15E+1"}) {
        EXPECT_TRUE(samples::NumberReader(text).read(value)) << text;
        EXPECT_EQ(value, 1.5) << text;
    }
    for (auto const* text : {"", "x", "1.5x", "+-1", "1.5dx", "1.5d", "--1"})
        EXPECT_FALSE(samples::NumberReader(text).read(value)) << text;
    int whole = 0;
    EXPECT_TRUE(samples::NumberReader("+7").read(whole));
    EXPECT_FALSE(samples::NumberReader("7.5").read(whole));
    EXPECT_FALSE(samples::NumberReader("99999999999").read(whole));
}

template <class File>
unsigned count_events(std::string const& path, std::string& refusal)
{
    unsigned readable = 0;
    refusal = error_of<std::runtime_error>([&] {
        File const file(path);
        for (std::size_t i = 1; i <= file.event_count(); ++i)
            readable += file.event(static_cast<std::int64_t>(i)).weight > 1;
    });
    return readable;
}

TEST(EventFiles, AreReadAsHarvestNewCountsThem)
{
    for (auto const& file : event_files()) {
        if (file.name.ends_with(".hepmc")) continue;  // The payload reads version 3.
        auto const count = file.name.ends_with(".hepmc3") ? count_events<HepmcFile> : count_events<LheFile>;
        std::string refusal;
        EXPECT_EQ(count(event_file(file.name), refusal), file.event_count) << file.name << ": " << refusal;
        EXPECT_THAT(refusal, HasSubstr(file.refusal)) << file.name;
        setenv("YODA_ACCEPT_CUT", "1", 1);
        EXPECT_EQ(count(event_file(file.name), refusal), file.whole_count) << file.name << ": " << refusal;
        unsetenv("YODA_ACCEPT_CUT");
    }
}

TEST(EventFiles, ACutEventInTheMiddleIsLeftOutAndTheOthersKeepTheirOrder)
{
    setenv("YODA_ACCEPT_CUT", "1", 1);
    LheFile const cut(event_file("cut_in_the_middle.lhe"));
    unsetenv("YODA_ACCEPT_CUT");
    LheFile const whole(event_file("banner.lhe"));  // The same events, all of them.
    for (int i = 1; i <= 11; ++i)
        EXPECT_EQ(cut.event(i).particles[0].energy, whole.event(i < 6 ? i : i + 1).particles[0].energy) << i;
}

TEST(EventFiles, ARangeThatPartsAGroupIsFatal)
{
    LheFile const file(event_file("groups.lhe"));
    EXPECT_EQ(error_of<Fatal>([&] { file.require(3, 6); }), "");
    EXPECT_EQ(error_of<Fatal>([&] { file.require(11, 12); }), "");
    EXPECT_THAT(error_of<Fatal>([&] { file.require(2, 4); }), HasSubstr("events 1 and 2 belong together"));
    EXPECT_THAT(error_of<Fatal>([&] { file.require(1, 3); }), HasSubstr("events 3 and 4 belong together"));
    EXPECT_THAT(error_of<Fatal>([&] { file.require(11, 13); }), HasSubstr("holds 12 events"));
}

TEST(EventFiles, AnArchiveOfSeveralFilesIsRefused)
{
    TempFolder const folder;
    auto const tar = folder.path() + "/two.tar";
    auto const made = run_program(
        {"tar", "-C", YODA_SOURCE_DIR "/tests/data/event_files", "-cf", tar, "banner.lhe", "groups.lhe"});
    ASSERT_EQ(made.exit_code, 0) << made.text;
    EXPECT_THAT(error_of<std::runtime_error>([&] { LheFile file(tar); }),
                HasSubstr("two.tar: is an archive of 2 files"));
}

TEST_F(Lhe, CommentsMayStandBetweenNumbersAndHoldTags)
{
    auto text = replace(lhe_text(2), "<init>\n", "<init><!-- 1 2 <init> -->\n");
    text = replace(text, "<event>\n", "<event><!-- </event> 9 9 -->\n");
    LheFile const file(folder.write("a.lhe", text));
    EXPECT_EQ(file.beams().pdg_ids[0], 2212);
    ASSERT_EQ(file.event_count(), 2U);
    EXPECT_EQ(file.event(1).particles.size(), 4U);
}

std::string hepmc_text(int event_count, std::string const& unit = "GEV")
{
    std::string text = "HepMC::Version 3.02.05\nHepMC::Asciiv3-START_EVENT_LISTING\nW Weight\n";
    for (int i = 1; i <= event_count; ++i) {
        auto const px = std::to_string(30 + i);
        text += "E " + std::to_string(100 + i) + " 1 4\nU " + unit + " MM\nW 2.5e+00\nA 0 note E \\|E 7\n" +
                "P 1 0 2212 0 0 6500 6500 0.938 4\nP 2 0 2212 0 0 -6500 6500 0.938 4\nV -1 0 [1,2]\n" +
                "P 3 -1 211 " + px + " 0 1 " + px + ".5 0.14 1\nP 4 -1 -14 -" + px + " 0 -1 " + px +
                ".5 0.14 1\n";
    }
    return text + "HepMC::Asciiv3-END_EVENT_LISTING\n";
}

class Hepmc : public testing::Test {
  protected:
    TempFolder folder;
};

TEST_F(Hepmc, EventsAreReadByPositionAndOnlyTheFinalState)
{
    HepmcFile const file(folder.write("a.hepmc3", hepmc_text(5)));
    EXPECT_EQ(file.event_count(), 5U);
    for (int position : {5, 1, 3}) {
        auto const event = file.event(position);
        ASSERT_EQ(event.particles.size(), 2U);
        EXPECT_EQ(event.particles[0].px, 30 + position);
        EXPECT_EQ(event.particles[1].pdg_id, -14);
        EXPECT_EQ(event.weight, 2.5);
    }
}

TEST_F(Hepmc, MevBecomesGev)
{
    HepmcFile const file(folder.write("a.hepmc3", hepmc_text(1, "MEV")));
    EXPECT_DOUBLE_EQ(file.event(1).particles[0].px, 0.031);
}

TEST_F(Hepmc, HeadersOfAJoinedFileHoldForTheirPart)
{
    auto const part = [](std::string const& header, std::string const& unit) {
        auto text = replace(hepmc_text(1), "W Weight\n", header);
        return replace(text, "U GEV MM\n", unit);
    };
    auto const first = part("W 0\n", "U GEV MM\n");
    for (auto const& [header, unit, px] : std::vector<std::tuple<std::string, std::string, double>>{
             {"W 0\n", "U MEV MM\n", 0.031},
             {"W 7\nA 0 x 1\n", "U GEV MM\n", 31},
             {"W Default\nU MEV MM\n", "", 0.031},
             {"U MEV MM\n", "U GEV MM\n", 31},
         }) {
        auto const path = folder.write("joined.hepmc3", first + "\n" + part(header, unit) + first);
        for (int opening = 0; opening < 2; ++opening) {
            HepmcFile const file(path, folder.path());  // With an index the second time.
            ASSERT_EQ(file.event_count(), 3U);
            for (int i = 1; i <= 3; ++i) {
                EXPECT_EQ(file.event(i).weight, 2.5) << header;
                EXPECT_DOUBLE_EQ(file.event(i).particles[0].px, i == 2 ? px : 31) << header << unit << i;
            }
        }
    }
}

TEST_F(Hepmc, ACutPartInTheMiddleIsRefusedAlsoBesideAnIndex)
{
    auto const text = hepmc_text(2);
    auto const path = folder.write("cut.hepmc3", text.substr(0, text.rfind("P 4")) + text);
    auto const open = [&] { HepmcFile file(path, folder.path()); };
    EXPECT_THAT(error_of<std::runtime_error>(open), HasSubstr("event 2 is cut off"));
    setenv("YODA_ACCEPT_CUT", "1", 1);
    HepmcFile const file(path, folder.path());
    unsetenv("YODA_ACCEPT_CUT");
    ASSERT_EQ(file.event_count(), 3U);
    EXPECT_EQ(file.event(1).particles.size(), 2U) << "what is left of event 2 is not its own";
    EXPECT_EQ(file.event(2).particles[0].px, 31);
    EXPECT_THAT(error_of<std::runtime_error>(open), HasSubstr("event 2 is cut off"));
}

TEST_F(Hepmc, WhatIsWrongSaysSo)
{
    auto const open = [&](std::string const& text) {
        auto const path = folder.write("bad.hepmc3", text);
        return error_of<std::runtime_error>([&] { HepmcFile file(path); });
    };
    EXPECT_THAT(open(""), HasSubstr("is empty"));
    EXPECT_THAT(open("HepMC::Version 2.06\nHepMC::IO_GenEvent-START_EVENT_LISTING\n"),
                HasSubstr("no HepMC3 text"));
    EXPECT_THAT(open("HepMC::Version 3\nHepMC::Asciiv3-START_EVENT_LISTING\n"), HasSubstr("cut off"));
    EXPECT_THAT(open(hepmc_text(0)), HasSubstr("holds no events"));

    auto const text = hepmc_text(2);
    HepmcFile const cut(folder.write("cut.hepmc3", text.substr(0, text.rfind("P 4"))));
    EXPECT_EQ(cut.event(1).particles.size(), 2U);
    EXPECT_THAT(error_of<Fatal>([&] { cut.event(2); }), HasSubstr("holds 1 events and is cut off"));
    HepmcFile const few(folder.write("few.hepmc3", replace(text, "P 4 -1 -14 -31 0 -1 31.5 0.14 1\n", "")));
    EXPECT_THAT(error_of<Fatal>([&] { few.event(1); }), HasSubstr("3 of its 4 particles"));
    EXPECT_EQ(few.event(2).particles.size(), 2U);
    HepmcFile const odd(folder.write("odd.hepmc3", replace(text, "P 3 -1 211 31", "P 3 -1 211 x")));
    EXPECT_THAT(error_of<Fatal>([&] { odd.event(1); }), HasSubstr("cannot read the line 'P 3 -1 211 x"));
}

TEST_F(Hepmc, TheIndexIsLeftInTheFolderAndTakenFromThere)
{
    auto const path = folder.write("a.hepmc3", hepmc_text(5));
    HepmcFile const first(path, folder.path());
    EXPECT_FALSE(first.index_was_read());
    HepmcFile const second(path, folder.path());
    EXPECT_TRUE(second.index_was_read());
    EXPECT_EQ(second.event(4).particles[0].px, 34);
}

TEST_F(Hepmc, AnIndexOfAnotherSizeOrTimeIsRefusedAndMadeAnew)
{
    auto const path = folder.write("a.hepmc3", hepmc_text(5));
    auto const time = std::filesystem::last_write_time(path);
    {
        HepmcFile const file(path, folder.path());
    }
    folder.write("a.hepmc3", hepmc_text(6));
    std::filesystem::last_write_time(path, time);
    HepmcFile const longer(path, folder.path());
    EXPECT_FALSE(longer.index_was_read());
    EXPECT_EQ(longer.event_count(), 6U);
    std::filesystem::last_write_time(path, time + std::chrono::seconds(1));
    EXPECT_FALSE(HepmcFile(path, folder.path()).index_was_read());
    EXPECT_TRUE(HepmcFile(path, folder.path()).index_was_read());
}

TEST_F(Hepmc, AFolderThatCannotBeWrittenCostsTheIndexOnly)
{
    auto const path = folder.write("a.hepmc3", hepmc_text(5));
    EXPECT_EQ(HepmcFile(path, "/nowhere/at/all").event(5).particles[0].px, 35);
}

TEST(EventIndex, EveryCutAndEveryChangedByteIsRefused)
{
    TempFolder const folder;
    auto const path = folder.path() + "/x.idx";
    ASSERT_TRUE(samples::write_index(path, {1000, 5, {10, 20, 999}}));
    std::string reason;
    auto const index = samples::read_index(path, 1000, 5, reason);
    ASSERT_TRUE(index) << reason;
    EXPECT_EQ(index->offsets, (std::vector<std::uint64_t>{10, 20, 999}));
    auto const bytes = read_file(path);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        folder.write("x.idx", bytes.substr(0, size));
        EXPECT_FALSE(samples::read_index(path, 1000, 5, reason)) << size;
    }
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        auto changed = bytes;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        folder.write("x.idx", changed);
        EXPECT_FALSE(samples::read_index(path, 1000, 5, reason)) << at;
    }
}

TEST(EventIndex, OffsetsOutOfOrderOrBeyondTheInputAreRefused)
{
    TempFolder const folder;
    auto const path = folder.path() + "/x.idx";
    std::string reason;
    for (auto const& offsets : {std::vector<std::uint64_t>{20, 10}, {10, 10}, {10, 1000}}) {
        ASSERT_TRUE(samples::write_index(path, {1000, 5, offsets}));
        EXPECT_FALSE(samples::read_index(path, 1000, 5, reason));
        EXPECT_EQ(reason, "has offsets out of order");
    }
}

TEST(EventIndex, InputsOfOneNameInTwoFoldersHaveTwoIndexes)
{
    EXPECT_NE(samples::index_path("/i", "/a/x"), samples::index_path("/i", "/b/x"));
    EXPECT_EQ(samples::index_path("/i", "/a/x"), samples::index_path("/i", "/a/./x"));
}

}  // namespace
}  // namespace yoda::test
