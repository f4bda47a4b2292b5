// SPDX-License-Identifier: Apache-2.0
#include "droid/channel/worker_channel.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "support/scratch_folder.hpp"
#include "sys/base/clock.hpp"
#include "sys/process/environment.hpp"

namespace yoda {
namespace {

using test::ScratchFolder;
using test::write_text;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

/// Speaks the worker protocol by hand; parent and its only worker are one process.
constexpr auto payload_head = R"(#!/usr/bin/python3
import json, os, socket
control = socket.socket(fileno=int(os.environ["YODA_CONTROL_FD"]))
control.send(b"Ready for workers")
_, fds, _, _ = socket.recv_fds(control, 4096, 1)
worker = socket.socket(fileno=fds[0])
lines = worker.makefile("r")
def say(text): worker.sendall(text.encode() + b"\n")
def ask():
    say("Ready for events")
    line = lines.readline()
    return json.loads(line)[0]["eventRangeID"] if line.startswith("[") else None
say(str(os.getpid()))
)";

struct Desk final : ChannelEvents {
    struct Failed {
        HandOut what;
        FailKind kind;
        std::string reason;
    };
    WorkerChannel* channel = nullptr;
    SystemClock clock;
    RangeIndex next = 0;
    RangeIndex count = 0;
    std::vector<Failed> failures;
    std::vector<RangeOutput> outputs;
    std::vector<std::string> notes;
    std::vector<std::string> reasons;  ///< of notes
    std::optional<std::uint16_t> end_code;
    std::string why;

    void payload_up(JobIndex) override {}
    void request(JobIndex, RequestId request) override
    {
        if (next == count) return channel->end(request);
        WorkItem item;
        item.what = {next++, 1};
        item.range.id = "1-2-3-" + std::to_string(next) + "-4";
        item.range.start_event = item.range.last_event = next;
        channel->answer(clock.now(), request, item);
    }
    void request_gone(JobIndex, RequestId) override {}
    void output(RangeOutput output) override { outputs.push_back(std::move(output)); }
    void failure(HandOut what, FailKind kind, std::uint16_t, std::string_view reason) override
    {
        failures.push_back({what, kind, std::string(reason)});
    }
    void worker_ended(JobIndex) override { channel->stop(clock.now(), false); }
    void payload_ended(JobIndex, std::uint16_t code, std::string_view reason) override
    {
        end_code = code;
        why = reason;
    }
    void note(std::string_view event, JobIndex, std::string_view reason) override
    {
        notes.emplace_back(event);
        reasons.emplace_back(reason);
    }
};

struct WorkerChannelTest : ::testing::Test {
    WorkerChannelTest()
    {
        setup.payload.executable = folder / "payload";
        setup.environment = current_environment();
        setup.work_folder = folder / "work";
        setup.log_prefix = folder / "payload_log";
        setup.bind = false;
        setup.stop_grace = Duration::from_s(50);
    }
    /// From the start of this program as payload to its end.
    void run(std::string const& program)
    {
        write_text(setup.payload.executable, program);
        ::chmod(setup.payload.executable.c_str(), 0755);
        auto spawner = Spawner::start();
        auto poller = Poller::make();
        ASSERT_TRUE(spawner && poller);
        WorkerChannel channel(setup, *spawner, *poller, desk);
        desk.channel = &channel;
        channel.start(desk.clock.now(), 1);
        ASSERT_TRUE(test::eventually([&] {
            poller->wait(Duration::from_ms(1));
            static_cast<void>(spawner->poll());
            while (auto const event = spawner->take_event()) channel.on_spawn_event(desk.clock.now(), *event);
            channel.on_tick(desk.clock.now());
            return desk.end_code.has_value();
        })) << log();
    }
    std::string log() const { return test::file_text(setup.log_prefix + ".err"); }

    ScratchFolder const folder;
    PayloadSetup setup;
    Desk desk;
};

TEST_F(WorkerChannelTest, ErrorsWithoutIdOrWithTheWordsOfARequestAreErrors)
{
    desk.count = 2;
    run(std::string(payload_head) + R"(
first = ask()
say("ERR_PAYLOAD_RANGE : it went wrong while saying Ready for events")
second = ask()
say("ERR_PAYLOAD_FATAL " + second + ": Ready for events")
say("ERR_PAYLOAD_RANGE : there is no range")
assert ask() is None
worker.shutdown(socket.SHUT_RDWR)
control.recv(100)
)");
    EXPECT_EQ(desk.end_code, 0) << log();
    ASSERT_THAT(desk.failures, SizeIs(2));
    EXPECT_EQ(desk.failures[0].what.range, 0u);
    EXPECT_EQ(desk.failures[0].kind, FailKind::failed);
    EXPECT_THAT(desk.failures[0].reason, HasSubstr("it went wrong"));
    EXPECT_EQ(desk.failures[1].what.range, 1u);
    EXPECT_EQ(desk.failures[1].kind, FailKind::fatal);
    EXPECT_THAT(desk.notes, Contains("payload_error"));
    EXPECT_THAT(desk.notes, Not(Contains("worker_killed")));
}

constexpr auto two_outputs = R"(
import sys
for _ in range(2):
    id = ask()
    paths = ["/w/hits." + id, "/w/hist." + id] if id.startswith("1-2-3-1") else ["/w/hits." + id]
    say(",".join(paths) + ",ID:" + id + ",CPU:1,WALL:1")
assert ask() is None
print(*sys.argv[1:], file=sys.stderr, flush=True)
worker.shutdown(socket.SHUT_RDWR)
control.recv(100)
)";

TEST_F(WorkerChannelTest, OutputsAreNamedAsTheMergeJobWantsThem)
{
    setup.payload.outputs = {{"hits", "HITS.*"}, {"hist", "HIST.*"}};
    setup.payload.arguments = {"{out_lfn.hits}", "{out_lfn.hist}"};
    auto const job =
        Job::from_json({{"PandaID", 5}, {"outFiles", "HITS.1,HIST.1,log.1"}, {"logFile", "log.1"}});
    setup.outputs = *OutputNames::make(*job, setup.payload);
    desk.count = 2;
    run(std::string(payload_head) + two_outputs);
    EXPECT_EQ(desk.end_code, 0) << log();
    ASSERT_THAT(desk.outputs, SizeIs(2));
    EXPECT_EQ(desk.outputs[0].names, (std::vector<std::string>{"HITS.1.1-2-3-1-4", "HIST.1.1-2-3-1-4"}));
    EXPECT_EQ(desk.outputs[0].missing, "");
    EXPECT_THAT(desk.outputs[1].missing, HasSubstr("HIST.1")) << "the merge job would not find it";
    EXPECT_THAT(log(), HasSubstr("HITS.1 HIST.1"));
}

TEST_F(WorkerChannelTest, OutputsOfARunThatWasMadeBeforeKeepTheirNames)
{
    desk.count = 2;
    run(std::string(payload_head) + two_outputs);
    ASSERT_THAT(desk.outputs, SizeIs(2));
    for (auto const& output : desk.outputs) {
        EXPECT_TRUE(output.names.empty());
        EXPECT_EQ(output.missing, "");
    }
}

TEST_F(WorkerChannelTest, APayloadThatIsSilentWhileItInitialisesIsStopped)
{
    setup.silence = Duration::from_ms(200);
    run("#!/usr/bin/python3\nimport time\ntime.sleep(1000)\n");
    EXPECT_EQ(desk.end_code, code::looping_job);
    EXPECT_THAT(desk.why, HasSubstr("neither spoke nor wrote"));
}

TEST_F(WorkerChannelTest, AWorkerThatNeitherAsksNorEndsIsKilled)
{
    setup.silence = Duration::from_ms(200);
    run(std::string(payload_head) + "import time\ntime.sleep(1000)\n");
    EXPECT_THAT(desk.notes, Contains("worker_killed"));
    EXPECT_THAT(desk.reasons, Contains(HasSubstr("without a range")));
}

TEST_F(WorkerChannelTest, AWorkerThatDoesNotEndAfterTheEndWordIsKilled)
{
    setup.stop_grace = Duration::from_ms(200);
    run(std::string(payload_head) + "assert ask() is None\nimport time\ntime.sleep(1000)\n");
    EXPECT_THAT(desk.notes, Contains("worker_killed"));
    EXPECT_THAT(desk.reasons, Contains(HasSubstr("after the end word")));
    EXPECT_EQ(desk.end_code, 0);
}

}  // namespace
}  // namespace yoda
