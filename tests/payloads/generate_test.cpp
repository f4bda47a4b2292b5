// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>
#include <filesystem>

#include "lhe/lhe_file.hpp"
#include "payloads/samples.hpp"

namespace yoda::test {
namespace {

using testing::HasSubstr;

TEST(GenerateEvents, TheSameOptionsGiveTheSameBytes)
{
    TempFolder const folder;
    auto const make = [&](std::string const& seed, std::string const& name) {
        auto const path = folder.path() + "/" + name;
        auto const finished =
            run_program({program("generate_events"), "--events", "50", "--seed", seed, "--output", path});
        EXPECT_EQ(finished.exit_code, 0) << finished.text;
        return read_file(path);
    };
    auto const first = make("1", "a");
    EXPECT_EQ(make("1", "b"), first);
    EXPECT_NE(make("2", "c"), first);
}

TEST(GenerateEvents, EventsConserveMomentumAndAreAboveTheirCut)
{
    TempFolder const folder;
    auto const path = folder.path() + "/a.lhe";
    ASSERT_EQ(run_program({program("generate_events"), "--events", "2000", "--output", path}).exit_code, 0);
    samples::lhe::LheFile const file(path);
    ASSERT_EQ(file.event_count(), 2000U);
    EXPECT_EQ(file.beams().energies_gev[0], 6500);
    for (int position = 1; position <= 2000; ++position) {
        auto const event = file.event(position);
        double sum[4] = {};
        for (auto const& p : event.particles) {
            int const sign = p.status == -1 ? -1 : 1;
            sum[0] += sign * p.px;
            sum[1] += sign * p.py;
            sum[2] += sign * p.pz;
            sum[3] += sign * p.energy;
            if (p.status == 1) {
                EXPECT_GT(std::hypot(p.px, p.py), 29.9) << position;
            }
        }
        for (double const component : sum)
            EXPECT_NEAR(component, 0, 1e-5 * event.particles[0].energy) << position;
    }
}

TEST(GenerateEvents, ReplacesNothingButAFile)
{
    TempFolder const folder;
    auto const path = folder.path() + "/out";
    auto const refused = [&](std::string const& why) {
        auto const finished = run_program({program("generate_events"), "--events", "1", "--output", path});
        EXPECT_EQ(finished.exit_code, 2);
        EXPECT_THAT(finished.text, HasSubstr(path + ": it is " + why));
    };
    std::filesystem::create_symlink(folder.path() + "/nowhere", path);
    refused("a symbolic link");
    EXPECT_TRUE(std::filesystem::is_symlink(path));
    std::filesystem::remove(path);
    ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    refused("a FIFO");
    EXPECT_TRUE(std::filesystem::is_fifo(path));
    std::filesystem::remove(path);
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(GenerateEvents, WrongOptionsSayWhatIsWrong)
{
    TempFolder const folder;
    auto const run = [](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), program("generate_events"));
        return run_program(arguments);
    };
    auto const usage = run({"--events", "none", "--output", folder.path() + "/x"});
    EXPECT_EQ(usage.exit_code, 2);
    EXPECT_THAT(usage.text, HasSubstr("--events takes a number from 1"));
    EXPECT_EQ(run({}).exit_code, 2);
    auto const lost = run({"--events", "1", "--output", "/nowhere/x"});
    EXPECT_EQ(lost.exit_code, 1);
    EXPECT_THAT(lost.text, HasSubstr("/nowhere/x.part: No such file"));
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace yoda::test
