// SPDX-License-Identifier: Apache-2.0
// The Droid's core with a payload whose open request holds back all outputs: when it gets the end word.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "droid/core/droid_core.hpp"

namespace yoda {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

struct Recorder final : DroidEffects {
    std::vector<std::uint32_t> starts;
    std::vector<std::pair<RequestId, WorkItem>> answers;
    std::vector<RequestId> ends;
    std::vector<HandOut> kills;
    unsigned musts = 0;  ///< of the kills, those that may cost the payload
    unsigned stops = 0;
    unsigned sent_requests = 0;
    std::function<void(RequestId, WorkItem const&)> on_answer;

    void send(Message const& message) override { sent_requests += std::holds_alternative<Request>(message); }
    void start_payload(JobIndex, std::uint32_t workers) override { starts.push_back(workers); }
    void add_workers(JobIndex, std::uint32_t) override { ADD_FAILURE() << "the number of workers is fixed"; }
    void answer(RequestId request, WorkItem const& item) override
    {
        answers.emplace_back(request, item);
        if (on_answer) on_answer(request, item);
    }
    void end(JobIndex, RequestId request) override { ends.push_back(request); }
    void kill_range(JobIndex, HandOut what, bool must_stop) override
    {
        kills.push_back(what);
        musts += must_stop;
    }
    void stop_payload(JobIndex, bool) override { ++stops; }
    void store(std::uint32_t, RangeOutput const&) override {}
    void discard(RangeOutput const&) override {}
    void seal(JobIndex, std::uint32_t, std::vector<HandOut> const&) override {}
    void note(std::string_view, JobIndex, std::uint64_t, std::string_view) override {}
};

struct AthenaCoreTest : ::testing::Test {
    AthenaCoreTest() : core(policy(), {job()}, at(0))
    {
        core.say_hello("node", 1, effects);
        static_cast<void>(
            core.on_message(at(0), FileInfo{0, 0, 1, 2, 3, "EVNT.1", "G", "mc", "/data/EVNT.1"}, effects));
    }
    static DroidPolicy policy()
    {
        DroidPolicy policy;
        policy.worker_count = 4;
        return policy;
    }
    static JobPolicy job()
    {
        JobPolicy policy;
        policy.requests_wait = false;
        policy.fixed_workers = true;
        policy.finalisation = Duration::from_s(40);
        return policy;
    }
    static TimePoint at(double s) { return TimePoint{} + Duration::from_s(s); }
    void tell(double s, Message const& message)
    {
        auto const taken = core.on_message(at(s), message, effects);
        EXPECT_TRUE(taken) << taken.error().text();
    }
    void grant(double s, RangeIndex begin, std::uint32_t count)
    {
        RangeRun run;
        run.begin = begin;
        run.count = count;
        run.first = begin + 1;
        run.stride = run.events = run.process_stride = 1;
        run.process_id = begin + 1;
        run.attempt = 10;
        run.hand_out = 1;
        tell(s, Grant{run, {}});
    }
    void tick(double s) { core.on_tick(at(s), 1, effects); }
    void ask(double s, RequestId request) { core.on_request(at(s), 0, request, effects); }

    Recorder effects;
    DroidCore core;
};

TEST_F(AthenaCoreTest, RequestWaitsForRank0AndEndsWhenNothingIsReadyNow)
{
    grant(1, 0, 1);
    EXPECT_THAT(effects.starts, ElementsAre(4u));
    ask(2, 0);
    ask(3, 1);
    EXPECT_THAT(effects.answers, SizeIs(1));
    EXPECT_THAT(effects.ends, IsEmpty()) << "rank 0 has been asked";
    EXPECT_GT(effects.sent_requests, 0u);
    tell(4, NothingNow{});
    EXPECT_THAT(effects.ends, ElementsAre(1u));
    EXPECT_EQ(effects.stops, 1u);
    ask(5, 2);
    EXPECT_THAT(effects.ends, ElementsAre(1u, 2u)) << "the end word again to any later request";
    core.on_payload_ended(at(6), 0, 0, "", effects);
    grant(7, 5, 1);
    EXPECT_THAT(effects.starts, ElementsAre(4u, 4u)) << "later ranges start it anew";
}

TEST_F(AthenaCoreTest, RangesThatCannotFinishInTimeEndThePayloadAndDoNotStartItAnew)
{
    grant(1, 0, 10);
    tell(1, Limits{200'000, 30'000'000});  // 200 s left, 30 s a range, 40 s of finalisation
    ask(2, 0);
    EXPECT_THAT(effects.answers, SizeIs(1));
    ask(100, 1);
    EXPECT_THAT(effects.answers, SizeIs(2));
    ask(140, 2);  // 61 s are left, 70 s are needed.
    EXPECT_THAT(effects.answers, SizeIs(2));
    EXPECT_THAT(effects.ends, ElementsAre(2u));
    EXPECT_EQ(effects.stops, 1u);
    core.on_payload_ended(at(150), 0, 0, "", effects);
    tick(151);
    EXPECT_THAT(effects.starts, SizeIs(1));
}

TEST_F(AthenaCoreTest, FullDiskIsWaitedForAMinuteThenOutputsMustGetThrough)
{
    grant(1, 0, 10);
    tick(1);
    core.set_paused(true);
    ask(2, 0);
    tick(50);
    EXPECT_THAT(effects.ends, IsEmpty());
    EXPECT_THAT(effects.answers, IsEmpty());
    tick(62);
    EXPECT_THAT(effects.ends, ElementsAre(0u));
    core.on_payload_ended(at(70), 0, 0, "", effects);
    tick(71);
    EXPECT_THAT(effects.starts, SizeIs(1)) << "not while the disk is full";
    core.set_paused(false);
    tick(72);
    EXPECT_THAT(effects.starts, SizeIs(2));
}

struct AthenaCoreLimitTest : AthenaCoreTest {
    AthenaCoreLimitTest()
    {
        auto limited = job();
        limited.range_limit = Duration::from_s(100);
        core = DroidCore(policy(), {limited}, at(0));
        core.say_hello("node", 1, effects);
        tell(0, FileInfo{0, 0, 1, 2, 3, "EVNT.1", "G", "mc", "/data/EVNT.1"});
        grant(1, 0, 2);
        ask(2, 0);
    }
};

TEST_F(AthenaCoreLimitTest, RangeOverItsLimitMustStopEvenIfThatCostsThePayload)
{
    tick(103);
    EXPECT_THAT(effects.kills, SizeIs(1));
    EXPECT_EQ(effects.musts, 1u);
}

TEST_F(AthenaCoreLimitTest, RevokedRangeStopsOnlyIfThatCostsNothingElse)
{
    std::vector<HandOut> const revoked{{0, 1}};
    tell(101, Revoke{revoked});
    EXPECT_THAT(effects.kills, SizeIs(1));
    EXPECT_EQ(effects.musts, 0u);
}

TEST_F(AthenaCoreTest, AnswerThatIsRefusedFromWithinLosesNoRange)
{
    grant(1, 0, 3);
    RequestId next = 1;
    effects.on_answer = [&](RequestId, WorkItem const& item) {
        if (item.what.range != 0) return;
        core.on_failure(at(2), item.what, FailKind::fatal, 1228, "misread", effects);
        ask(2, next++);
    };
    ask(2, 0);
    ask(3, next++);
    ASSERT_THAT(effects.answers, SizeIs(3));
    EXPECT_EQ(effects.answers[0].second.what.range, 0u);
    EXPECT_EQ(effects.answers[1].second.what.range, 1u);
    EXPECT_EQ(effects.answers[1].first, 1u) << "the new request, not the one that was answered";
    EXPECT_EQ(effects.answers[2].second.what.range, 2u);
    EXPECT_EQ(core.running_count(), 2u);
}

}  // namespace
}  // namespace yoda
