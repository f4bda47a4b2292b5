// SPDX-License-Identifier: Apache-2.0
#include "core/config/payload_config.hpp"

#include <gtest/gtest.h>

namespace yoda {
namespace {

std::string error_of(std::string_view text)
{
    auto const config = parse_payload_config(text, "p.cfg");
    return config ? std::string{} : config.error().text();
}

TEST(PayloadConfig, ReadsAllItsKeys)
{
    auto const config = parse_payload_config(
        "name = shower\nchannel = command\nexecutable = bin/shower\nargument = --in\nargument = {pfn}\n"
        "environment = A=1=2\nenvironment = B=\noutput = hdf5\ndeterministic = no\n",
        "p.cfg");
    ASSERT_TRUE(config);
    EXPECT_EQ(config->name, "shower");
    EXPECT_EQ(config->channel, ChannelKind::command);
    EXPECT_EQ(config->executable, "bin/shower");
    EXPECT_EQ(config->arguments, (std::vector<std::string>{"--in", "{pfn}"}));
    EXPECT_EQ(config->environment, (std::vector<std::string>{"A=1=2", "B="}));
    EXPECT_EQ(config->output, OutputKind::hdf5);
    EXPECT_FALSE(config->deterministic);
}

TEST(PayloadConfig, PrintingGivesTheSameAgain)
{
    for (std::string const text :
         {"executable = x\n", "executable = /opt/x\nin_container = yes\n", "channel = null\n",
          "channel = athenamp\nexecutable = y\noutput = none\n",
          "executable = x\noutput.hits = HITS.*\noutput.hist_2 = HIST.*.root\n",
          "executable = x\nargument = a b\nenvironment = A=1\noutput = hdf5\ndeterministic = no\n"}) {
        auto const config = parse_payload_config(text, "p.cfg");
        ASSERT_TRUE(config) << text;
        auto const printed = print_payload_config(*config);
        auto const again = parse_payload_config(printed, "p.cfg");
        ASSERT_TRUE(again) << printed;
        EXPECT_EQ(print_payload_config(*again), printed);
    }
}

TEST(PayloadConfig, ANullPayloadNeedsNoProgramAndMakesNoOutput)
{
    auto const config = parse_payload_config("channel = null\noutput = hdf5\n", "p.cfg");
    ASSERT_TRUE(config);
    EXPECT_EQ(config->output, OutputKind::nothing);
    EXPECT_EQ(config->name, "null");
}

TEST(PayloadConfig, ReadsSeveralOutputs)
{
    auto const config = parse_payload_config(
        "executable = x\noutput = opaque\noutput.hits = HITS.*\noutput.hist = HIST.*\n", "p.cfg");
    ASSERT_TRUE(config) << config.error().text();
    EXPECT_EQ(config->outputs, (std::vector<OutputRule>{{"hits", "HITS.*"}, {"hist", "HIST.*"}}));
    EXPECT_EQ(config->output, OutputKind::opaque);
    EXPECT_NE(error_of("executable = x\noutput.a = A*\noutput.a = B*\n").find("twice"), std::string::npos);
    EXPECT_NE(error_of("executable = x\noutput. = A*\n").find("output.NAME"), std::string::npos);
    EXPECT_NE(error_of("executable = x\noutput.a/b = A*\n").find("output.NAME"), std::string::npos);
    EXPECT_NE(error_of("executable = x\noutput.a =\n").find("pattern"), std::string::npos);
    EXPECT_NE(
        error_of("executable = x\nchannel = command\nargument = {output}\noutput.a = A*\noutput.b = B*\n")
            .find("{output.NAME}"),
        std::string::npos);
}

TEST(PayloadConfig, RefusesWhatCannotWork)
{
    EXPECT_NE(error_of("").find("names no executable"), std::string::npos);
    EXPECT_NE(error_of("executable = x\nchannel = pipe\n").find("p.cfg:2: channel = pipe"),
              std::string::npos);
    EXPECT_NE(error_of("executable = x\noutput = root\n").find("hdf5, opaque, none"), std::string::npos);
    EXPECT_NE(error_of("executable = x\nenvironment = NAME\n").find("NAME=value"), std::string::npos);
    EXPECT_NE(error_of("executable = x\nenvironment = =value\n"), "");
    EXPECT_NE(error_of("executable = x\ndeterministic = perhaps\n"), "");
    EXPECT_NE(error_of("executables = x\n").find("did you mean 'executable'"), std::string::npos);
}

TEST(Placeholders, AreReplaced)
{
    std::vector<Placeholder> const values{{"pfn", "/data/f"}, {"n", "5"}};
    EXPECT_EQ(*fill_placeholders("--in={pfn} -n{n}{n}", values), "--in=/data/f -n55");
    EXPECT_EQ(*fill_placeholders("none", values), "none");
    EXPECT_EQ(*fill_placeholders("", values), "");
    EXPECT_EQ(*fill_placeholders("{{pfn} {{{n}", values), "{pfn} {5");
}

TEST(Placeholders, AreNotReplacedTwice)
{
    EXPECT_EQ(*fill_placeholders("{a}", {{"a", "{b}"}, {"b", "x"}}), "{b}");
}

TEST(Placeholders, UnknownAndUnclosedOnesAreRefused)
{
    EXPECT_NE(fill_placeholders("x {unknown} y", {}).error().text().find("'{unknown}'"), std::string::npos);
    EXPECT_NE(fill_placeholders("x {open", {}).error().text().find("'{open'"), std::string::npos);
    EXPECT_FALSE(fill_placeholders("{}", {}));
}

}  // namespace
}  // namespace yoda
