// SPDX-License-Identifier: Apache-2.0
// What harvest tells a running rank 0: more ranges, a job killed, a bundle lost, no more to come.
#include "yoda_under_test.hpp"

namespace yoda {
namespace {

using test::make_range;
using test::YodaUnderTest;

DispatchPolicy open_policy()
{
    DispatchPolicy policy;
    policy.batch = 1;
    policy.window = 2;
    policy.closed = false;
    policy.second_copies = false;
    return policy;
}

std::vector<std::string> pfns(std::size_t count)
{
    return std::vector<std::string>(count, "/data/f");
}

TEST(MoreRanges, AreRecordedAndHandedOut)
{
    YodaUnderTest yoda({.ranges = 1}, 1, open_policy());
    yoda.hello(1, 1);
    yoda.finish(1, {{0, 1}});
    yoda.request(1, 1);
    yoda.effects.clear();
    std::vector<EventRange> const ranges{make_range(0, 0, 2), make_range(0, 1, 1)};
    ASSERT_TRUE(yoda.dispatcher.on_more_ranges(yoda.now, 0, ranges, pfns(2), yoda.effects));
    EXPECT_EQ(yoda.effects.granted(1).size(), 2u) << "without being asked again";
    auto const files = yoda.effects.recorded<journal::FileAdded>();
    ASSERT_EQ(files.size(), 1u) << "the first file is known";
    EXPECT_EQ(files[0].file, 1u);
    EXPECT_EQ(files[0].entry, yoda.dispatcher.table().files()[1]);
    auto const added = yoda.effects.recorded<journal::RangeAdded>();
    ASSERT_EQ(added.size(), 2u);
    EXPECT_EQ(added[1].range, 2u);
    EXPECT_EQ(added[1].row.file, 1u);
    EXPECT_EQ(added[1].row.first, 1u);
    EXPECT_EQ(added[1].text_id, "");
    EXPECT_TRUE(std::holds_alternative<journal::FileAdded>(yoda.effects.records[1]->get()))
        << "a file comes before its ranges";
}

TEST(MoreRanges, WithTextIdsAreRecordedWithThem)
{
    YodaUnderTest yoda({.ranges = 1}, 1, open_policy());
    auto range = make_range(0, 0, 2);
    range.id = "an id of its own";
    ASSERT_TRUE(yoda.dispatcher.on_more_ranges(yoda.now, 0, {range}, pfns(1), yoda.effects));
    EXPECT_EQ(yoda.effects.recorded<journal::RangeAdded>().at(0).text_id, "an id of its own");
    EXPECT_TRUE(yoda.effects.recorded<journal::FileAdded>().at(0).entry.text_ids);
}

/// A bad note must change nothing at all.
void expect_refused(YodaUnderTest& yoda, JobIndex job, std::vector<EventRange> const& ranges,
                    std::size_t pfn_count)
{
    yoda.effects.clear();
    auto const size = yoda.dispatcher.table().size();
    auto const files = yoda.dispatcher.table().files().size();
    EXPECT_FALSE(yoda.dispatcher.on_more_ranges(yoda.now, job, ranges, pfns(pfn_count), yoda.effects));
    EXPECT_EQ(yoda.dispatcher.table().size(), size);
    EXPECT_EQ(yoda.dispatcher.table().files().size(), files);
    EXPECT_TRUE(yoda.effects.records.empty());
    EXPECT_TRUE(yoda.effects.sends.empty());
}

TEST(MoreRanges, AreTakenAllOrNotAtAll)
{
    YodaUnderTest yoda({.ranges = 3}, 1, open_policy());
    auto bad = make_range(0, 1, 2);
    bad.last_event = 0;
    expect_refused(yoda, 0, {make_range(0, 1, 1), bad}, 2);
    expect_refused(yoda, 0, {make_range(0, 1, 1), make_range(0, 1, 1)}, 2);
    auto other = make_range(0, 0, 2);  // An id that is there, for other events.
    ++other.last_event;
    expect_refused(yoda, 0, {make_range(0, 1, 1), other}, 2);
    expect_refused(yoda, 7, {make_range(0, 1, 1)}, 1);
    expect_refused(yoda, 0, {make_range(0, 1, 1)}, 0);
}

TEST(MoreRanges, ThatAreThereAlreadyAreNotAddedAgain)
{
    // A crash came when a part of the note was in the journal, or the note came twice.
    YodaUnderTest yoda({.ranges = 3}, 1, open_policy());
    std::vector const ranges{make_range(0, 0, 2), make_range(0, 1, 1)};
    ASSERT_TRUE(yoda.dispatcher.on_more_ranges(yoda.now, 0, ranges, pfns(2), yoda.effects));
    EXPECT_EQ(yoda.dispatcher.table().size(), 4u);
    ASSERT_TRUE(yoda.dispatcher.on_more_ranges(yoda.now, 0, ranges, pfns(2), yoda.effects));
    EXPECT_EQ(yoda.dispatcher.table().size(), 4u);
    EXPECT_EQ(yoda.effects.recorded<journal::RangeAdded>().size(), 1u);
}

TEST(MoreRanges, ForAJobThatHadNoneSoFar)
{
    YodaUnderTest yoda({.ranges = 1}, 1, open_policy());
    Dispatcher dispatcher(test::make_table({.ranges = 1}), {200, 201}, 2, open_policy());
    test::RecordingEffects effects;
    dispatcher.on_message({}, 1, {1, 0}, Hello{"node", 1, 1}, effects);
    dispatcher.on_batch_end({}, effects);
    std::vector<FinishedEntry> const entries{{0, 1, 1, 1}};
    dispatcher.on_message({}, 1, {1, 0}, Finished{1, 0, 0, entries}, effects);
    dispatcher.on_message({}, 1, {1, 0}, Request{1}, effects);
    dispatcher.on_batch_end({}, effects);
    EXPECT_FALSE(dispatcher.finishing());
    ASSERT_TRUE(dispatcher.on_more_ranges({}, 1, {make_range(1, 0, 1)}, pfns(1), effects));
    EXPECT_EQ(effects.granted(1).size(), 2u);
    EXPECT_EQ(dispatcher.table().job(1), 1u);
    dispatcher.on_closed({}, effects);
    std::vector<FinishedEntry> const second{{1, 1, 1, 1}};
    dispatcher.on_message({}, 1, {1, 0}, Finished{2, 1, 1, second}, effects);
    dispatcher.on_batch_end({}, effects);
    EXPECT_TRUE(dispatcher.finishing());
}

TEST(MoreRanges, OfAJobWithoutAnyCloseAndTroubleDoNoHarm)
{
    Dispatcher dispatcher(test::make_table({.ranges = 1}), {200, 201, 202}, 2, open_policy());
    test::RecordingEffects effects;
    dispatcher.on_message({}, 1, {1, 0}, Hello{"node", 1, 1}, effects);
    dispatcher.on_message({}, 1, {1, 0}, Trouble{2, 1, "cannot"}, effects);
    dispatcher.on_job_killed({}, 1, effects);
    dispatcher.on_closed({}, effects);
    dispatcher.on_batch_end({}, effects);
    EXPECT_FALSE(dispatcher.finishing()) << "job 0 goes on";
    std::vector<FinishedEntry> const entries{{0, 1, 1, 1}};
    dispatcher.on_message({}, 1, {1, 0}, Finished{1, 0, 0, entries}, effects);
    dispatcher.on_batch_end({}, effects);
    EXPECT_TRUE(dispatcher.finishing());
    EXPECT_EQ(dispatcher.exit_code(), 0);
}

TEST(MoreRanges, ReopenAJobsBundles)
{
    auto policy = open_policy();
    YodaUnderTest yoda({.ranges = 1, .jobs = 2}, 1, policy);
    yoda.dispatcher.on_closed(yoda.now, yoda.effects);
    yoda.hello(1, 1);
    yoda.finish(1, {{0, 1}}, 100, 0);
    ASSERT_EQ(yoda.effects.sent<SealJob>(1).size(), 1u);
    ASSERT_TRUE(yoda.dispatcher.on_more_ranges(yoda.now, 0, {make_range(0, 0, 2)}, pfns(1), yoda.effects));
    yoda.finish(1, {{2, 1}}, 100, 0);
    EXPECT_EQ(yoda.effects.sent<SealJob>(1).size(), 2u) << "and they are sealed again";
}

TEST(JobKilled, DropsItsRangesAndRevokesThoseThatRun)
{
    YodaUnderTest yoda({.ranges = 2, .jobs = 2}, 2, open_policy());
    yoda.hello(1, 1);
    yoda.hello(2, 1);
    auto const job = yoda.dispatcher.table().job(yoda.effects.granted(1)[0].range);
    auto const held = yoda.effects.granted(1);
    auto const others = yoda.outstanding(2);
    yoda.effects.clear();
    yoda.dispatcher.on_job_killed(yoda.now, job, yoda.effects);
    yoda.check();
    EXPECT_EQ(yoda.effects.revoked(1), held);
    EXPECT_TRUE(yoda.effects.revoked(2).empty());
    EXPECT_EQ(yoda.outstanding(1), 0u);
    EXPECT_EQ(yoda.outstanding(2), others);
    EXPECT_EQ(yoda.count(RangeState::dropped), 2u);
    ASSERT_EQ(yoda.effects.recorded<journal::JobDropped>().size(), 1u);
    EXPECT_EQ(yoda.effects.recorded<journal::JobDropped>()[0].job, job);
    yoda.finish(1, held, 100, job);
    EXPECT_EQ(yoda.effects.rejected(1), held);
    yoda.fail(1, held[0]);
    EXPECT_EQ(yoda.count(RangeState::dropped), 2u);
}

TEST(JobKilled, RevokesBothCopies)
{
    auto policy = open_policy();
    policy.second_copies = true;
    policy.window = 1;
    YodaUnderTest yoda({.ranges = 2}, 2, policy);
    yoda.hello(1, 1);
    yoda.finish(1, {{0, 1}}, 100);
    yoda.hello(2, 1);
    yoda.request(2, 1);
    yoda.tick(Duration::from_s(2));
    std::vector<RunningEntry> const running{{{1, 1}, 5000}};
    yoda.say(1, Running{running});
    yoda.tick(Duration::from_s(1));
    ASSERT_EQ(yoda.dispatcher.table().copies(1).count, 2u);
    yoda.dispatcher.on_job_killed(yoda.now, 0, yoda.effects);
    yoda.check();
    EXPECT_EQ(yoda.effects.revoked(1), (std::vector<HandOut>{{1, 1}}));
    EXPECT_EQ(yoda.effects.revoked(2), (std::vector<HandOut>{{1, 2}}));
}

TEST(JobKilled, TwiceOrUnknownDoesNoHarm)
{
    YodaUnderTest yoda({.ranges = 2}, 1, open_policy());
    yoda.hello(1, 1);
    yoda.dispatcher.on_job_killed(yoda.now, 9, yoda.effects);
    EXPECT_EQ(yoda.count(RangeState::dropped), 0u);
    yoda.dispatcher.on_job_killed(yoda.now, 0, yoda.effects);
    yoda.dispatcher.on_job_killed(yoda.now, 0, yoda.effects);
    yoda.check();
    EXPECT_EQ(yoda.count(RangeState::dropped), 2u);
    EXPECT_EQ(yoda.effects.revoked(1).size(), 2u);
}

TEST(BundleLost, ItsRangesRunAgain)
{
    YodaUnderTest yoda({.ranges = 3}, 1, open_policy());
    yoda.hello(1, 1);
    yoda.finish(1, {{0, 1}});
    yoda.finish(1, {{1, 1}});
    yoda.finish(1, {{2, 1}});
    yoda.say(1, Sealed{0, 0, 1, 3});
    yoda.effects.clear();
    yoda.dispatcher.on_bundle_lost(yoda.now, {200, 0, 1, 1, 0}, yoda.effects);
    yoda.end_batch();
    ASSERT_EQ(yoda.effects.recorded<journal::BundleChanged>().size(), 1u);
    EXPECT_TRUE(yoda.effects.recorded<journal::BundleChanged>()[0].state.lost);
    EXPECT_EQ(yoda.effects.granted(1).size(), 2u);
    EXPECT_EQ(yoda.effects.granted(1)[0].hand_out, 2u);
    EXPECT_EQ(yoda.count(RangeState::finished), 0u);
    EXPECT_EQ(yoda.effects.noted("bundle_lost").at(0).count, 3u);
}

TEST(BundleLost, TwiceOrUnknownDoesNothing)
{
    YodaUnderTest yoda({.ranges = 1}, 1, open_policy());
    yoda.hello(1, 1);
    yoda.finish(1, {{0, 1}});
    yoda.dispatcher.on_bundle_lost(yoda.now, {200, 0, 1, 1, 7}, yoda.effects);
    EXPECT_EQ(yoda.state(0), RangeState::finished);
    yoda.dispatcher.on_bundle_lost(yoda.now, {200, 0, 1, 1, 0}, yoda.effects);
    yoda.effects.clear();
    yoda.dispatcher.on_bundle_lost(yoda.now, {200, 0, 1, 1, 0}, yoda.effects);
    EXPECT_TRUE(yoda.effects.records.empty());
}

TEST(BundleLost, MoreFinishesIntoItAreRejected)
{
    YodaUnderTest yoda({.ranges = 2}, 1, open_policy());
    yoda.hello(1, 1);
    yoda.finish(1, {{0, 1}});
    yoda.dispatcher.on_bundle_lost(yoda.now, {200, 0, 1, 1, 0}, yoda.effects);
    yoda.finish(1, {{1, 1}});
    EXPECT_EQ(yoda.effects.rejected(1), (std::vector<HandOut>{{1, 1}}));
}

TEST(BundleLost, SealsTheJobAgainWhenItsRangesAreDone)
{
    auto policy = open_policy();
    policy.closed = true;
    YodaUnderTest yoda({.ranges = 1, .jobs = 2}, 1, policy);
    yoda.hello(1, 1);
    yoda.finish(1, {{0, 1}}, 100, 0);
    ASSERT_EQ(yoda.effects.sent<SealJob>(1).size(), 1u);
    yoda.dispatcher.on_bundle_lost(yoda.now, {200, 0, 1, 1, 0}, yoda.effects);
    yoda.end_batch();
    yoda.say(1, Finished{99, 5, 0, yoda.entries({{0, 2}})});
    EXPECT_EQ(yoda.state(0), RangeState::finished);
    EXPECT_EQ(yoda.effects.sent<SealJob>(1).size(), 2u);
}

TEST(BundleLost, OfAKilledJobIsNotMadeAgain)
{
    YodaUnderTest yoda({.ranges = 3}, 1, open_policy());
    yoda.hello(1, 1);
    yoda.finish(1, {{0, 1}});
    yoda.dispatcher.on_job_killed(yoda.now, 0, yoda.effects);
    yoda.dispatcher.on_bundle_lost(yoda.now, {200, 0, 1, 1, 0}, yoda.effects);
    yoda.end_batch();
    EXPECT_EQ(yoda.state(0), RangeState::dropped);
    EXPECT_EQ(yoda.effects.recorded<journal::JobDropped>().size(), 2u) << "a later life finds the same";
}

TEST(BundleLost, AfterTheLastRangeMakesTheRunResumable)
{
    auto policy = open_policy();
    policy.closed = true;
    YodaUnderTest yoda({.ranges = 1}, 1, policy);
    yoda.hello(1, 1);
    yoda.finish(1, {{0, 1}});
    ASSERT_TRUE(yoda.dispatcher.finishing());
    yoda.dispatcher.on_bundle_lost(yoda.now, {200, 0, 1, 1, 0}, yoda.effects);
    yoda.end_batch();
    yoda.say(1, Goodbye{});
    EXPECT_TRUE(yoda.dispatcher.over());
    EXPECT_EQ(yoda.dispatcher.exit_code(), 3);
    EXPECT_NE(yoda.dispatcher.why_stopped(), "");
}

TEST(Closed, TwiceIsRecordedOnce)
{
    YodaUnderTest yoda({.ranges = 1}, 1, open_policy());
    yoda.dispatcher.on_closed(yoda.now, yoda.effects);
    yoda.dispatcher.on_closed(yoda.now, yoda.effects);
    EXPECT_EQ(yoda.effects.recorded<journal::Closed>().size(), 1u);
}

TEST(Closed, LeavesARunWithWorkAlone)
{
    YodaUnderTest yoda({.ranges = 5}, 1, open_policy());
    yoda.hello(1, 1);
    yoda.dispatcher.on_closed(yoda.now, yoda.effects);
    yoda.end_batch();
    EXPECT_FALSE(yoda.dispatcher.finishing());
    EXPECT_EQ(yoda.effects.sent_count<NothingEver>(), 0u);
}

}  // namespace
}  // namespace yoda
