// SPDX-License-Identifier: Apache-2.0
// Event files that other programs wrote, and jets that others found in one of them.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "harvest/new/event_counter.hpp"
#include "payloads/samples.hpp"
#include "source_folder.hpp"

namespace yoda::test {
namespace {

/// The file in ../shared/data beside the sources, unpacked into `folder`; empty when it is absent.
std::string outside_file(TempFolder const& folder, std::string const& name)
{
    auto const path = std::string(YODA_SOURCE_DIR) + "/../shared/data/" + name;
    if (!std::filesystem::exists(path)) return {};
    auto const extension = std::filesystem::path(name).extension();
    if (extension != ".zst" && extension != ".gz") return path;
    auto const text = run_program({extension == ".zst" ? "zstd" : "gzip", "-dc", path});
    if (text.exit_code != 0) throw std::runtime_error("cannot unpack " + path);
    return folder.write(std::filesystem::path(name).stem().string(), text.text);
}

/// Also with CI=true the test is skipped then: the files are not ours to pass on.
#define SKIP_WITHOUT(file) \
    if ((file).empty())    \
    GTEST_SKIP() << "the event files of others are not in ../shared/data beside the sources"

/// As many digits as the reference prints: ten behind the point.
double print_and_read(double value)
{
    return std::stod(nlohmann::json(std::round(value * 1e10) / 1e10).dump());
}

TEST(OutsideFiles, ReferenceJetsAreReproducedToEveryPrintedDigit)
{
    TempFolder const folder;
    auto const events = outside_file(folder, "events.eeH.hepmc3.zst");
    auto const reference = outside_file(folder, "jet-collections-fastjet-njets3-Durham-eeH.json.zst");
    SKIP_WITHOUT(events);
    MiniDroid droid({program("jets"), "--input", events, "--algorithm", "ee_kt", "--exclusive", "3"});
    std::vector<std::string> paths;
    for (auto const& answer : run_ranges(droid, 2, split(100, 7), events)) paths.push_back(path_of(answer));
    auto const columns = read_columns(paths);
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

TEST(OutsideFiles, EventsOfAnotherGeneratorAreShowered)
{
    TempFolder const folder;
    auto const sample = outside_file(folder, "pylhe-testfile-madgraph-2.2.1-Z-mlm.lhe.gz");
    SKIP_WITHOUT(sample);
    MiniDroid first({program("shower"), "--input", sample});
    auto const whole = run_ranges(first, 1, {{5001, 5100}}, sample);
    MiniDroid second({program("shower"), "--input", sample});
    auto const parts = run_ranges(second, 2, {{5001, 5030}, {5031, 5100}}, sample);
    auto const columns = read_columns({path_of(whole[0])});
    EXPECT_EQ(read_columns({path_of(parts[0]), path_of(parts[1])}), columns);
    EXPECT_GT(columns.at("jets/pt").size(), 100U);
}

TEST(OutsideFiles, EventsAreCounted)
{
    TempFolder const folder;
    std::pair<char const*, std::uint64_t> const files[] = {
        {"pylhe-testfile-madgraph-2.2.1-Z-mlm.lhe.gz", 10'000},
        {"pylhe-testfile-madgraph5-3.5.8-pp_to_jj.lhe.gz", 1'000},
        {"pp13TeV_qcd_pt50_pythia6428_100ev.hepmc3.gz", 100},
        {"ttbarsplit-12evt-1108prim.hepmc3", 12},
        {"pylhe-testfile-hpcgen.hdf5", 100},
    };
    for (auto const& [name, count] : files) {
        auto const path = outside_file(folder, name);
        SKIP_WITHOUT(path);
        auto const survey = survey_input(path);
        ASSERT_TRUE(survey) << survey.error().text();
        EXPECT_EQ(survey->event_count, count) << name;
    }
}

}  // namespace
}  // namespace yoda::test
