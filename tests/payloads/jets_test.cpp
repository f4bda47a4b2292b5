// SPDX-License-Identifier: Apache-2.0
// The payload `jets` as a Droid runs it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "common/jet.hpp"
#include "payloads/samples.hpp"

namespace yoda::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::vector<std::string> paths_of(std::vector<std::string> const& answers)
{
    std::vector<std::string> paths;
    for (auto const& answer : answers) paths.push_back(path_of(answer));
    return paths;
}

/// Proton collisions, 100 events: generated, showered and hadronised by PYTHIA.
class Jets : public testing::Test {
  protected:
    void SetUp() override
    {
        auto const partons = folder.path() + "/partons.lhe";
        ASSERT_EQ(run_program(
                      {program("generate_events"), "--events", "100", "--min-pt", "50", "--output", partons})
                      .exit_code,
                  0);
        auto const showered = run_program({YODA_JET_REFERENCE, "shower", partons, events});
        ASSERT_EQ(showered.exit_code, 0) << showered.text;
    }
    /// The jets of the payload with these options, without the weights, which the reference does not look at.
    Columns jets_of(std::vector<std::string> arguments, int worker_count,
                    std::vector<std::pair<int, int>> const& ranges)
    {
        arguments.insert(arguments.begin(), {program("jets"), "--input", events});
        MiniDroid droid(arguments);
        auto columns = read_columns(paths_of(run_ranges(droid, worker_count, ranges, events)));
        columns.erase("events/weight");
        return columns;
    }

    TempFolder folder;
    std::string events = folder.path() + "/events.hepmc3";
};

TEST_F(Jets, AreThoseOfFastJetBitByBit)
{
    auto const all = jets_of({}, 2, split(100, 7));
    EXPECT_GT(all.at("jets/pt").size(), 150U);
    EXPECT_EQ(all, reference_jets({"antikt", events, "keep", "0.4", "20"}));
    auto const wide =
        jets_of({"--radius", "1.0", "--min-pt", "30", "--neutrinos", "drop"}, 1, split(100, 50));
    EXPECT_EQ(wide, reference_jets({"antikt", events, "drop", "1.0", "30"}));
    EXPECT_NE(wide, reference_jets({"antikt", events, "keep", "1.0", "30"}));
    EXPECT_EQ(jets_of({"--algorithm", "ee_kt", "--exclusive", "3"}, 1, split(100, 20)),
              reference_jets({"ee_kt", events, "keep", "3"}));
}

TEST_F(Jets, TheColumnsOfAJetAgreeWithEachOther)
{
    MiniDroid droid({program("jets"), "--input", events, "--neutrinos", "drop"});
    auto const answers = run_ranges(droid, 1, split(100, 100), events);
    auto const path = path_of(answers[0]);
    auto const columns = read_columns({path});
    EXPECT_TRUE(has_no_times(path));
    EXPECT_EQ(text_attribute(path, "jets", "rows_per_event"), "/events/jet_count");
    EXPECT_EQ(text_attribute(path, "jets/pt", "unit"), "GeV");
    auto const& px = columns.at("jets/px");
    ASSERT_GT(px.size(), 150U);  // Hard QCD above 50 GeV: about two jets an event.
    double total = 0;
    for (auto const count : columns.at("events/jet_count")) total += count;
    EXPECT_EQ(total, static_cast<double>(px.size()));
    for (std::size_t i = 0; i < px.size(); ++i) {
        auto const pt = columns.at("jets/pt")[i];
        auto const phi = columns.at("jets/phi")[i];
        EXPECT_GE(pt, 20);
        EXPECT_NEAR(px[i], pt * std::cos(phi), 1e-9 * pt);
        EXPECT_NEAR(columns.at("jets/py")[i], pt * std::sin(phi), 1e-9 * pt);
        EXPECT_NEAR(columns.at("jets/pz")[i], pt * std::sinh(columns.at("jets/eta")[i]),
                    1e-6 * std::abs(columns.at("jets/energy")[i]));
    }
}

TEST_F(Jets, TheSplitOverRangesAndWorkersDoesNotMatter)
{
    Columns whole;
    for (int const size : {100, 1, 9}) {
        MiniDroid droid({program("jets"), "--input", events});
        auto const columns = read_columns(paths_of(run_ranges(droid, 3, split(100, size), events)));
        if (whole.empty()) whole = columns;
        EXPECT_EQ(columns, whole) << size;
    }
}

TEST_F(Jets, AnIndexLeftInAFolderChangesNothing)
{
    TempFolder const indexes;
    std::string bytes;
    for (int run = 0; run < 2; ++run) {
        MiniDroid droid({program("jets"), "--input", events, "--index-folder", indexes.path()});
        auto const answers = run_ranges(droid, 1, {{91, 100}}, events);
        auto const content = read_file(path_of(answers[0]));
        if (run == 0) bytes = content;
        EXPECT_EQ(content, bytes);
        EXPECT_EQ(droid.standard_error().find("made anew") != std::string::npos, run == 0);
    }
    EXPECT_FALSE(std::filesystem::is_empty(indexes.path()));
}

TEST_F(Jets, EventsWithoutJetsGiveRowsOfZero)
{
    MiniDroid droid({program("jets"), "--input", events, "--min-pt", "100000"});
    auto const columns = read_columns(paths_of(run_ranges(droid, 1, {{1, 4}}, events)));
    EXPECT_EQ(columns.at("events/jet_count"), (std::vector<double>{0, 0, 0, 0}));
    EXPECT_TRUE(columns.at("jets/pt").empty());
}

TEST(JetFiles, AFileReplacesNothingButAFile)
{
    TempFolder const folder;
    auto const path = folder.path() + "/out";
    std::ofstream(folder.path() + "/precious") << "precious";
    std::filesystem::create_symlink(folder.path() + "/precious", path);
    EXPECT_THROW(samples::write_jet_file(path, {}, "none"), std::runtime_error);
    EXPECT_TRUE(std::filesystem::is_symlink(path));
    EXPECT_EQ(read_file(folder.path() + "/precious"), "precious");
    std::filesystem::remove(path);
    ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    EXPECT_THROW(samples::write_jet_file(path, {}, "none"), std::runtime_error);
    EXPECT_TRUE(std::filesystem::is_fifo(path));
}

TEST(JetsSettings, WrongOptionsAndInputsFailInitialisationWithAReason)
{
    TempFolder const folder;
    auto const empty = folder.write("empty", "");
    std::pair<std::vector<std::string>, char const*> const cases[] = {
        {{"--input", "/nowhere/x"}, "/nowhere/x: cannot be opened: No such file"},
        {{"--input", empty}, "is empty"},
        {{"--algorithm", "kt"}, "antikt or ee_kt"},
        {{"--min-pt", "much"}, "--min-pt"},
        {{"--input"}, "has no value"},
        {{"--colour", "red"}, "unknown option '--colour'"},
    };
    for (auto const& [arguments, reason] : cases) {
        std::vector<std::string> command{program("jets")};
        command.insert(command.end(), arguments.begin(), arguments.end());
        MiniDroid droid(command);
        auto const message = droid.hear().value_or("");
        EXPECT_THAT(message, StartsWith("ERR_PAYLOAD_INIT "));
        EXPECT_THAT(message, HasSubstr(reason));
        EXPECT_EQ(droid.wait(), 3);
    }
}

}  // namespace
}  // namespace yoda::test
