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

#define SKIP_WITHOUT(sample) \
    if ((sample).empty()) GTEST_SKIP() << "the shared sample data are not beside the sources"

constexpr char kElectronEvents[] = "events.eeH.hepmc3.zst";
constexpr char kReferenceJets[] = "jet-collections-fastjet-njets3-Durham-eeH.json.zst";
constexpr char kProtonEvents[] = "pp13TeV_qcd_pt50_pythia6428_100ev.hepmc3.gz";

std::vector<std::string> paths_of(std::vector<std::string> const& answers)
{
    std::vector<std::string> paths;
    for (auto const& answer : answers) paths.push_back(path_of(answer));
    return paths;
}

/// As many digits as the reference prints: ten behind the point.
double print_and_read(double value)
{
    return std::stod(nlohmann::json(std::round(value * 1e10) / 1e10).dump());
}

TEST(Jets, TheReferenceJetsAreReproducedToEveryPrintedDigit)
{
    auto const events = shared_sample(kElectronEvents);
    auto const reference = shared_sample(kReferenceJets);
    SKIP_WITHOUT(events);
    MiniDroid droid({program("jets"), "--input", events, "--algorithm", "ee_kt", "--exclusive", "3"});
    auto const answers = run_ranges(droid, 2, split(100, 7), events);
    auto const columns = read_columns(paths_of(answers));
    std::size_t jet = 0;
    std::size_t event = 0;
    for (auto const& expected : nlohmann::json::parse(read_file(reference))) {
        ASSERT_EQ(columns.at("events/number").at(event), expected.at("jetid").get<int>());
        ASSERT_EQ(columns.at("events/jet_count").at(event), 3);
        for (auto const& one : expected.at("jets")) {
            EXPECT_NEAR(columns.at("jets/pt").at(jet), one.at("pt").get<double>(), 0.5001e-10);
            EXPECT_NEAR(columns.at("jets/rapidity").at(jet), one.at("rap").get<double>(), 0.5001e-10);
            EXPECT_NEAR(columns.at("jets/phi").at(jet), one.at("phi").get<double>(), 0.5001e-10);
            EXPECT_EQ(print_and_read(columns.at("jets/pt").at(jet)), one.at("pt").get<double>());
            ++jet;
        }
        ++event;
    }
    EXPECT_EQ(jet, 300U);
    EXPECT_EQ(columns.at("jets/energy").size(), 300U);
}

TEST(Jets, TheColumnsOfAJetAgreeWithEachOther)
{
    auto const events = shared_sample(kProtonEvents);
    SKIP_WITHOUT(events);
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

TEST(Jets, TheSplitOverRangesAndWorkersDoesNotMatter)
{
    auto const events = shared_sample(kProtonEvents);
    SKIP_WITHOUT(events);
    Columns whole;
    for (int const size : {100, 1, 9}) {
        MiniDroid droid({program("jets"), "--input", events});
        auto const columns = read_columns(paths_of(run_ranges(droid, 3, split(100, size), events)));
        if (whole.empty()) whole = columns;
        EXPECT_EQ(columns, whole) << size;
    }
}

TEST(Jets, AnIndexLeftInAFolderChangesNothing)
{
    auto const events = shared_sample(kProtonEvents);
    SKIP_WITHOUT(events);
    TempFolder const folder;
    std::string bytes;
    for (int run = 0; run < 2; ++run) {
        MiniDroid droid({program("jets"), "--input", events, "--index-folder", folder.path()});
        auto const answers = run_ranges(droid, 1, {{91, 100}}, events);
        auto const content = read_file(path_of(answers[0]));
        if (run == 0) bytes = content;
        EXPECT_EQ(content, bytes);
        EXPECT_EQ(droid.standard_error().find("made anew") != std::string::npos, run == 0);
    }
    EXPECT_FALSE(std::filesystem::is_empty(folder.path()));
}

TEST(Jets, EventsWithoutJetsGiveRowsOfZero)
{
    auto const events = shared_sample(kProtonEvents);
    SKIP_WITHOUT(events);
    MiniDroid droid({program("jets"), "--input", events, "--min-pt", "100000"});
    auto const columns = read_columns(paths_of(run_ranges(droid, 1, {{1, 4}}, events)));
    EXPECT_EQ(columns.at("events/jet_count"), (std::vector<double>{0, 0, 0, 0}));
    EXPECT_TRUE(columns.at("jets/pt").empty());
}

TEST(Jets, AFileReplacesNothingButAFile)
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

TEST(Jets, WrongOptionsAndInputsFailInitialisationWithAReason)
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
