// SPDX-License-Identifier: Apache-2.0
// The payload `shower` as a Droid runs it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "payloads/samples.hpp"

namespace yoda::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string replace_all(std::string text, std::string const& from, std::string const& to)
{
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
        text.replace(at, from.size(), to);
    return text;
}

class Shower : public testing::Test {
  protected:
    /// 60 generated events.
    void SetUp() override
    {
        ASSERT_EQ(run_program({program("generate_events"), "--events", "60", "--output", events}).exit_code,
                  0);
    }

    Columns jets_of(std::vector<std::string> arguments, int worker_count,
                    std::vector<std::pair<int, int>> ranges)
    {
        arguments.insert(arguments.begin(), program("shower"));
        MiniDroid droid(arguments);
        auto const answers = run_ranges(droid, worker_count, ranges, events);
        std::vector<std::pair<int, std::string>> parts;
        for (std::size_t i = 0; i < ranges.size(); ++i)
            parts.emplace_back(ranges[i].first, path_of(answers[i]));
        std::sort(parts.begin(), parts.end());
        std::vector<std::string> paths;
        for (auto const& part : parts) paths.push_back(part.second);
        return read_columns(paths);
    }

    std::string init_error(std::string const& text)
    {
        MiniDroid droid({program("shower"), "--input", folder.write("bad.lhe", text)});
        auto const message = droid.hear().value_or("");
        EXPECT_EQ(droid.wait(), 3);
        EXPECT_THAT(message, StartsWith("ERR_PAYLOAD_INIT "));
        return message;
    }

    TempFolder folder;
    std::string events = folder.path() + "/events.lhe";
};

TEST_F(Shower, NeitherSplitNorOrderNorWorkersMatter)
{
    auto const whole = jets_of({"--input", events}, 1, {{1, 60}});
    ASSERT_EQ(whole.at("events/number").size(), 60U);
    ASSERT_GT(whole.at("jets/pt").size(), 60U);
    EXPECT_EQ(jets_of({"--input", events}, 3, split(60, 1)), whole);
    EXPECT_EQ(jets_of({"--input", events}, 2, split(60, 7)), whole);
    auto backwards = split(60, 5);
    std::reverse(backwards.begin(), backwards.end());
    EXPECT_EQ(jets_of({}, 1, backwards), whole);  // Initialised by the worker, by its first range.
}

TEST_F(Shower, RepeatTakesLongerAndGivesTheSame)
{
    EXPECT_EQ(jets_of({"--repeat", "3"}, 1, {{1, 20}}), jets_of({}, 1, {{1, 20}}));
}

TEST_F(Shower, AnotherSeedGivesOtherJets)
{
    EXPECT_NE(jets_of({"--seed", "2"}, 1, {{1, 20}}), jets_of({}, 1, {{1, 20}}));
}

TEST_F(Shower, AnotherFileInBetweenWithOtherBeamsDoesNotMatter)
{
    auto const other =
        folder.write("other.lhe", replace_all(lhe_text(5), "6.5e+03 6.5D+03", "4.0e+03 4.0D+03"));
    MiniDroid droid({program("shower"), "--input", events + "," + other});
    ASSERT_EQ(droid.hear(), "Ready for workers") << droid.standard_error();
    auto worker = droid.add_worker(0);
    worker.meet();
    auto const before = read_file(path_of(worker.work(range_text("a", 11, 20, events))));
    auto const between = read_file(path_of(worker.work(range_text("b", 1, 5, other))));
    EXPECT_EQ(read_file(path_of(worker.work(range_text("c", 11, 20, events)))), before);
    EXPECT_EQ(read_file(path_of(worker.work(range_text("d", 1, 5, other)))), between);
    EXPECT_FALSE(before.empty());
    MiniDroid other_droid({program("shower")});
    auto const alone = run_ranges(other_droid, 1, {{1, 5}}, other);
    EXPECT_EQ(read_file(path_of(alone[0])), between);
}

TEST_F(Shower, TheFileIsReproducibleAndDescribed)
{
    MiniDroid droid({program("shower"), "--input", events});
    ASSERT_EQ(droid.hear(), "Ready for workers") << droid.standard_error();
    auto worker = droid.add_worker(0);
    worker.meet();
    auto const path = path_of(worker.work(range_text("a", 1, 5, events)));
    EXPECT_EQ(path, worker.folder() + "/jets.h5.a");
    EXPECT_TRUE(has_no_times(path));
    EXPECT_EQ(text_attribute(path, "jets", "rows_per_event"), "/events/jet_count");
    EXPECT_EQ(text_attribute(path, "jets/pt", "unit"), "GeV");
    EXPECT_THAT(text_attribute(path, "jets", "algorithm"), HasSubstr("anti-kt, R = 0.4"));
    EXPECT_EQ(read_columns({path}).at("events/number"), (std::vector<double>{1, 2, 3, 4, 5}));
    auto const again = path_of(worker.work(range_text("b", 1, 5, events)));
    EXPECT_EQ(read_file(path), read_file(again));
}

TEST_F(Shower, ARangeBeyondTheFileIsFatalAndLeavesNoFile)
{
    MiniDroid droid({program("shower"), "--input", events});
    auto const answers = run_ranges(droid, 1, {{58, 61}, {61, 65}, {58, 60}}, events);
    EXPECT_THAT(answers[0], StartsWith("ERR_PAYLOAD_FATAL r58-61: event 61 of "));
    EXPECT_THAT(answers[0], HasSubstr("holds 60 events"));
    EXPECT_THAT(answers[1], StartsWith("ERR_PAYLOAD_FATAL r61-65: "));
    EXPECT_THAT(answers[2], StartsWith("/"));
    EXPECT_FALSE(std::filesystem::exists(droid.folder() + "/worker_0/jets.h5.r58-61"));
}

TEST_F(Shower, ATruncatedFileGivesTheEventsBeforeTheCut)
{
    auto const text = read_file(events);
    auto const cut = folder.write("cut.lhe", text.substr(0, text.rfind("<event>") + 100));
    MiniDroid droid({program("shower"), "--input", cut});
    auto const answers = run_ranges(droid, 1, {{50, 59}, {51, 60}}, cut);
    EXPECT_THAT(answers[0], StartsWith("/"));
    EXPECT_THAT(answers[1], StartsWith("ERR_PAYLOAD_FATAL r51-60: "));
    EXPECT_THAT(answers[1], HasSubstr("cut off"));
}

TEST_F(Shower, BadInputIsToldBeforeAnyWorkerStarts)
{
    EXPECT_THAT(init_error(""), HasSubstr("is empty"));
    EXPECT_THAT(init_error("no events here"), HasSubstr("no Les Houches event file"));
    EXPECT_THAT(init_error(lhe_text(0)), HasSubstr("holds no events"));
}

TEST_F(Shower, BeamsThatStopPythiaAreAnErrorAndNotAnEmptySuccess)
{
    EXPECT_THAT(init_error(replace_all(lhe_text(1), "2212 2212", "9999 2212")), HasSubstr("PYTHIA stopped"));
    EXPECT_THAT(init_error(replace_all(lhe_text(1), "6.5e+03 6.5D+03", "0.5 0.5")),
                HasSubstr("PYTHIA stopped"));
}

TEST_F(Shower, EventsThatPythiaCannotUseAreFatalAndTheNextOnesAreFine)
{
    auto const reference = folder.write("good.lhe", lhe_text(4));
    auto const text = lhe_text(4);
    auto const second = text.find("<event>", text.find("<event>") + 1);
    auto const spoil = [&](std::string const& from, std::string const& to) {
        auto spoilt = text;
        auto const at = spoilt.find(from, second);
        return spoilt.replace(at, from.size(), to);
    };
    std::pair<std::string, char const*> const cases[] = {
        {spoil("21 1 1 2", "7654321 1 1 2"), "PDG id 7654321"},
        {spoil("102 102 0 0 9", "102 7000 0 0 9"), "more than its beam"},
    };
    MiniDroid good_droid({program("shower"), "--input", reference});
    auto const good = run_ranges(good_droid, 1, {{1, 1}, {3, 4}}, reference);
    for (auto const& [content, reason] : cases) {
        auto const path = folder.write("odd.lhe", content);
        MiniDroid droid({program("shower"), "--input", path});
        auto const answers = run_ranges(droid, 1, {{1, 1}, {2, 2}, {3, 4}}, path);
        EXPECT_THAT(answers[1], StartsWith("ERR_PAYLOAD_FATAL r2-2: event 2: "));
        EXPECT_THAT(answers[1], HasSubstr(reason));
        EXPECT_EQ(read_file(path_of(answers[0])), read_file(path_of(good[0])));
        EXPECT_EQ(read_file(path_of(answers[2])), read_file(path_of(good[1])));
    }
}

TEST_F(Shower, AnOutputThatCannotBeWrittenFailsTheTryOnly)
{
    MiniDroid droid({program("shower"), "--input", events});
    ASSERT_EQ(droid.hear(), "Ready for workers") << droid.standard_error();
    auto worker = droid.add_worker(0);
    worker.meet();
    std::filesystem::create_directory(worker.folder() + "/jets.h5.a");  // Nothing can be written there.
    auto const answer = worker.work(range_text("a", 1, 2, events));
    EXPECT_THAT(answer, StartsWith("ERR_PAYLOAD_RANGE a: cannot write "));
    EXPECT_THAT(answer, HasSubstr("it is a folder"));
    EXPECT_THAT(worker.work(range_text("b", 1, 2, events)), StartsWith("/"));
}

TEST_F(Shower, JetsAreThoseOfFastJetBitByBit)
{
    auto const showered = folder.path() + "/showered.hepmc3";
    auto const made = run_program({YODA_JET_REFERENCE, "shower", events, showered});
    ASSERT_EQ(made.exit_code, 0) << made.text;
    auto columns = jets_of({"--input", events, "--min-pt", "25"}, 2, split(60, 7));
    columns.erase("events/weight");
    EXPECT_EQ(columns, reference_jets({"antikt", showered, "drop", "0.4", "25"}));
}

}  // namespace
}  // namespace yoda::test
