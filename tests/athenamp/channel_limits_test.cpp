// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <set>

#include "athenamp/desk.hpp"

namespace yoda::test {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(AthenaLimits, RangeOverItsLimitCostsItsWorkerOnly)
{
    Desk desk;
    desk.mock("MOCK_TROUBLE", "hang:2");
    desk.hold = true;
    desk.add_ranges(1, 6);
    desk.start(2);
    desk.turn_until([&] { return !desk.held.empty(); });
    desk.release();
    desk.hold = false;
    std::vector<BusyWorker> busy;
    desk.turn_until([&] {
        busy.clear();
        desk.channel().list_busy(busy);
        return busy.size() == 1 && busy[0].what.range == 2;
    });
    EXPECT_GT(busy[0].pid, 1);
    EXPECT_THAT(busy[0].folder, HasSubstr("/worker_"));
    desk.channel().kill_range(busy[0].what, true);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 0) << desk.end_reason;
    EXPECT_EQ(desk.finished(), (std::set<RangeIndex>{1, 3, 4, 5, 6}));
}

TEST(AthenaLimits, ThreadsOfOneProcessAreWatchedTogether)
{
    Desk desk;
    auto fields = desk.setup.definition.fields();
    fields["jobPars"] = "--CA --multithreaded=true --inputEVNTFile=EVNT.1.root --outputHITSFile=HITS.1.root";
    desk.setup.definition = *Job::from_json(fields);
    desk.mock("MOCK_DIALECT", "mtes");
    desk.mock("MOCK_FLAT", "1");
    desk.mock("MOCK_TROUBLE", "hang:2");
    desk.add_ranges(1, 3);
    desk.start(2);
    desk.turn_until([&] { return desk.outputs.size() == 2; });
    std::vector<BusyWorker> busy;
    desk.channel().list_busy(busy);
    ASSERT_THAT(busy, SizeIs(1));
    EXPECT_EQ(busy[0].what.range, 2u);
    EXPECT_GT(busy[0].pid, 1);
    EXPECT_THAT(busy[0].folder, HasSubstr("/start_0"));
    EXPECT_EQ(busy[0].share, 2u);
    desk.channel().kill_range(busy[0].what, true);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 1150) << desk.end_reason;
}

TEST(AthenaLimits, SilentPayloadIsKilledAsLooping)
{
    Desk desk;
    desk.setup.silence = Duration::from_ms(400);
    desk.mock("MOCK_START_MS", "600000");
    desk.start(2);
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 1150);
    EXPECT_THAT(desk.end_reason, HasSubstr("neither spoke nor wrote"));
}

TEST(AthenaLimits, LogOverItsLimitWhileItIsBeingStoppedBurnsNoRange)
{
    Desk desk;
    desk.mock("MOCK_TROUBLE", "te_url:3;hang:1;hang:2");
    desk.add_ranges(1, 3);
    desk.start(3);
    desk.turn_until([&] { return !desk.failures.empty(); });
    desk.channel().fail(desk.now(), 1098, "the payload's log is too large");
    desk.run_to_end();
    EXPECT_EQ(desk.end_code, 1230);
    ASSERT_THAT(desk.failures, SizeIs(3));
    EXPECT_EQ(desk.failures[1].kind, FailKind::given_back);
    EXPECT_EQ(desk.failures[2].kind, FailKind::given_back);
}

TEST(AthenaLimits, WorkerOfARangeThatCameAgainHasTheHandOutThatIsWanted)
{
    Desk desk;
    desk.mock("MOCK_RANGE_MS", "600000");
    desk.hold = true;
    desk.add_ranges(1, 1);
    desk.start(2);
    desk.turn_until([&] { return !desk.held.empty(); });
    desk.release();
    desk.channel().kill_range({1, 1}, false);  // No worker has it yet.
    auto again = Desk::make_item(1);
    again.what.hand_out = 2;
    desk.ranges.push_back(again);
    std::vector<BusyWorker> busy;
    desk.turn_until([&] {
        busy.clear();
        desk.channel().list_busy(busy);
        return desk.ranges.empty() && !busy.empty();
    });
    EXPECT_EQ(busy[0].what, (HandOut{1, 2}));
    desk.channel().stop(desk.now(), true);
    desk.run_to_end();
}

}  // namespace
}  // namespace yoda::test
