// SPDX-License-Identifier: Apache-2.0
#include "core/config/config.hpp"

#include <gtest/gtest.h>

namespace yoda {
namespace {

std::string error_of(std::string_view text)
{
    Config config;
    auto const status = read_config(config, text, "yoda.cfg");
    return status ? std::string{} : status.error().text();
}

TEST(Config, TheDefaultsAreAcceptedAsTheyArePrinted)
{
    Config const defaults;
    Config read;
    read.dispatch_batch = 77;
    ASSERT_TRUE(read_config(read, print_config(defaults), "yoda.cfg"));
    EXPECT_EQ(print_config(read), print_config(defaults));
    EXPECT_EQ(read.dispatch_batch, 0u);
}

TEST(Config, EveryKeyCanBeSetAndIsDescribed)
{
    Config config;
    auto const keys = config_keys();
    EXPECT_GT(keys.size(), 30u);
    for (auto const& key : keys) {
        auto const value = key.kind == "yes/no" ? "yes" : key.kind == "text" ? "a text" : "7";
        EXPECT_TRUE(set_config(config, key.name, value)) << key.name;
        EXPECT_FALSE(key.meaning.empty()) << key.name;
        auto const printed = print_config_value(config, key.name);
        EXPECT_EQ(printed.substr(0, std::string_view(value).size()), value) << key.name;
    }
}

TEST(Config, KeysHaveUnits)
{
    Config config;
    ASSERT_TRUE(read_config(
        config, "droid.silence = 5 min\nbundle.size = 2 GB\ndispatch.second_copies = off\n", "f"));
    EXPECT_EQ(config.droid_silence_s, 300);
    EXPECT_EQ(config.bundle_size_bytes, 2000000000u);
    EXPECT_FALSE(config.dispatch_second_copies);
}

TEST(Config, AnUnknownKeyIsRefusedWithTheNearestOne)
{
    auto const error = error_of("\ndroid.silense = 5\n");
    EXPECT_NE(error.find("yoda.cfg:2"), std::string::npos);
    EXPECT_NE(error.find("did you mean 'droid.silence'"), std::string::npos);
    EXPECT_NE(error_of("completely.unknown.thing = 5\n").find("config/yoda.cfg"), std::string::npos);
}

TEST(Config, ABadValueIsRefusedWithItsKeyAndLine)
{
    auto const error = error_of("range.tries = 3\nrange.time_limit = 5 parsec\n");
    EXPECT_NE(error.find("yoda.cfg:2: range.time_limit"), std::string::npos);
    EXPECT_NE(error.find("parsec"), std::string::npos);
}

TEST(Config, ValuesThatMakeNoSenseTogetherAreRefused)
{
    for (std::string const text :
         {"range.tries = 0", "range.tries = 16", "range.payload_deaths = 0", "range.payload_deaths = 16",
          "disk.check_interval = 11 min", "disk.check_interval = 0", "droid.heartbeat = 61 s",
          "droid.heartbeat = 0", "yoda.silence = 9 s", "dispatch.window = 0", "dispatch.window = 5000000000",
          "dispatch.batch = 5000000000", "payload.workers = 5000000000"})
        EXPECT_NE(error_of(text), "") << text;
}

TEST(Config, AnErrorLeavesNoDoubtWhichFileItIsIn)
{
    EXPECT_EQ(error_of("nonsense").find("yoda.cfg:1"), 0u);
}

}  // namespace
}  // namespace yoda
