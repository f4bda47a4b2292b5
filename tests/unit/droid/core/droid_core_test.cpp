// SPDX-License-Identifier: Apache-2.0
// The Droid core: what becomes of ranges whose payload ends or cannot begin,
// and of a Droid whose disk does not answer.
#include "droid/core/droid_core.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace yoda {
namespace {

/// Keeps what a test looks at.
struct Effects final : DroidEffects {
    struct Failure {
        HandOut what;
        FailKind kind;
        bool operator==(Failure const&) const = default;
    };
    std::vector<Failure> failures;
    std::vector<HandOut> given_back;
    std::vector<HandOut> answered;
    std::vector<std::size_t> said;  ///< kinds of messages, as in Message
    std::vector<std::uint16_t> troubles;

    template <class Kind>
    std::size_t count() const
    {
        return static_cast<std::size_t>(std::count(said.begin(), said.end(), Message(Kind{}).index()));
    }
    void send(Message const& message) override
    {
        said.push_back(message.index());
        if (auto const* failed = std::get_if<Failed>(&message))
            failures.push_back({failed->what, failed->kind});
        if (auto const* back = std::get_if<GivenBack>(&message))
            given_back.insert(given_back.end(), back->entries.begin(), back->entries.end());
        if (auto const* trouble = std::get_if<Trouble>(&message)) troubles.push_back(trouble->error_code);
    }
    void start_payload(JobIndex, std::uint32_t) override {}
    void add_workers(JobIndex, std::uint32_t) override {}
    void answer(RequestId, WorkItem const& item) override { answered.push_back(item.what); }
    void end(JobIndex, RequestId) override {}
    void kill_range(JobIndex, HandOut, bool) override {}
    void stop_payload(JobIndex, bool) override {}
    void store(std::uint32_t, RangeOutput const&) override {}
    void discard(RangeOutput const&) override {}
    void seal(JobIndex, std::uint32_t, std::vector<HandOut> const&) override {}
    void note(std::string_view, JobIndex, std::uint64_t, std::string_view) override {}
};

/// A Droid with one worker, which runs range 0.
class PayloadEnd : public ::testing::Test {
  protected:
    PayloadEnd()
    {
        FileInfo file;
        file.lfn = "in";
        EXPECT_TRUE(core.on_message(now, file, effects));
        Grant grant;
        grant.run = {0, 1, 0, 1, 0, 1, 1, 0, 1, 1};
        EXPECT_TRUE(core.on_message(now, grant, effects));
        core.on_payload_up(now, 0, effects);
        core.on_request(now, 0, 1, effects);
        EXPECT_EQ(effects.answered, std::vector<HandOut>{range});
    }

    HandOut const range{0, 1};
    TimePoint now = TimePoint{} + Duration::from_s(1);
    Effects effects;
    DroidCore core{DroidPolicy{}, {JobPolicy{}}, TimePoint{}};
};

TEST_F(PayloadEnd, CostsADeathWhereThePayloadDied)
{
    core.on_payload_ended(now, 0, code::athenamp_died, "it died", effects);
    EXPECT_EQ(effects.failures, (std::vector<Effects::Failure>{{range, FailKind::payload_death}}));
    EXPECT_TRUE(effects.given_back.empty());
}

TEST_F(PayloadEnd, CostsADeathWhereItEndedWellWithoutAWordAboutTheRange)
{
    core.on_payload_ended(now, 0, 0, "it ended", effects);
    EXPECT_EQ(effects.failures, (std::vector<Effects::Failure>{{range, FailKind::payload_death}}))
        << "at no cost a range that kills its worker would come back for ever";
    EXPECT_TRUE(effects.given_back.empty());
}

TEST_F(PayloadEnd, CostsNothingWhereTheDeadlineKilledIt)
{
    EXPECT_TRUE(core.on_message(now, Drain{1000}, effects));
    core.on_tick(now + Duration::from_s(2), 1, effects);
    EXPECT_EQ(effects.given_back, std::vector<HandOut>{range});
    core.on_payload_ended(now + Duration::from_s(3), 0, code::athenamp_died, "killed", effects);
    EXPECT_TRUE(effects.failures.empty());
    EXPECT_EQ(effects.given_back, std::vector<HandOut>{range});
}

using AskedAhead = PayloadEnd;

TEST_F(AskedAhead, GivesOnlyWhatCanBeSpared)
{
    EXPECT_FALSE(core.on_request_ahead(now, 0, 2, effects)) << "nothing is queued";
    Grant grant;
    grant.run = {1, 1, 0, 2, 0, 1, 2, 0, 1, 1};
    EXPECT_TRUE(core.on_message(now, grant, effects));
    EXPECT_FALSE(core.on_request_ahead(now, 0, 2, effects)) << "the last one may be recalled";
    grant.run = {2, 1, 0, 3, 0, 1, 3, 0, 1, 1};
    EXPECT_TRUE(core.on_message(now, grant, effects));
    EXPECT_TRUE(core.on_request_ahead(now, 0, 2, effects));
    EXPECT_EQ(effects.answered, (std::vector<HandOut>{range, {1, 1}}));
    EXPECT_FALSE(core.on_request_ahead(now, 0, 3, effects));
    core.on_tick(now + Duration::from_s(60), 1, effects);
    EXPECT_EQ(effects.count<Request>(), 0u) << "who asks ahead is not idle";
}

TEST_F(PayloadEnd, AnOutputThatCanNeverBeStoredIsNotMadeAgain)
{
    RangeOutput output;
    output.what = range;
    output.paths = {"out"};
    core.on_output(now, output, effects);
    core.on_output_bad(now, range, code::es_fatal, "its name is too long", effects);
    EXPECT_EQ(effects.failures, (std::vector<Effects::Failure>{{range, FailKind::fatal}}));
}

TEST_F(PayloadEnd, AnOutputThatIsNotThereMayBeMadeByAnotherTry)
{
    RangeOutput output;
    output.what = range;
    output.paths = {"out"};
    core.on_output(now, output, effects);
    core.on_output_bad(now, range, code::missing_output, "there is no such file", effects);
    EXPECT_EQ(effects.failures, (std::vector<Effects::Failure>{{range, FailKind::failed}}));
}

using FrozenDisk = PayloadEnd;

TEST_F(FrozenDisk, HoldsARangeWhoseOlderHandOutIsOnItsWayToTheDisk)
{
    RangeOutput output;
    output.what = range;
    output.paths = {"out"};
    core.on_output(now, output, effects);
    core.on_request(now, 0, 2, effects);
    EXPECT_TRUE(core.on_message(now, Reset{}, effects));
    Grant grant;
    grant.run = {0, 2, 0, 1, 1, 1, 1, 1, 1, 2};
    EXPECT_TRUE(core.on_message(now, grant, effects));
    EXPECT_EQ(effects.answered, (std::vector<HandOut>{range, {1, 2}})) << "the other one is started";
    EXPECT_TRUE(effects.given_back.empty()) << "it would come again at once";
    EXPECT_EQ(core.queued_count(), 1u);
    // Rank 0 has counted the older one, and takes the newer one back.
    core.on_stored(now, 0, 0, {{range, 100}}, effects);
    HandOut const newer{0, 2};
    EXPECT_TRUE(core.on_message(now, Revoke{{&newer, 1}}, effects));
    EXPECT_EQ(core.queued_count(), 0u);
}

TEST_F(FrozenDisk, MakesTheDroidSilentUntilItAnswers)
{
    core.set_stuck(true);
    core.on_tick(now + Duration::from_s(60), 1, effects);
    EXPECT_TRUE(core.on_message(now, AskRunning{}, effects));
    EXPECT_TRUE(core.on_message(now, Recall{5}, effects));
    core.on_request(now, 0, 2, effects);
    EXPECT_TRUE(effects.said.empty()) << "rank 0 would take any word for a sign that its ranges get done";
    core.set_stuck(false);
    core.on_tick(now + Duration::from_s(61), 1, effects);
    EXPECT_EQ(effects.count<Heartbeat>(), 1u);
    EXPECT_EQ(effects.count<Request>(), 1u);
}

TEST_F(FrozenDisk, KeepsADroidThatWasGivenUpFromComingBackTooEarly)
{
    core.set_stuck(true);
    EXPECT_TRUE(core.on_message(now, Reset{}, effects));
    core.on_tick(now + Duration::from_s(1), 1, effects);
    EXPECT_EQ(effects.count<Hello>(), 0u);
    EXPECT_EQ(core.running_count(), 0u);
    core.set_stuck(false);
    core.on_tick(now + Duration::from_s(2), 1, effects);
    core.on_tick(now + Duration::from_s(3), 1, effects);
    EXPECT_EQ(effects.count<Hello>(), 1u);
}

TEST_F(PayloadEnd, WithoutDiskSpaceTheRestGoesToOthersOnceNothingIsLeftThatCouldFreeSome)
{
    Grant grant;
    grant.run = {1, 2, 0, 2, 1, 1, 2, 1, 1, 1};
    EXPECT_TRUE(core.on_message(now, grant, effects));
    core.set_paused(true);
    core.on_tick(now + DroidPolicy{}.pause_limit + Duration::from_s(1), 5'000'000, effects);
    EXPECT_TRUE(effects.troubles.empty()) << "range 0 still runs";
    core.on_failure(now, range, FailKind::failed, code::payload_failure, "", effects);
    core.set_paused(false);
    core.on_tick(now + Duration::from_s(1000), 5'000'000, effects);
    core.set_paused(true);
    core.on_tick(now + Duration::from_s(1500), 5'000'000, effects);
    EXPECT_TRUE(effects.troubles.empty()) << "not for long enough in a row";
    core.on_tick(now + Duration::from_s(1601), 5'000'000, effects);
    EXPECT_EQ(effects.troubles, std::vector<std::uint16_t>{code::no_local_space});
    EXPECT_EQ(effects.given_back, (std::vector<HandOut>{{2, 1}, {1, 1}}));
    core.on_tick(now + Duration::from_s(9000), 5'000'000, effects);
    EXPECT_EQ(effects.troubles.size(), 1u) << "said once";
}

}  // namespace
}  // namespace yoda
