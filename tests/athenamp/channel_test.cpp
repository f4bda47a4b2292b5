// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <zmq.h>

#include <filesystem>

#include "athenamp/desk.hpp"
#include "support/skip.hpp"

namespace yoda::test {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::set<RangeIndex> numbers(RangeIndex first, RangeIndex last)
{
    std::set<RangeIndex> all;
    for (auto i = first; i <= last; ++i) all.insert(i);
    return all;
}

struct Dialect {
    char const* mode;
    char const* dialect;
    unsigned workers;
};
std::string print_dialect(::testing::TestParamInfo<Dialect> const& info)
{
    return std::string(info.param.mode) + "_" + info.param.dialect + "_" + std::to_string(info.param.workers);
}

struct AthenaChannelDialects : ::testing::TestWithParam<Dialect> {};

TEST_P(AthenaChannelDialects, EveryRangeComesBackOnceAndThePayloadEndsByItself)
{
    auto const [mode, dialect, workers] = GetParam();
    Desk desk;
    desk.mock("MOCK_MODE", mode);
    desk.mock("MOCK_DIALECT", dialect);
    desk.add_ranges(1, 200);
    desk.start(workers);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 0) << desk.end_reason;
    EXPECT_EQ(desk.outputs.size(), 200u);
    EXPECT_EQ(desk.finished(), numbers(1, 200));
    EXPECT_THAT(desk.failures, IsEmpty());
    for (auto const& output : desk.outputs) {
        ASSERT_THAT(output.paths, SizeIs(1));
        EXPECT_EQ(output.names, std::vector{"HITS.1.root." + output.range_id});
        EXPECT_THAT(file_text(output.paths[0]),
                    HasSubstr(" event " + std::to_string(output.what.range) + " "));
    }
}

INSTANTIATE_TEST_SUITE_P(, AthenaChannelDialects,
                         ::testing::Values(Dialect{"scatterer", "new", 1}, Dialect{"scatterer", "new", 4},
                                           Dialect{"scatterer", "new", 64}, Dialect{"scatterer", "bare", 4},
                                           Dialect{"scatterer", "old", 1}, Dialect{"scatterer", "old", 16},
                                           Dialect{"scatterer", "mtes", 4}, Dialect{"simple", "new", 1},
                                           Dialect{"simple", "new", 64}, Dialect{"simple", "old", 8}),
                         print_dialect);

TEST(AthenaChannel, DialogueByteForByte)
{
    Desk desk;
    desk.mock("MOCK_RECORD", desk.folder / "frames");
    desk.add_ranges(7, 8);
    desk.start(1);
    desk.run_to_end();
    auto const top = desk.folder / "work/start_0/athenaMP-workers-mock-sim/worker_0/";
    auto const frame = [](char direction, std::string const& text) {
        return std::string{direction} + " " + std::to_string(text.size()) + " " + text + "\n";
    };
    auto const range = [](std::string const& n) {
        return "[{\"eventRangeID\": \"4001-6001-77-" + n + "-9\", \"startEvent\": " + n +
               ", \"lastEvent\": " + n +
               ", \"GUID\": \"BEA4C016-E37E-0841-A448-8D664E8CD570\", \"LFN\": \"EVNT.1.root\", \"scope\": "
               "\"mc\", \"PFN\": "
               "\"/data/EVNT.1.root\"}]";
    };
    auto const output = [&](std::string const& n) {
        auto const id = "4001-6001-77-" + n + "-9";
        return top + "HITS.1.root_000." + id + ",ID:" + id + ",CPU:1,WALL:2";
    };
    EXPECT_EQ(file_text(desk.folder / "frames"),
              frame('>', "Ready for events") + frame('<', range("7")) + frame('>', output("7")) +
                  frame('>', "Ready for events") + frame('<', range("8")) + frame('>', output("8")) +
                  frame('>', "Ready for events") + frame('<', "No more events"));
}

TEST(AthenaChannel, CrashOfOneWorkerCostsItsRangeOnly)
{
    Desk desk;
    desk.mock("MOCK_TROUBLE", "crash:5");
    desk.add_ranges(1, 20);
    desk.start(3);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 0) << desk.end_reason;
    ASSERT_THAT(desk.failures, SizeIs(1));
    EXPECT_EQ(desk.failures[0].what.range, 5u);
    EXPECT_EQ(desk.failures[0].kind, FailKind::failed);
    EXPECT_EQ(desk.failures[0].error_code, 1220);
    EXPECT_THAT(desk.failures[0].reason,
                HasSubstr("ERR_ATHENAMP_PROCESS 4001-6001-77-5-9: Failed to process event range"));
    EXPECT_EQ(desk.outputs.size(), 19u);
}

TEST(AthenaChannel, ErrorsOfSingleRangesNameThem)
{
    Desk desk;
    desk.mock("MOCK_TROUBLE", "not_found:2;te_range:4;parse:6;huge_error:8");
    desk.add_ranges(1, 10);
    desk.start(2);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 0) << desk.end_reason;
    std::set<RangeIndex> failed;
    for (auto const& failure : desk.failures) {
        failed.insert(failure.what.range);
        EXPECT_EQ(failure.kind, FailKind::failed);
        EXPECT_EQ(failure.error_code, 1220);
        EXPECT_LE(failure.reason.size(), 1000u);
    }
    EXPECT_EQ(failed, (std::set<RangeIndex>{2, 4, 6, 8}));
    EXPECT_EQ(desk.finished(), (std::set<RangeIndex>{1, 3, 5, 7, 9, 10}));
}

TEST(AthenaChannel, FatalErrorEndsThePayloadAndGivesTheOthersBackUnburnt)
{
    for (auto const& [trouble, error_code] : {std::pair{"te_fatal:3", 1233}, std::pair{"te_guid:3", 1231}}) {
        SCOPED_TRACE(trouble);
        Desk desk;
        desk.setup.stop_grace = Duration::from_ms(200);
        desk.mock("MOCK_TROUBLE", std::string(trouble) + ";hang:1;hang:2");
        desk.add_ranges(1, 10);
        desk.start(3);
        desk.run_to_end();
        EXPECT_EQ(desk.end_code, error_code);
        ASSERT_THAT(desk.failures, SizeIs(3));
        EXPECT_EQ(desk.failures[0].what.range, 3u);
        EXPECT_EQ(desk.failures[0].kind, FailKind::fatal);
        EXPECT_EQ(desk.failures[0].error_code, error_code);
        EXPECT_EQ(desk.failures[1].kind, FailKind::given_back);
        EXPECT_EQ(desk.failures[2].kind, FailKind::given_back);
        // A new start goes on with what is left.
        desk.failures.clear();
        desk.start(3);
        desk.run_to_end();
        EXPECT_EQ(desk.end_code, 0) << desk.end_reason;
        EXPECT_EQ(desk.finished(), numbers(4, 10));
    }
}

TEST(AthenaChannel, DeathOfTheWholePayloadIsTold)
{
    Desk desk;
    desk.mock("MOCK_TROUBLE", "exit:4;hang:5");  // Or the other one may do all the rest meanwhile.
    desk.add_ranges(1, 10);
    desk.start(2);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 1227);
    EXPECT_THAT(desk.end_reason, HasSubstr("ended with exit code 65 before the end word"));
    // The core settles what was in flight; a range that found nobody any more is given back.
    for (auto const& failure : desk.failures) EXPECT_EQ(failure.kind, FailKind::given_back) << failure.reason;
}

TEST(AthenaChannel, PayloadThatDoesNotComeUpIsASetupFailure)
{
    Desk desk;
    desk.mock("MOCK_FAIL_START", "1");
    desk.start(2);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 1110);
    EXPECT_THAT(desk.end_reason, HasSubstr("ended with exit code 3 before it asked for a range"));
}

TEST(AthenaChannel, LateOutputsAreAwaitedInFinalisation)
{
    Desk desk;
    desk.mock("MOCK_DIALECT", "old");
    desk.mock("MOCK_FINALISE_MS", "100");
    desk.add_ranges(1, 8);
    desk.start(8);
    desk.turn_until([&] { return desk.ranges.empty(); });
    desk.channel().stop(desk.now(), false);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 0) << desk.end_reason;
    EXPECT_EQ(desk.finished(), numbers(1, 8));
}

TEST(AthenaChannel, PayloadThatDoesNotFinishIsKilledAndItsRangesGoBackUnburnt)
{
    Desk desk;
    desk.setup.range_limit = Duration::from_ms(300);
    desk.setup.payload.finalisation_s = 0.1;
    desk.setup.stop_grace = Duration::from_ms(100);
    desk.mock("MOCK_TROUBLE", "hang:2");
    desk.add_ranges(1, 3);
    desk.start(3);
    desk.turn_until([&] { return desk.outputs.size() == 2 && desk.request_count > 3; });
    desk.channel().stop(desk.now(), false);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 1227) << desk.end_reason;
    ASSERT_THAT(desk.failures, SizeIs(1));
    EXPECT_EQ(desk.failures[0].what.range, 2u);
    EXPECT_EQ(desk.failures[0].kind, FailKind::given_back);
    EXPECT_THAT(desk.notes, ::testing::Contains(HasSubstr("payload_killed")));
}

TEST(AthenaChannel, ValueThatThePayloadWouldMisreadIsRefusedAndNeverSent)
{
    for (std::string const pfn : {"/data/a,b", "/data/a\"b", "/data/a\nb", "/data/a\\b", "/data/\xc3\xa9"}) {
        Desk desk;
        desk.mock("MOCK_RECORD", desk.folder / "frames");
        desk.add_ranges(1, 1);
        desk.ranges.push_back(Desk::make_item(2, pfn));
        desk.add_ranges(3, 3);
        desk.start(1);
        desk.run_to_end();
        EXPECT_EQ(desk.end_code, 0) << desk.end_reason;
        EXPECT_EQ(desk.finished(), (std::set<RangeIndex>{1, 3}));
        ASSERT_THAT(desk.failures, SizeIs(1));
        EXPECT_EQ(desk.failures[0].what.range, 2u);
        EXPECT_EQ(desk.failures[0].kind, FailKind::fatal);
        EXPECT_THAT(file_text(desk.folder / "frames"), Not(HasSubstr("4001-6001-77-2-9")));
    }
}

TEST(AthenaChannel, RangeWithoutAGuidIsRefusedAndNeverSent)
{
    Desk desk;
    desk.mock("MOCK_RECORD", desk.folder / "frames");
    desk.add_ranges(1, 2);
    desk.ranges[1].range.guid.clear();
    desk.start(1);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 0) << desk.end_reason;
    EXPECT_EQ(desk.finished(), std::set<RangeIndex>{1});
    ASSERT_THAT(desk.failures, SizeIs(1));
    EXPECT_EQ(desk.failures[0].error_code, 1228);
    EXPECT_THAT(desk.failures[0].reason, HasSubstr("no GUID"));
    EXPECT_THAT(test::file_text(desk.folder / "frames"), Not(HasSubstr("4001-6001-77-2-9")));
}

TEST(AthenaChannel, ListsThatTheJobWantsInFilesAreThereWhenItStarts)
{
    Desk desk;
    auto fields = desk.setup.definition.fields();
    fields["writeToFile"] = "tmpin_mc.EVNT:EVNT.1.root";
    desk.setup.definition = *Job::from_json(fields);
    desk.hold = true;
    desk.add_ranges(1, 1);
    desk.start(1);
    desk.turn_until([&] { return !desk.held.empty(); });
    EXPECT_EQ(test::file_text(desk.setup.work_folder + "/start_0/tmpin_mc.EVNT"), "/data/EVNT.1.root\n");
    desk.release();
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 0) << desk.end_reason;
}

TEST(AthenaChannel, SeveralFilesOfARangeKeepTheirNamesApart)
{
    Desk desk;
    desk.mock("MOCK_OUTPUTS", "3");
    desk.add_ranges(1, 2);
    desk.start(1);
    desk.run_to_end();
    ASSERT_THAT(desk.outputs, SizeIs(2));
    ASSERT_THAT(desk.outputs[0].paths, SizeIs(3));
    EXPECT_EQ(desk.outputs[0].names[0], "HITS.1.root.4001-6001-77-1-9");
    EXPECT_EQ(std::set<std::string>(desk.outputs[0].names.begin(), desk.outputs[0].names.end()).size(), 3u);
    for (auto const& path : desk.outputs[0].paths) EXPECT_FALSE(file_text(path).empty()) << path;
}

TEST(AthenaChannel, SlowStartIsWaitedFor)
{
    Desk desk;
    desk.mock("MOCK_START_MS", "1500");
    desk.add_ranges(1, 3);
    desk.start(2);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 0) << desk.end_reason;
    EXPECT_EQ(desk.outputs.size(), 3u);
}

TEST(AthenaChannel, HeldRequestIsAnsweredLater)
{
    // Longer than the 30 s after which some libraries cut old peers off, in the long form.
    bool const is_long = ::getenv("YODA_LONG_TESTS") != nullptr;
    Desk desk;
    desk.hold = true;
    desk.add_ranges(1, 4);
    desk.start(2);
    desk.turn_until([&] { return !desk.held.empty(); });
    auto const until = desk.now() + Duration::from_s(is_long ? 35 : 2);
    desk.turn_until([&] { return desk.now() > until; });
    EXPECT_EQ(desk.request_count, 1u) << "one open request for all workers";
    desk.release();
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 0) << desk.end_reason;
    EXPECT_EQ(desk.outputs.size(), 4u);
}

TEST(AthenaChannel, RevokedRangeIsNotTakenForItsNextHandOut)
{
    Desk desk;
    desk.mock("MOCK_RANGE_MS", "300");
    desk.add_ranges(1, 1);
    desk.hold = false;
    desk.start(1);
    desk.turn_until([&] { return desk.request_count == 1; });
    desk.channel().kill_range({1, 1}, false);
    auto again = Desk::make_item(1);
    again.what.hand_out = 2;
    desk.ranges.push_back(again);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 0) << desk.end_reason;
    unsigned wanted = 0;
    for (auto const& output : desk.outputs) wanted += output.what.hand_out == 2;
    EXPECT_EQ(wanted, 1u);
}

TEST(AthenaChannel, LeftoverOfAnotherUserCostsOneStart)
{
    Desk desk;
    auto const name = athenamp::make_channel_name({"EventRanges", 6001, 0, static_cast<int>(::getpid()), 0});
    auto const path = "/tmp/zmq_" + name;
    write_text(path, "");
    bool const theirs = ::chown(path.c_str(), 12345, 12345) == 0;
    desk.add_ranges(1, 3);
    desk.start(1);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 1240);
    EXPECT_THAT(desk.end_reason, HasSubstr(path));
    EXPECT_TRUE(std::filesystem::exists(path)) << "what is not ours is not removed";
    desk.start(1);  // The next start has another name.
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 0) << desk.end_reason;
    EXPECT_EQ(desk.outputs.size(), 3u);
    std::filesystem::remove(path);
    if (!theirs) YODA_SKIP("only root can make a file another user's: it was a plain file of ours");
}

TEST(AthenaChannel, OutputOutsideOfThePayloadsFolderIsNotTouched)
{
    Desk desk;
    desk.mock("MOCK_TROUBLE", "outside:1");
    desk.add_ranges(1, 1);
    desk.start(1);
    desk.run_to_end();
    ASSERT_THAT(desk.outputs, SizeIs(1));
    EXPECT_EQ(desk.outputs[0].paths, std::vector<std::string>{"/etc/hostname"})
        << "the bundle writer refuses it";
    EXPECT_TRUE(std::filesystem::exists("/etc/hostname"));
}

TEST(AthenaChannel, EachProcessOfThePayloadHasItsAccount)
{
    Desk desk;
    desk.mock("MOCK_RANGE_MS", "20");
    desk.add_ranges(1, 12);
    desk.start(3);
    desk.run_to_end();
    auto const account = nlohmann::json::parse(file_text(desk.folder / "payload.start_0/processes.json"));
    std::set<std::string> workers;
    for (auto const& process : account["processes"]) {
        EXPECT_GT(process["peak_memory_bytes"], 100'000) << process;
        auto const folder = process["folder"].get<std::string>();
        if (folder.starts_with("worker_")) workers.insert(folder);
    }
    EXPECT_EQ(workers, (std::set<std::string>{"worker_0", "worker_1", "worker_2"}));
    EXPECT_GE(account["payload"]["cpu_s"], 0.0);
}

/// A payload that only waits; the test itself speaks for it.
struct OwnVoice : Desk {
    OwnVoice() : context(zmq_ctx_new()), socket(zmq_socket(context, ZMQ_DEALER))
    {
        setup.payload.executable = "/bin/sleep";
        setup.payload.arguments = {"1000"};
        int const few = 100, no_limit = 0;
        zmq_setsockopt(socket, ZMQ_RCVHWM, &few, sizeof few);
        zmq_setsockopt(socket, ZMQ_SNDHWM, &no_limit, sizeof no_limit);
        zmq_setsockopt(socket, ZMQ_LINGER, &no_limit, sizeof no_limit);
        auto const name =
            athenamp::make_channel_name({"EventRanges", 6001, 0, static_cast<int>(::getpid()), 0});
        EXPECT_EQ(zmq_connect(socket, ("ipc:///tmp/zmq_" + name).c_str()), 0);
    }
    ~OwnVoice() override { hang_up(); }
    void hang_up()
    {
        if (socket) zmq_close(std::exchange(socket, nullptr));
        if (context) zmq_ctx_term(std::exchange(context, nullptr));
    }
    void say(std::string_view text) { zmq_send(socket, text.data(), text.size(), 0); }
    unsigned hear_all()
    {
        char text[2048];
        unsigned count = 0;
        while (zmq_recv(socket, text, sizeof text, ZMQ_DONTWAIT) >= 0) ++count;
        return count;
    }
    void end()
    {
        hang_up();
        channel().stop(now(), true);
        run_to_end();
    }
    void* context;
    void* socket;
};

TEST(AthenaChannel, PeerThatDoesNotReadForAWhileHasAllItsAnswersLater)
{
    OwnVoice desk;
    unsigned const count = 4000;
    desk.add_ranges(1, count - 10);  // The last ones get the end word.
    desk.start(1);
    for (unsigned i = 0; i < count; ++i) desk.say("Ready for events");
    desk.turn_until([&] { return desk.request_count == count; });
    unsigned heard = 0;
    desk.turn_until([&] { return (heard += desk.hear_all()) == count; });
    EXPECT_THAT(desk.failures, IsEmpty());
    EXPECT_THAT(desk.notes, IsEmpty());
    desk.end();
}

TEST(AthenaChannel, OutputOfNoRangeIsNobodysAndOnlyWhatLiesInThePayloadsFolderIsRemoved)
{
    OwnVoice desk;
    desk.start(1);
    auto const own = desk.folder / "work/start_0/worker_0/HITS.x";
    desk.say("/etc/hostname,ID:4001-6001-77-8-9,CPU:1,WALL:1");
    desk.say(own + ",/etc/hostname,ID:4001-6001-77-9-9,CPU:1,WALL:1");
    desk.turn_until([&] { return desk.notes.size() == 2; });
    ASSERT_THAT(desk.outputs, SizeIs(1));
    EXPECT_EQ(desk.outputs[0].what.range, none);
    EXPECT_EQ(desk.outputs[0].paths, std::vector<std::string>{own});
    desk.end();
}

TEST(AthenaChannel, FourThousandRangesOverSixtyFourClientsWithoutALoss)
{
    Desk desk;
    desk.mock("MOCK_MODE", "simple");
    desk.add_ranges(1, 4000);
    desk.start(64);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 0) << desk.end_reason;
    EXPECT_EQ(desk.outputs.size(), 4000u);
    EXPECT_EQ(desk.finished(), numbers(1, 4000));
    EXPECT_EQ(desk.request_count, 4064u);
}

}  // namespace
}  // namespace yoda::test
