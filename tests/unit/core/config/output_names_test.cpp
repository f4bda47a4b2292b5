// SPDX-License-Identifier: Apache-2.0
#include "core/config/output_names.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace yoda {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Job make_job(std::string const& out_files, std::string const& log = "log.1.tgz")
{
    return *Job::from_json({{"PandaID", 6001}, {"taskID", 4001}, {"outFiles", out_files}, {"logFile", log}});
}

PayloadConfig make_payload(std::vector<OutputRule> outputs = {}, ChannelKind channel = ChannelKind::worker)
{
    PayloadConfig payload;
    payload.channel = channel;
    payload.outputs = std::move(outputs);
    return payload;
}

OutputNames make_names(std::string const& out_files, PayloadConfig const& payload)
{
    auto names = OutputNames::make(make_job(out_files), payload);
    EXPECT_TRUE(names) << names.error().text();
    return names ? *names : OutputNames();
}

std::string why_not(std::string const& out_files, PayloadConfig const& payload)
{
    auto const names = OutputNames::make(make_job(out_files), payload);
    return names ? "they can be told apart" : names.error().text();
}

TEST(OutputNames, TheOnlyOutputIsWhateverThePayloadMakes)
{
    auto const names = make_names("HITS.1,log.1.tgz", make_payload());
    EXPECT_THAT(names.name({"/w/part.1-2"}, "1-2").names, ElementsAre("HITS.1.1-2"));
    EXPECT_THAT(names.name({"/w/output.1-2"}, "1-2").names, ElementsAre("HITS.1.1-2"));
    EXPECT_THAT(names.name({"/w/any.thing"}, "1-2").names, ElementsAre("HITS.1.1-2"));
    EXPECT_THAT(names.name({}, "1-2").names, IsEmpty());
    EXPECT_THAT(names.name({"/w/first.1-2", "/w/second.1-2"}, "1-2").names,
                ElementsAre("HITS.1.1-2", "second.1-2"));
}

TEST(OutputNames, LogsAreNotOutputsAndWithoutOutputsFilesKeepTheirNames)
{
    EXPECT_THAT(out_lfns(make_job("A,log.1,B,log.2", "log.1,log.2")), ElementsAre("A", "B"));
    EXPECT_THAT(make_names("log.1.tgz", make_payload()).name({"/w/part.1-2"}, "1-2").names, IsEmpty());
    EXPECT_THAT(make_names("NULL", make_payload()).name({"/w/part.1-2"}, "1-2").names, IsEmpty());
    auto payload = make_payload();
    payload.output = OutputKind::nothing;
    EXPECT_THAT(make_names("A,B,log.1.tgz", payload).outputs(), IsEmpty()) << "there is nothing to map";
}

TEST(OutputNames, SeveralOutputsAreToldByTheirRules)
{
    auto const names = make_names("HITS.1.root,log.1.tgz,HIST.1.root",
                                  make_payload({{"hist", "HIST.*"}, {"hits", "HITS.?.root"}}));
    auto const named = names.name({"/w/hits.1-2", "/w/extra.1-2", "/w/hist.1-2"}, "1-2");
    EXPECT_THAT(named.names, ElementsAre("HITS.1.root.1-2", "extra.1-2", "HIST.1.root.1-2"));
    EXPECT_EQ(named.missing, "");
    EXPECT_THAT(names.name({"/w/hits.1-2"}, "1-2").missing, HasSubstr("HIST.1.root"));
    EXPECT_THAT(names.name({"/w/HIST.1.root.1-2", "/w/hits.1-2", "/w/hist.1-2"}, "1-2").names,
                ElementsAre("HIST.1.root.1-2", "HITS.1.root.1-2", "hist.1-2"))
        << "the exact name goes first";
}

TEST(OutputNames, WhatCannotBeToldApartIsRefusedWithTheReason)
{
    EXPECT_THAT(why_not("A.1,B.1,log.1.tgz", make_payload()), HasSubstr("2 outputs (A.1, B.1)"));
    EXPECT_THAT(why_not("A.1,B.1", make_payload({}, ChannelKind::command)), HasSubstr("output.NAME"));
    EXPECT_THAT(why_not("A.1,B.1", make_payload({{"a", "A*"}})), HasSubstr("matches B.1"));
    EXPECT_THAT(why_not("A.1,B.1", make_payload({{"a", "*"}})), HasSubstr("output.a matches A.1 and B.1"));
    EXPECT_THAT(why_not("A.1,B.1", make_payload({{"a", "*"}, {"b", "B.*"}})),
                HasSubstr("output.a and output.b match"));
    EXPECT_THAT(why_not("A.1,A.1", make_payload({{"a", "*"}})), HasSubstr("twice"));
    EXPECT_THAT(why_not("a/b", make_payload()), HasSubstr("not a plain file name"));
    EXPECT_THAT(why_not(std::string(250, 'A'), make_payload()), HasSubstr("longer than"));
    EXPECT_EQ(why_not("A.1,B.1", make_payload({{"a", "A*"}, {"b", "B*"}, {"c", "C*"}})),
              "they can be told apart")
        << "a job need not have all outputs that the payload can make";
}

TEST(OutputNames, AthenasStreamsHaveTheNamesOfTheOutputs)
{
    auto const athena = make_payload({}, ChannelKind::athenamp);
    auto const one = make_names("HITS.1,log.1.tgz", athena);
    auto const two = make_names("HITS.1,RDO.1,log.1.tgz", athena);
    EXPECT_THAT(one.name({"/w/HITS.1_000.1-2"}, "1-2").names, ElementsAre("HITS.1.1-2"));
    EXPECT_THAT(one.name({"HITS.1.1-2"}, "1-2").names, ElementsAre("HITS.1.1-2"));
    EXPECT_THAT(two.name({"/w/RDO.1_000.1-2"}, "1-2").names, ElementsAre("RDO.1.1-2"));
    EXPECT_THAT(one.name({"/w/tmp.HITS_000.1-2"}, "1-2").names, ElementsAre("HITS.1.1-2"))
        << "the job has but one output";
    EXPECT_THAT(two.name({"/w/other.1-2"}, "1-2").names, ElementsAre("other.1-2"))
        << "nobody can tell which output it is";
}

TEST(OutputNames, OfTwoFilesWithOneLfnTheStreamsOwnNameWinsInAnyOrder)
{
    auto const names = make_names("HITS.1,log.1.tgz", make_payload({}, ChannelKind::athenamp));
    std::vector<std::string> const others[] = {{"/w/HITS.1_000.1-2", "/w/AAA_000.1-2"},
                                               {"/w/HITS.1_000.1-2", "/w/HITS.1.extra_000.1-2"},
                                               {"/w/HITS.1_000.1-2", "/w/tmp.HITS.1_000.1-2"}};
    for (auto paths : others) {
        EXPECT_EQ(names.name(paths, "1-2").names[0], "HITS.1.1-2");
        EXPECT_NE(names.name(paths, "1-2").names[1], "HITS.1.1-2");
        std::swap(paths[0], paths[1]);
        EXPECT_EQ(names.name(paths, "1-2").names[1], "HITS.1.1-2") << paths[0];
        EXPECT_NE(names.name(paths, "1-2").names[0], "HITS.1.1-2") << paths[0];
    }
    EXPECT_EQ(names.name({"/w/b.1-2", "/w/a.1-2"}, "1-2").names[1], "HITS.1.1-2")
        << "not the order of a folder";
    EXPECT_EQ(names.name({"/w/a.1-2", "/w/b.1-2"}, "1-2").names[0], "HITS.1.1-2");
}

TEST(ObjectNames, WhatNoRecordOrStoreCanHoldIsEscaped)
{
    EXPECT_EQ(record_name("HITS.1.1-2"), "HITS.1.1-2");
    EXPECT_EQ(record_name("100%?& \xc3\xa9"), "100%?& \xc3\xa9") << "as it was before";
    EXPECT_EQ(record_name(".hidden"), "%2Ehidden");
    EXPECT_EQ(object_name(".hidden"), ".hidden");
    EXPECT_EQ(record_name("caf\xe9.1"), "caf%E9.1");
    EXPECT_EQ(object_name("caf\xe9.1"), "caf%E9.1");
    EXPECT_EQ(object_name("a\x01\x7f"), "a%01%7F");
    EXPECT_EQ(object_name("\xe2\x82"), "%E2%82") << "cut off within a character";
    EXPECT_EQ(object_name("\xed\xa0\x80"), "%ED%A0%80") << "half of a pair";
}

}  // namespace
}  // namespace yoda
