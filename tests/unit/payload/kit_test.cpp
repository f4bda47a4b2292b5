// SPDX-License-Identifier: Apache-2.0
// The kit against the Droid's side of the protocol, in real processes.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <regex>

#include "payload/yoda_payload.hpp"
#include "support/mini_droid.hpp"

namespace yoda::test {
namespace {

std::string program(std::string const& name)
{
    return YODA_BIN_DIR "/" + name;
}

/// Every test of this file that holds for any payload runs for both languages.
class KitLines : public testing::TestWithParam<char const*> {
  protected:
    std::vector<std::string> command(std::string const& name, std::vector<std::string> arguments = {}) const
    {
        std::vector<std::string> words;
        if (language() == "py") words.emplace_back("/usr/bin/python3");
        words.push_back(program(name) + (language() == "py" ? ".py" : ""));
        words.insert(words.end(), arguments.begin(), arguments.end());
        return words;
    }
    std::string language() const { return GetParam(); }
};

void expect_ready(MiniDroid& droid)
{
    ASSERT_EQ(droid.hear(), "Ready for workers") << droid.standard_error();
}

int count_sockets(pid_t pid)
{
    int count = 0;
    for (auto const& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
        std::error_code gone;
        count += std::filesystem::read_symlink(entry.path(), gone).string().rfind("socket:", 0) == 0;
    }
    return count;
}

std::string path_of(std::string const& answer)
{
    return answer.substr(0, answer.find(",ID:"));
}

TEST_P(KitLines, ARangeGivesAnOutputFileInTheWorkersFolder)
{
    TempFolder input;
    auto const text = input.write("in.txt", "one\nthree\n\nfour");
    MiniDroid droid(command("line_lengths", {text}));
    expect_ready(droid);
    auto worker = droid.add_worker(3);
    worker.meet();
    auto const answer = worker.work(range_text("1-2-3", 2, 4, text));
    std::regex const shape(
        "(/.*/worker_3/lengths.txt.1-2-3),ID:1-2-3,CPU:([0-9]+\\.[0-9]{6}),WALL:([0-9]+\\.[0-9]{6})");
    ASSERT_TRUE(std::regex_match(answer, shape)) << answer;
    EXPECT_EQ(read_file(path_of(answer)), "2 5\n3 0\n4 4\n");
    worker.dismiss();
    droid.tell("No more workers");
    EXPECT_EQ(droid.wait(), 0);
}

TEST_P(KitLines, BeyondTheEndIsFatal)
{
    TempFolder input;
    MiniDroid droid(command("line_lengths", {input.write("in.txt", "one\ntwo\n")}));
    expect_ready(droid);
    auto worker = droid.add_worker(0);
    worker.meet();
    EXPECT_EQ(worker.work(range_text("r", 2, 3)), "ERR_PAYLOAD_FATAL r: the file has only 2 lines");
    EXPECT_EQ(worker.work(range_text("r", 1, 2)).substr(0, 1), "/");
}

TEST_P(KitLines, FailedInitialisationIsToldAndEndsTheProgram)
{
    MiniDroid droid(command("line_lengths", {"/nowhere/in.txt"}));
    auto const message = droid.hear();
    ASSERT_TRUE(message);
    EXPECT_EQ(message->rfind("ERR_PAYLOAD_INIT ", 0), 0U) << *message;
    EXPECT_NE(message->find("/nowhere/in.txt"), std::string::npos) << *message;
    EXPECT_EQ(droid.hear(), std::nullopt);
    EXPECT_EQ(droid.wait(), 3);
}

TEST_P(KitLines, ManyRangesThroughSeveralWorkersAreAllAnsweredOnce)
{
    MiniDroid droid(command("noop_payload"));
    expect_ready(droid);
    std::vector<WorkerPeer> workers;
    for (int k = 0; k < 3; ++k) workers.push_back(droid.add_worker(k));
    for (auto& worker : workers) worker.meet();
    std::vector<std::string> ranges;
    for (int i = 1; i <= 20'000; ++i) ranges.push_back(range_text("r" + std::to_string(i), i, i, "/x"));
    auto const answers = work_through(workers, ranges);
    for (std::size_t i = 0; i < answers.size(); ++i)
        ASSERT_EQ(answers[i].rfind("ID:r" + std::to_string(i + 1) + ",CPU:", 0), 0U) << answers[i];
    droid.tell("No more workers");
    EXPECT_EQ(droid.wait(), 0);
    EXPECT_EQ(droid.standard_error(), "");
}

TEST_P(KitLines, AKilledWorkerIsReplacedAndTheOthersGoOn)
{
    MiniDroid droid(command("noop_payload"));
    expect_ready(droid);
    auto first = droid.add_worker(0);
    auto second = droid.add_worker(1);
    auto const first_pid = first.meet();
    second.meet();
    kill(first_pid, SIGKILL);
    EXPECT_EQ(first.line(), std::nullopt);
    auto third = droid.add_worker(0);
    EXPECT_NE(third.meet(), first_pid);
    EXPECT_EQ(third.work(range_text("a", 1, 1)).rfind("ID:a,", 0), 0U);
    EXPECT_EQ(second.work(range_text("b", 1, 1)).rfind("ID:b,", 0), 0U);
    third.dismiss();
    second.dismiss();
    droid.tell("No more workers");
    EXPECT_EQ(droid.wait(), 0);
}

TEST_P(KitLines, AWorkerHoldsItsOwnSocketAndNoOther)
{
    MiniDroid droid(command("noop_payload"));
    expect_ready(droid);
    auto first = droid.add_worker(0);
    auto second = droid.add_worker(1);
    for (auto const pid : {first.meet(), second.meet()}) EXPECT_EQ(count_sockets(pid), 1);
    // The parent closes its copy beside what we do; the control socket stays.
    EXPECT_TRUE(wait_until([&] { return count_sockets(droid.pid()) == 1; })) << count_sockets(droid.pid());
}

TEST_P(KitLines, AWorkerEndsWhenItsSocketEnds)
{
    MiniDroid droid(command("noop_payload"));
    expect_ready(droid);
    auto worker = droid.add_worker(0);
    worker.meet();
    worker.close();
    droid.tell("No more workers");  // The payload waits for its worker, so its end shows the worker's.
    EXPECT_EQ(droid.wait(), 0);
}

TEST_P(KitLines, TheEndOfTheControlSocketEndsEverything)
{
    MiniDroid droid(command("noop_payload"));
    expect_ready(droid);
    auto worker = droid.add_worker(0);
    auto const pid = worker.meet();
    droid.hang_up();
    EXPECT_EQ(worker.line(), std::nullopt);
    EXPECT_EQ(droid.wait(), 4);
    EXPECT_TRUE(is_gone(pid));
}

TEST_P(KitLines, NoWorkerOutlivesAKilledParent)
{
    MiniDroid droid(command("noop_payload"));
    expect_ready(droid);
    auto worker = droid.add_worker(0);
    worker.meet();
    kill(droid.pid(), SIGKILL);
    EXPECT_EQ(worker.line(), std::nullopt);  // Its end of the socket closes when it dies.
}

TEST_P(KitLines, NoMoreWorkersAtOnceIsFine)
{
    MiniDroid droid(command("noop_payload"));
    expect_ready(droid);
    droid.tell("No more workers");
    EXPECT_EQ(droid.wait(), 0);
}

TEST_P(KitLines, AFolderMayHoldBlanks)
{
    TempFolder input;
    MiniDroid droid(command("line_lengths", {input.write("in.txt", "one\n")}));
    expect_ready(droid);
    auto const folder = droid.folder() + "/a folder";
    std::filesystem::create_directory(folder);
    auto worker = droid.add_worker_in(0, folder);
    worker.meet();
    EXPECT_EQ(path_of(worker.work(range_text("r", 1, 1))), folder + "/lengths.txt.r");
}

TEST_P(KitLines, AMissingFolderEndsThatWorkerOnly)
{
    MiniDroid droid(command("noop_payload"));
    expect_ready(droid);
    auto lost = droid.add_worker_in(0, "/nowhere/at/all");
    while (lost.line()) {
    }
    auto worker = droid.add_worker(1);
    worker.meet();
    EXPECT_NE(droid.standard_error().find("/nowhere/at/all"), std::string::npos);
}

TEST_P(KitLines, OddControlMessagesAreReportedAndSurvived)
{
    MiniDroid droid(command("noop_payload"));
    expect_ready(droid);
    droid.tell("Worker");
    droid.tell("Worker 1 /tmp");
    droid.tell("Worker x /tmp");
    droid.tell("Something else");
    droid.tell_with("Worker 1 not/absolute", {0});
    auto worker = droid.add_worker(1);
    worker.meet();
    EXPECT_EQ(worker.work(range_text("a", 1, 1)).rfind("ID:a,", 0), 0U);
    EXPECT_NE(droid.standard_error().find("'Worker 1 /tmp' without a socket"), std::string::npos)
        << droid.standard_error();
}

TEST_P(KitLines, OddRangeTextsFailTheRangeAndNotTheWorker)
{
    MiniDroid droid(command("noop_payload"));
    expect_ready(droid);
    auto worker = droid.add_worker(0);
    worker.meet();
    EXPECT_EQ(worker.work("[{}]").rfind("ERR_PAYLOAD_RANGE : ", 0), 0U);
    EXPECT_EQ(worker.work("").rfind("ERR_PAYLOAD_RANGE : ", 0), 0U);
    EXPECT_EQ(worker.work(R"([{"eventRangeID": "abc", "startEvent": 5, "lastEvent": 1}])")
                  .rfind("ERR_PAYLOAD_RANGE abc: ", 0),
              0U);
    EXPECT_EQ(worker.work("\xff\xfe\x01").rfind("ERR_PAYLOAD_RANGE : ", 0), 0U);
    EXPECT_EQ(worker
                  .work(R"([{"eventRangeID": "i", "startEvent": 1, "lastEvent": 1, "note": ")" +
                        std::string(300'000, 'n') + "\"}]")
                  .rfind("ID:i,", 0),
              0U);
    EXPECT_EQ(worker.work(range_text("after", 1, 1)).rfind("ID:after,", 0), 0U);
}

TEST_P(KitLines, ARangeMayArriveInPieces)
{
    MiniDroid droid(command("noop_payload"));
    expect_ready(droid);
    auto worker = droid.add_worker(0);
    worker.meet();
    auto const text = range_text("pieces", 1, 1);
    for (char const c : text) worker.send(std::string_view(&c, 1));
    EXPECT_EQ(worker.work("").rfind("ID:pieces,", 0), 0U);
}

TEST_P(KitLines, AnEndlessLineEndsTheWorker)
{
    MiniDroid droid(command("noop_payload"));
    expect_ready(droid);
    auto worker = droid.add_worker(0);
    worker.meet();
    std::string const junk(1 << 20, 'x');
    try {
        for (int i = 0; i < 4; ++i) worker.send(junk);
    } catch (std::runtime_error const&) {  // It may be gone before all of it is sent.
    }
    EXPECT_EQ(worker.line(), std::nullopt);
    EXPECT_NE(droid.standard_error().find("on one line"), std::string::npos) << droid.standard_error();
}

TEST_P(KitLines, WithoutADroidItSaysHowToRunIt)
{
    auto const finished = run_program(command("noop_payload"));
    EXPECT_EQ(finished.exit_code, 2);
    EXPECT_NE(finished.text.find("Droid starts"), std::string::npos) << finished.text;
    EXPECT_NE(finished.text.find("YODA_STANDALONE=FILE:FIRST-LAST"), std::string::npos) << finished.text;
}

TEST_P(KitLines, AControlFdThatIsNoneIsRefused)
{
    for (auto const* fd : {"0", "999", "x", "-1", ""}) {
        auto const finished = run_program(command("noop_payload"), {{"YODA_CONTROL_FD", fd}});
        EXPECT_EQ(finished.exit_code, 2) << fd;
        EXPECT_NE(finished.text.find("is no SOCK_SEQPACKET socket"), std::string::npos) << finished.text;
    }
}

TEST_P(KitLines, StandaloneRunsRangesInTheCurrentFolder)
{
    TempFolder folder;
    auto const text = folder.write("in.txt", "one\nthree\n\nfour");
    auto const finished =
        run_program(command("line_lengths", {text}), {{"YODA_STANDALONE", "in.txt:1-5:2"}}, folder.path());
    EXPECT_EQ(finished.exit_code, 1) << finished.text;
    EXPECT_EQ(read_file(folder.path() + "/lengths.txt.standalone-1-2"), "1 3\n2 5\n");
    EXPECT_EQ(read_file(folder.path() + "/lengths.txt.standalone-3-4"), "3 0\n4 4\n");
    EXPECT_NE(finished.text.find("ERR_PAYLOAD_FATAL standalone-5-5: the file has only 4 lines"),
              std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Languages, KitLines, testing::Values("cpp", "py"),
                         [](auto const& chosen) { return std::string(chosen.param); });

/// Tests that need the misbehaving payload.
class KitProbe : public testing::Test {
  protected:
    MiniDroid droid{{program("kit_probe")}};
};

TEST_F(KitProbe, InitialisationRunsOnceAndWorkersShareItsMemory)
{
    expect_ready(droid);
    std::string shared;
    for (int k = 0; k < 3; ++k) {
        auto worker = droid.add_worker(k);
        auto const pid = worker.meet();
        auto const content = read_file(path_of(worker.work(range_text("probe", 4, 9, "/data/f"))));
        EXPECT_NE(pid, droid.pid());
        EXPECT_EQ(content.rfind("made by " + std::to_string(droid.pid()) + "\n", 0), 0U) << content;
        kill(pid, SIGKILL);
    }
    EXPECT_EQ(read_file(droid.folder() + "/initialised"), "once\n");
}

TEST_F(KitProbe, AWorkerWorksInItsFolder)
{
    expect_ready(droid);
    auto worker = droid.add_worker(0);
    worker.meet();
    auto const content = read_file(path_of(worker.work(range_text("probe", 1, 1))));
    EXPECT_NE(content.find("\ncwd " + std::filesystem::canonical(worker.folder()).string() + "\n"),
              std::string::npos)
        << content;
}

TEST(Kit, KnowsTheLfnsOfTheJobsOutputs)
{
    MiniDroid droid{{program("kit_probe")}, {{"YODA_OUT_LFN", "HITS.1"}, {"YODA_OUT_LFN_hist", "HIST.1"}}};
    expect_ready(droid);
    auto worker = droid.add_worker(0);
    worker.meet();
    auto const content = read_file(path_of(worker.work(range_text("probe", 1, 1))));
    EXPECT_NE(content.find("\nout HITS.1|HIST.1\n"), std::string::npos) << content;
}

TEST_F(KitProbe, ExceptionsBecomeErrorsOnOneLineAndTheWorkerGoesOn)
{
    expect_ready(droid);
    auto worker = droid.add_worker(0);
    auto const pid = worker.meet();
    EXPECT_EQ(worker.work(range_text("throw", 1, 1)), "ERR_PAYLOAD_RANGE throw: first line second line");
    EXPECT_EQ(worker.work(range_text("throw-int", 1, 1)).rfind("ERR_PAYLOAD_RANGE throw-int: ", 0), 0U);
    EXPECT_LT(worker.work(range_text("throw-long", 1, 1)).size(), 3000U);
    EXPECT_EQ(worker.work(range_text("fatal", 1, 1)), "ERR_PAYLOAD_FATAL fatal: beyond the end");
    EXPECT_EQ(worker.work(range_text("comma", 1, 1)).rfind("ERR_PAYLOAD_FATAL comma: ", 0), 0U)
        << "no other try would give it another name";
    EXPECT_EQ(worker.work(range_text("a/b", 1, 1)).rfind("ERR_PAYLOAD_FATAL a/b: ", 0), 0U);
    EXPECT_EQ(worker.work(range_text("nothing", 1, 1)).rfind("ID:nothing,", 0), 0U);
    EXPECT_FALSE(is_gone(pid));
}

TEST_F(KitProbe, AFailedRangeLeavesNoOutputBehind)
{
    expect_ready(droid);
    auto worker = droid.add_worker(0);
    worker.meet();
    EXPECT_EQ(worker.work(range_text("half", 1, 1)), "ERR_PAYLOAD_RANGE half: no more");
    EXPECT_FALSE(std::filesystem::exists(worker.folder() + "/half.half"));
}

TEST(KitOutput, ADeviceOrFifoThatThePayloadNamedIsNotRemoved)
{
    TempFolder const folder;
    payload::Output output(folder.path());
    output.start("1");
    output.add("fifo");
    output.add("link");
    auto const file = output.file("file");
    ASSERT_EQ(mkfifo((folder.path() + "/fifo").c_str(), 0600), 0);
    std::filesystem::create_symlink(folder.path() + "/fifo", folder.path() + "/link");
    std::ofstream(file) << "half";
    output.remove_files();
    EXPECT_TRUE(std::filesystem::is_fifo(folder.path() + "/fifo"));
    EXPECT_FALSE(std::filesystem::exists(std::filesystem::symlink_status(folder.path() + "/link")));
    EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(KitProbe, SeveralOutputsAreReportedInOrder)
{
    expect_ready(droid);
    auto worker = droid.add_worker(0);
    worker.meet();
    EXPECT_EQ(worker.work(range_text("two", 1, 1))
                  .rfind(worker.folder() + "/first.two," + worker.folder() + "/probe.two,ID:two,CPU:", 0),
              0U);
}

TEST_F(KitProbe, CpuTimeIsTheWorkersOwn)
{
    expect_ready(droid);
    auto worker = droid.add_worker(0);
    worker.meet();
    auto const answer = worker.work(range_text("burn", 1, 1));
    std::smatch parts;
    ASSERT_TRUE(std::regex_match(answer, parts, std::regex(".*,CPU:([0-9.]+),WALL:([0-9.]+)"))) << answer;
    EXPECT_GE(std::stod(parts[1]), 0.05);
    EXPECT_GE(std::stod(parts[2]), 0.05);
    EXPECT_LT(std::stod(parts[1]), 5);
}

TEST_F(KitProbe, WhatThePayloadPrintsStaysOutOfTheDialogue)
{
    expect_ready(droid);
    auto worker = droid.add_worker(0);
    worker.meet();
    EXPECT_EQ(worker.work(range_text("stdout", 1, 1)).substr(0, 1), "/");
    EXPECT_NE(droid.standard_output().find("nonsense"), std::string::npos);
    worker.dismiss();
    droid.tell("No more workers");
    EXPECT_EQ(droid.wait(), 0);
    auto const text = droid.standard_output();
    auto const first = text.find("not flushed by the parent");
    EXPECT_NE(first, std::string::npos);
    EXPECT_EQ(text.find("not flushed by the parent", first + 1), std::string::npos) << text;
}

TEST_F(KitProbe, WorkersThatEndBeforeTimeLeaveTheParentReady)
{
    expect_ready(droid);
    for (auto const* way : {"kill", "exit"}) {
        auto worker = droid.add_worker(0);
        auto const pid = worker.meet();
        worker.send(range_text(way, 1, 1) + "\n");
        EXPECT_EQ(worker.line(), std::nullopt);
        EXPECT_TRUE(wait_until([&] { return !std::filesystem::exists("/proc/" + std::to_string(pid)); }))
            << "the parent did not wait for it";
    }
    auto worker = droid.add_worker(0);
    worker.meet();
    worker.work(range_text("nothing", 1, 1));
    EXPECT_EQ(read_file(droid.folder() + "/initialised"), "once\n");
}

TEST_F(KitProbe, TheEndOfTheControlSocketKillsABusyWorker)
{
    expect_ready(droid);
    auto worker = droid.add_worker(0);
    auto const pid = worker.meet();
    worker.send(range_text("hang", 1, 1) + "\n");
    droid.hang_up();
    EXPECT_EQ(droid.wait(), 4);
    EXPECT_TRUE(is_gone(pid));
}

TEST_F(KitProbe, CallbacksRunAtAWorkersStartAndEnd)
{
    expect_ready(droid);
    auto worker = droid.add_worker(7);
    worker.meet();
    EXPECT_EQ(read_file(worker.folder() + "/started"), "7");
    EXPECT_FALSE(std::filesystem::exists(worker.folder() + "/ended"));
    worker.dismiss();
    EXPECT_EQ(read_file(worker.folder() + "/ended"), worker.folder());
}

TEST(Kit, AFailingStartCallbackEndsTheWorkerBeforeItAsks)
{
    MiniDroid droid({program("kit_probe")}, {{"PROBE_START_ERROR", "1"}});
    expect_ready(droid);
    auto worker = droid.add_worker(0);
    EXPECT_TRUE(worker.line());  // Its pid.
    EXPECT_EQ(worker.line(), std::nullopt);
    droid.tell("No more workers");
    EXPECT_EQ(droid.wait(), 0);
    EXPECT_NE(droid.standard_error().find("no licence"), std::string::npos);
}

TEST(Kit, AnInitialisationErrorIsOneLine)
{
    MiniDroid droid({program("kit_probe")}, {{"PROBE_INIT_ERROR", "no\nlicence"}});
    EXPECT_EQ(droid.hear(), "ERR_PAYLOAD_INIT no licence");
    EXPECT_EQ(droid.wait(), 3);
}

}  // namespace
}  // namespace yoda::test
