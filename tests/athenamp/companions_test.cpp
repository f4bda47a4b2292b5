// SPDX-License-Identifier: Apache-2.0
#include "droid/athenamp/companions.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>

#include "athenamp/desk.hpp"

namespace yoda::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

struct CompanionDesk : Desk {
    void change(nlohmann::json const& more)
    {
        auto fields = setup.definition.fields();
        fields.update(more);
        setup.definition = *Job::from_json(fields);
    }
    std::string script(std::string const& name, std::string const& body)
    {
        auto const path = folder / name;
        write_text(path, "#!/bin/sh\n" + body + "\n");
        ::chmod(path.c_str(), 0755);
        return path;
    }
};

constexpr auto asks_extractor = "--preExec 'jps.AthenaMPFlags.UseTokenExtractor = True'";

TEST(TokenExtractor, IsStartedWithEventIndexOrTagFiles)
{
    CompanionDesk desk;
    auto const plan = [&](std::string const& url) {
        return *athenamp::plan_token_extractor(desk.setup.definition, desk.setup.payload, url);
    };
    EXPECT_FALSE(plan(""));
    desk.change({{"jobPars", asks_extractor}});
    EXPECT_THAT(plan("")->arguments,
                ElementsAre("TokenExtractor", "-v", "-e", "-s",
                            "http://wn181.ific.uv.es:8080/getIndex.jsp?format=txt2&guid="));
    EXPECT_THAT(plan("http://here/")->arguments,
                ElementsAre("TokenExtractor", "-v", "-e", "-s", "http://here/"));
    desk.change({{"jobPars", std::string(asks_extractor) + " --createTAGFileForES"}});
    EXPECT_FALSE(athenamp::plan_token_extractor(desk.setup.definition, desk.setup.payload, ""));
    desk.change({{"inFiles", "EVNT.1.root,TAG.1.root"},
                 {"GUID", "G1,G2"},
                 {"fsize", "1,1"},
                 {"checksum", "ad:1,ad:1"},
                 {"scopeIn", "mc,mc"},
                 {"inFilePaths", "/data/EVNT.1.root,/data/TAG.1.root"}});
    desk.setup.payload.prefix = {"apptainer", "exec", "image"};
    EXPECT_THAT(plan("")->arguments, ElementsAre("apptainer", "exec", "image", "TokenExtractor", "-v",
                                                 "--source", "tag_files.txt"));
    EXPECT_EQ(plan("")->list, "G2,PFN:/data/TAG.1.root\n");
}

TEST(TokenExtractor, RunsBesideThePayloadAndEndsWithIt)
{
    CompanionDesk desk;
    desk.change({{"jobPars", asks_extractor}});
    desk.setup.payload.token_extractor = {desk.script("extractor", "echo $$ \"$@\" > pid; exec sleep 1000")};
    desk.add_ranges(1, 3);
    desk.start(1);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 0) << desk.end_reason;
    auto const text = file_text(desk.folder / "work/start_0/pid");
    EXPECT_THAT(text, HasSubstr("-v -e -s http"));
    auto const pid = std::atoi(text.c_str());
    ASSERT_GT(pid, 1);
    EXPECT_TRUE(eventually([&] { return !std::filesystem::exists("/proc/" + std::to_string(pid)); }));
}

TEST(TokenExtractor, ItsDeathStopsThePayloadWithItsCode)
{
    CompanionDesk desk;
    desk.setup.stop_grace = Duration::from_ms(100);
    desk.change({{"jobPars", asks_extractor}});
    desk.setup.payload.token_extractor = {desk.script("extractor", "exit 7")};
    desk.mock("MOCK_START_MS", "600000");
    desk.start(1);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 1229);
    EXPECT_THAT(desk.end_reason, HasSubstr("the Token Extractor ended with exit code 7"));
}

TEST(Prefetcher, ItsLocalFileIsWhatThePayloadReads)
{
    CompanionDesk desk;
    desk.change({{"usePrefetcher", "True"}});
    desk.setup.payload.prefetcher = {ATHENAMP_MOCK, "--outputEVNT_MRGFile=prefetched"};
    desk.mock("MOCK_RECORD", desk.folder / "frames");
    desk.add_ranges(1, 5);
    desk.start(2);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 0) << desk.end_reason;
    EXPECT_EQ(desk.finished(), (std::set<RangeIndex>{1, 2, 3, 4, 5}));
    auto const frames = file_text(desk.folder / "frames");
    auto const local =
        desk.folder /
        "work/start_0/prefetcher/athenaMP-workers-mock-sim/worker_0/prefetched_000.4001-6001-77-3-9";
    EXPECT_THAT(frames, HasSubstr("\"PFN\": \"/data/EVNT.1.root\"")) << "to the prefetcher";
    EXPECT_THAT(frames, HasSubstr("\"PFN\": \"" + local + "\"")) << "to the payload";
    EXPECT_FALSE(std::filesystem::exists(local)) << "it goes with its range";
    EXPECT_FALSE(std::filesystem::exists(desk.folder / "work/start_0/PoolFileCatalog_1.xml"));
}

TEST(Prefetcher, RangeThatItCannotFetchHasFailed)
{
    CompanionDesk desk;
    desk.change({{"usePrefetcher", "True"}});
    desk.setup.payload.prefetcher = {ATHENAMP_MOCK, "--outputEVNT_MRGFile=prefetched"};
    desk.mock("MOCK_TROUBLE", "not_found:2");
    desk.add_ranges(1, 4);
    desk.start(1);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 0) << desk.end_reason;
    ASSERT_THAT(desk.failures, SizeIs(1));
    EXPECT_EQ(desk.failures[0].what.range, 2u);
    EXPECT_EQ(desk.finished(), (std::set<RangeIndex>{1, 3, 4}));
}

TEST(Prefetcher, ItsDeathStopsThePayloadWithItsCode)
{
    CompanionDesk desk;
    desk.setup.stop_grace = Duration::from_ms(100);
    desk.change({{"usePrefetcher", "True"}});
    desk.setup.payload.prefetcher = {desk.script("prefetcher", "exit 9")};
    desk.add_ranges(1, 4);
    desk.start(1);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 1243);
    EXPECT_THAT(desk.end_reason, HasSubstr("the prefetcher ended with exit code 9"));
    for (auto const& failure : desk.failures) EXPECT_EQ(failure.kind, FailKind::given_back);
}

/// A desk whose payload reads what the look-alike as prefetcher makes; `trouble` is the prefetcher's, which
/// has each range first.
struct PrefetchDesk : CompanionDesk {
    explicit PrefetchDesk(std::string const& trouble = {})
    {
        change({{"usePrefetcher", "True"}});
        setup.payload.prefetcher = {ATHENAMP_MOCK, "--outputEVNT_MRGFile=prefetched"};
        mock("MOCK_TROUBLE", trouble);
    }
    /// It ended by itself, and nothing was burnt.
    void expect_unburnt_end(std::uint16_t error_code)
    {
        EXPECT_EQ(end_code, error_code) << end_reason;
        EXPECT_THAT(notes, Not(Contains(HasSubstr("payload_killed")))) << "it had no end word";
        for (auto const& failure : failures) EXPECT_EQ(failure.kind, FailKind::given_back) << failure.reason;
    }
};

TEST(Prefetcher, RangeThatItHangsOnCanBeGivenUpAndThePayloadAsksAgain)
{
    PrefetchDesk desk("hang:2");
    desk.add_ranges(1, 3);
    desk.start(1);
    desk.turn_until([&] { return desk.request_count == 2; });
    auto const hung =
        desk.folder / "work/start_0/prefetcher/athenaMP-workers-mock-sim/worker_0/prefetched_000.";
    desk.turn_until([&] { return std::filesystem::exists(hung + "4001-6001-77-2-9"); });
    desk.channel().kill_range({2, 1}, true);
    desk.turn_until([&] { return desk.request_count == 3; });
    desk.channel().kill_range({3, 1}, true);  // It waits for a prefetcher that does not ask.
    desk.turn_until([&] { return desk.request_count == 4; });
    desk.run_to_end();
    desk.expect_unburnt_end(0);
    EXPECT_THAT(desk.failures, SizeIs(2));
    EXPECT_EQ(desk.finished(), (std::set<RangeIndex>{1}));
}

TEST(Prefetcher, FileOfARangeThatWasGivenUpIsRemoved)
{
    PrefetchDesk desk;
    desk.mock("MOCK_RANGE_MS", "200");
    desk.add_ranges(1, 2);
    desk.start(1);
    auto const file =
        desk.folder /
        "work/start_0/prefetcher/athenaMP-workers-mock-sim/worker_0/prefetched_000.4001-6001-77-1-9";
    desk.turn_until([&] { return std::filesystem::exists(file); });
    desk.channel().kill_range({1, 1}, false);
    desk.run_to_end();
    desk.expect_unburnt_end(0);
    EXPECT_EQ(desk.finished(), (std::set<RangeIndex>{2}));
    EXPECT_FALSE(std::filesystem::exists(file));
}

TEST(Prefetcher, ItsFatalErrorGivesThePayloadTheEndWord)
{
    PrefetchDesk desk("fatal:2");
    desk.add_ranges(1, 4);
    desk.start(1);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 1228);
    EXPECT_THAT(desk.notes, Not(Contains(HasSubstr("payload_killed"))));
    ASSERT_THAT(desk.failures, SizeIs(1));
    EXPECT_EQ(desk.failures[0].what.range, 2u);
    EXPECT_EQ(desk.finished(), (std::set<RangeIndex>{1}));
}

TEST(Prefetcher, WhatItHadWhenItDiedGoesBackAndThePayloadHasTheEndWord)
{
    PrefetchDesk desk;
    desk.setup.payload.prefetcher = {
        desk.script("prefetcher", "while [ ! -e go ]; do sleep 0.02; done; exit 9")};
    desk.add_ranges(1, 4);
    desk.start(1);
    desk.turn_until([&] { return desk.request_count == 1; });
    write_text(desk.folder / "work/start_0/prefetcher/go", "");
    desk.run_to_end();
    desk.expect_unburnt_end(1243);
    ASSERT_THAT(desk.failures, SizeIs(1));
    EXPECT_EQ(desk.failures[0].what.range, 1u);
}

TEST(Prefetcher, ItsSilenceIsNotThePayloads)
{
    PrefetchDesk desk("hang:2");
    desk.setup.silence = Duration::from_ms(600);
    desk.add_ranges(1, 4);
    desk.start(1);
    desk.run_to_end();
    desk.expect_unburnt_end(1243);
    EXPECT_THAT(desk.end_reason, HasSubstr("the prefetcher has not answered"));
    EXPECT_THAT(desk.failures, SizeIs(1));
}

TEST(Prefetcher, IsHeardAtTicksToo)
{
    // The descriptors of its channel tell changes only: one that is missed must not be waited for.
    PrefetchDesk desk;
    desk.polls = false;
    desk.add_ranges(1, 5);
    desk.start(2);
    desk.run_to_end();
    desk.expect_unburnt_end(0);
    EXPECT_EQ(desk.finished(), (std::set<RangeIndex>{1, 2, 3, 4, 5}));
}

TEST(Companions, TheirLogsAreWatched)
{
    PrefetchDesk desk;
    desk.change({{"jobPars", asks_extractor}});
    desk.setup.payload.token_extractor = {desk.script("extractor", "exec sleep 1000")};
    desk.hold = true;
    desk.start(1);
    desk.turn_until([&] { return !desk.held.empty(); });
    auto const paths = desk.channel().log_paths();
    EXPECT_THAT(paths, SizeIs(6));
    for (auto const& path : paths) EXPECT_TRUE(std::filesystem::exists(path)) << path;
    desk.release();
    desk.run_to_end();
}

}  // namespace
}  // namespace yoda::test
