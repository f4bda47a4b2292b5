// SPDX-License-Identifier: Apache-2.0
#include "droid/channel/command_channel.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/scratch_folder.hpp"
#include "sys/process/environment.hpp"

namespace yoda {
namespace {

using test::ScratchFolder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// Hands out ranges 0, 1, ... one by one.
struct Desk final : ChannelEvents {
    struct Failed {
        RangeIndex range;
        FailKind kind;
        std::string reason;
    };
    CommandChannel* channel = nullptr;
    TimePoint now = TimePoint{} + Duration::from_s(1);
    RangeIndex next = 0;
    RangeIndex count = 0;
    std::vector<RangeIndex> ahead;  ///< answered ahead
    std::vector<RangeIndex> finished;
    std::vector<RangeOutput> outputs;
    std::vector<Failed> failures;
    bool ended = false;

    bool answer(RequestId request)
    {
        if (next == count) return false;
        WorkItem item;
        item.what = {next++, 1};
        item.range.id = std::to_string(item.what.range);
        channel->answer(now, request, item);
        return true;
    }
    void payload_up(JobIndex) override {}
    void request(JobIndex, RequestId request) override
    {
        if (!answer(request)) channel->end(request);
    }
    bool request_ahead(JobIndex, RequestId request) override
    {
        if (!answer(request)) return false;
        ahead.push_back(next - 1);
        return true;
    }
    void request_gone(JobIndex, RequestId) override {}
    void output(RangeOutput output) override
    {
        finished.push_back(output.what.range);
        outputs.push_back(std::move(output));
    }
    void failure(HandOut what, FailKind kind, std::uint16_t, std::string_view reason) override
    {
        failures.push_back({what.range, kind, std::string(reason)});
    }
    void worker_ended(JobIndex) override { channel->stop(now, false); }
    void payload_ended(JobIndex, std::uint16_t, std::string_view) override { ended = true; }
    void note(std::string_view, JobIndex, std::string_view) override {}
};

/// One worker; a script is the payload, which knows its range as $1. Time passes only when a test says so.
struct CommandChannelTest : ::testing::Test {
    CommandChannelTest() { setup.payload.output = OutputKind::nothing; }
    void begin(std::string const& script, RangeIndex count)
    {
        setup.payload.arguments = {"-c", "cd \"$SCRATCH\"; " + script, "payload", "{id}"};
        begin_as_set_up(count);
    }
    void begin_as_set_up(RangeIndex count)
    {
        desk.count = count;
        setup.payload.executable = "/bin/sh";
        setup.environment = {"PATH=/usr/local/bin:/usr/bin:/bin", "SCRATCH=" + folder.path()};
        setup.work_folder = folder / "work";
        setup.log_prefix = folder / "payload_log";
        setup.bind = false;
        auto made = Spawner::start();
        ASSERT_TRUE(made);
        spawner.emplace(*std::move(made));
        channel.emplace(setup, *spawner, desk);
        desk.channel = &*channel;
        channel->start(desk.now, 1);
    }
    template <class Condition>
    void run_until(Condition condition)
    {
        ASSERT_TRUE(test::eventually([&] {
            static_cast<void>(spawner->poll());
            while (auto const event = spawner->take_event()) {
                desk.now = desk.now + event_time;
                channel->on_spawn_event(desk.now, *event);
            }
            return condition();
        })) << test::file_text(setup.log_prefix + ".err");
    }
    void run_to_the_end()
    {
        run_until([&] { return desk.ended; });
    }
    std::vector<std::string> ran() const { return test::file_lines(folder / "ran"); }

    ScratchFolder const folder;
    PayloadSetup setup;
    Desk desk;
    Duration event_time{0};  ///< passes before each word of the spawner
    std::optional<Spawner> spawner;
    std::optional<CommandChannel> channel;
};

TEST_F(CommandChannelTest, OrdersTheNextWhileAShortOneRuns)
{
    begin("echo $1 >> ran", 5);
    run_to_the_end();
    EXPECT_THAT(desk.ahead, ElementsAre(2u, 3u, 4u))
        << "before the second it is not known how long one takes";
    EXPECT_THAT(desk.finished, ElementsAre(0u, 1u, 2u, 3u, 4u));
    EXPECT_THAT(ran(), ElementsAre("0", "1", "2", "3", "4"));
    EXPECT_THAT(desk.failures, IsEmpty());
}

TEST_F(CommandChannelTest, OrdersNothingAheadWhereOneTakesLong)
{
    event_time = Duration::from_s(1);
    begin("echo $1 >> ran", 4);
    run_to_the_end();
    EXPECT_THAT(desk.ahead, IsEmpty());
    EXPECT_THAT(desk.finished, SizeIs(4));
}

TEST_F(CommandChannelTest, GivesBackWhatWaitsForOneThatTakesLongAfterAll)
{
    begin("[ $1 != 1 ] || while ! [ -e go ]; do sleep 0.01; done; echo $1 >> ran", 4);
    run_until([&] { return !desk.ahead.empty(); });
    std::vector<BusyWorker> busy;
    channel->list_busy(busy);
    ASSERT_THAT(busy, SizeIs(1)) << "what waits is not watched";
    EXPECT_EQ(busy[0].what.range, 1u);
    channel->on_tick(desk.now);
    EXPECT_THAT(desk.failures, IsEmpty());
    desk.now = desk.now + Duration::from_s(1);
    channel->on_tick(desk.now);
    ASSERT_THAT(desk.failures, SizeIs(1));
    EXPECT_EQ(desk.failures[0].range, 2u);
    EXPECT_EQ(desk.failures[0].kind, FailKind::given_back) << "it costs no try";
    test::write_text(folder / "go", "");
    run_to_the_end();
    EXPECT_THAT(ran(), ElementsAre("0", "1", "3"));
    EXPECT_THAT(desk.finished, ElementsAre(0u, 1u, 3u));
}

TEST_F(CommandChannelTest, NeverStartsAWaitingOneThatIsNotWantedAnyMore)
{
    begin("[ $1 != 1 ] || while ! [ -e go ]; do sleep 0.01; done; echo $1 >> ran", 3);
    run_until([&] { return !desk.ahead.empty(); });
    channel->kill_range({2, 1}, false);
    test::write_text(folder / "go", "");
    run_to_the_end();
    EXPECT_THAT(ran(), ElementsAre("0", "1"));
    EXPECT_THAT(desk.finished, ElementsAre(0u, 1u));
}

TEST_F(CommandChannelTest, StopsAtOnceWithOneRunningAndOneWaiting)
{
    begin("[ $1 != 1 ] || while ! [ -e go ]; do sleep 0.01; done; echo $1 >> ran", 3);
    run_until([&] { return !desk.ahead.empty(); });
    channel->stop(desk.now, true);
    run_to_the_end();
    EXPECT_THAT(ran(), ElementsAre("0"));
    EXPECT_THAT(desk.finished, ElementsAre(0u));
}

TEST_F(CommandChannelTest, WhatAnEarlierTryLeftIsNotThisOnesOutput)
{
    ASSERT_TRUE(make_folders(folder / "work/worker_0"));
    auto const left = folder / "work/worker_0/output.0";
    test::write_text(left, "half of an output");
    begin("exit 0", 1);
    run_to_the_end();
    EXPECT_THAT(desk.finished, ElementsAre(0u));
    EXPECT_FALSE(path_exists(left)) << "this try wrote nothing";
}

TEST_F(CommandChannelTest, AScriptThatClearsItsFolderSparesTheOutputsBeforeIt)
{
    begin("cd - > /dev/null; rm -rf ./*; touch mine; echo $1 > ../output.$1", 3);
    run_to_the_end();
    EXPECT_THAT(desk.finished, ElementsAre(0u, 1u, 2u));
    for (auto const* const id : {"0", "1", "2"})
        EXPECT_EQ(test::file_text(folder / "work/worker_0/output." + id), std::string(id) + "\n");
    EXPECT_TRUE(path_exists(folder / "work/worker_0/work/mine"));
}

TEST_F(CommandChannelTest, WhatAContainerSeesAsWorkHoldsTheOutputToo)
{
    setup.payload.arguments = {"-c", "echo {work} {output} > $SCRATCH/told", "payload"};
    begin_as_set_up(1);
    run_to_the_end();
    auto const work = std::string(folder / "work/worker_0");
    EXPECT_EQ(test::file_text(folder / "told"), work + " " + work + "/output.0\n");
}

TEST_F(CommandChannelTest, OutputsAreNamedAsTheMergeJobWantsThem)
{
    setup.payload.output = OutputKind::opaque;
    setup.payload.arguments = {"-c", "echo {out_lfn} > {output}", "payload"};
    auto const job = Job::from_json({{"PandaID", 5}, {"outFiles", "HITS.1,log.1"}, {"logFile", "log.1"}});
    setup.outputs = *OutputNames::make(*job, setup.payload);
    begin_as_set_up(1);
    run_to_the_end();
    ASSERT_THAT(desk.outputs, SizeIs(1));
    EXPECT_THAT(desk.outputs[0].names, ElementsAre("HITS.1.0"));
    EXPECT_EQ(test::file_text(desk.outputs[0].paths.at(0)), "HITS.1\n");
}

TEST_F(CommandChannelTest, EachOfSeveralOutputsHasAFileOfItsOwn)
{
    setup.payload.output = OutputKind::opaque;
    setup.payload.channel = ChannelKind::command;
    setup.payload.outputs = {{"hits", "HITS.*"}, {"hist", "HIST.*"}};
    setup.payload.arguments = {"-c",
                               "echo {out_lfn.hist} > {output.hist}; echo {out_lfn.hits} > {output.hits}"};
    auto const job =
        Job::from_json({{"PandaID", 5}, {"outFiles", "HIST.1,HITS.1,log.1"}, {"logFile", "log.1"}});
    setup.outputs = *OutputNames::make(*job, setup.payload);
    begin_as_set_up(1);
    run_to_the_end();
    ASSERT_THAT(desk.outputs, SizeIs(1)) << test::file_text(setup.log_prefix + ".err");
    EXPECT_THAT(desk.outputs[0].names, ElementsAre("HITS.1.0", "HIST.1.0"));
    EXPECT_EQ(test::file_text(desk.outputs[0].paths.at(0)), "HITS.1\n");
    EXPECT_EQ(test::file_text(desk.outputs[0].paths.at(1)), "HIST.1\n");
}

TEST_F(CommandChannelTest, TellsHowAProcessFailed)
{
    begin("exit 3", 1);
    run_to_the_end();
    ASSERT_THAT(desk.failures, SizeIs(1));
    EXPECT_THAT(desk.failures[0].reason, HasSubstr("ended with exit code 3"));
}

}  // namespace
}  // namespace yoda
