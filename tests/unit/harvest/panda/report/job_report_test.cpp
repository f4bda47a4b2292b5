// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/report/job_report.hpp"

#include <gtest/gtest.h>

namespace yoda {
namespace {

JobReportPolicy const policy;
std::map<std::string, std::string> const common{{"siteName", "QUEUE"}};

JobRecord new_record()
{
    JobRecord record;
    record.panda_id = 6900000001;
    record.attempt = 2;
    return record;
}

JobProgress progress_in(JobPhase phase)
{
    JobProgress progress;
    progress.phase = phase;
    progress.range_count = 10;
    progress.fetched_events = 100;
    return progress;
}

JobUpdateAnswer taken(std::string_view command = "NULL")
{
    return {{PandaOutcome::stored, {}}, parse_commands(command)};
}

std::optional<JobUpdate> next(JobRecord const& record, JobProgress const& progress, bool settled,
                              std::int64_t now)
{
    return next_update(record, progress, settled, common, policy, now);
}

TEST(JobReport, FollowsTheRunFromStartingToFinished)
{
    auto record = new_record();
    std::vector<std::string> states;
    auto const step = [&](JobPhase phase, bool settled, std::int64_t now) {
        auto progress = progress_in(phase);
        progress.finished_ranges = 10;
        auto const update = next(record, progress, settled, now);
        if (!update) return;
        states.push_back(update->state);
        EXPECT_EQ(update->fields.at("attemptNr"), "2");
        EXPECT_EQ(update->fields.at("siteName"), "QUEUE");
        on_update_answer(record, *update, taken(), policy, now);
    };
    step(JobPhase::waiting, false, 1000);
    step(JobPhase::waiting, false, 1010);
    step(JobPhase::running, false, 1020);
    step(JobPhase::running, false, 1030);
    step(JobPhase::running, false, 1020 + 1800);
    step(JobPhase::uploading, false, 5000);
    record.accepted_ranges = 10;
    step(JobPhase::over, true, 5010);
    step(JobPhase::over, true, 9999);
    EXPECT_EQ(states,
              (std::vector<std::string>{"starting", "running", "running", "transferring", "finished"}));
    EXPECT_TRUE(record.ended);
}

TEST(JobReport, NeverEndsBeforeAllRangesAreSettled)
{
    auto record = new_record();
    record.accepted_ranges = 9;
    auto const update = next(record, progress_in(JobPhase::over), false, 1000);
    ASSERT_TRUE(update);
    EXPECT_EQ(update->state, "transferring");
}

TEST(JobReport, HoldsForItsLogAndNoLongerThanItsLimit)
{
    auto record = new_record();
    record.accepted_ranges = 10;
    auto progress = progress_in(JobPhase::over);
    progress.finished_ranges = 10;
    progress.log_pending = true;
    auto const holding = next(record, progress, true, 1000);
    ASSERT_TRUE(holding);
    EXPECT_EQ(holding->state, "holding");
    on_update_answer(record, *holding, taken(), policy, 1000);
    EXPECT_FALSE(next(record, progress, true, 1010));
    EXPECT_EQ(next(record, progress, true, 1000 + policy.heartbeat_s)->state, "holding");
    auto given_up = progress;
    EXPECT_EQ(next(record, given_up, true, 1000 + policy.log_limit_s)->state, "finished");
    progress.log_pending = false;
    progress.output_report = R"({"log.tgz": {}})";
    auto const last = next(record, progress, true, 1020);
    ASSERT_TRUE(last);
    EXPECT_EQ(last->state, "finished");
    EXPECT_EQ(last->fields.at("xml"), R"({"log.tgz": {}})");
    // Who is to be killed does not wait for a log.
    record.killed = true;
    progress.log_pending = true;
    EXPECT_EQ(next(record, progress, true, 1020)->state, "failed");
}

TEST(JobReport, AJobWithoutAnyAcceptedRangeHasFailedAndSaysWhy)
{
    auto const update = next(new_record(), progress_in(JobPhase::over), true, 1000);
    ASSERT_TRUE(update);
    EXPECT_EQ(update->state, "failed");
    EXPECT_EQ(update->fields.at("pilotErrorCode"), "1239");
    EXPECT_NE(update->fields.at("exeErrorDiag").find("MISMATCH: 0 of 10"), std::string::npos);
}

TEST(JobReport, MissingRangesAreNamedThoughTheJobFinished)
{
    auto record = new_record();
    record.accepted_ranges = 7;
    auto progress = progress_in(JobPhase::over);
    progress.finished_ranges = 7;
    auto const update = next(record, progress, true, 1000);
    ASSERT_TRUE(update);
    EXPECT_EQ(update->state, "finished");
    EXPECT_EQ(update->fields.at("jobSubStatus"), "partly_failed");
    EXPECT_NE(update->fields.at("exeErrorDiag").find("MISMATCH: 7 of 10"), std::string::npos);
}

TEST(JobReport, AFinalStateIsToldAgainUntilPandaHasItAndGivenUpAfterItsPatience)
{
    auto record = new_record();
    record.accepted_ranges = 1;
    auto const progress = progress_in(JobPhase::over);
    JobUpdateAnswer const away{{PandaOutcome::later, "HTTP 503"}, {}};
    for (std::int64_t now = 1000; now < 1000 + policy.final_limit_s; now += 3600) {
        auto const update = next(record, progress, true, now);
        ASSERT_TRUE(update) << now;
        on_update_answer(record, *update, away, policy, now);
        EXPECT_FALSE(record.ended);
        EXPECT_EQ(record.problem, "HTTP 503");
    }
    auto const now = 1001 + policy.final_limit_s;
    on_update_answer(record, *next(record, progress, true, now), away, policy, now);
    EXPECT_TRUE(record.ended);
    EXPECT_FALSE(next(record, progress, true, now + 1));
}

TEST(JobReport, CommandsAreRemembered)
{
    auto record = new_record();
    auto const update = next(record, progress_in(JobPhase::running), false, 1000);
    on_update_answer(record, *update, taken("debug,softkill"), policy, 1000);
    EXPECT_TRUE(record.debug);
    EXPECT_TRUE(record.drain);
    EXPECT_FALSE(record.killed);
    // Debugging means a heartbeat every five minutes.
    EXPECT_FALSE(next(record, progress_in(JobPhase::running), false, 1299));
    ASSERT_TRUE(next(record, progress_in(JobPhase::running), false, 1300));
    on_update_answer(record, *update, taken("tobekilled"), policy, 1300);
    EXPECT_TRUE(record.killed);
    EXPECT_FALSE(record.gone);
}

TEST(JobReport, AnotherAttemptIsNotOursAnyMore)
{
    auto record = new_record();
    auto const update = next(record, progress_in(JobPhase::running), false, 1000);
    on_update_answer(record, *update, taken("badattemptnr"), policy, 1000);
    EXPECT_TRUE(record.gone);
    EXPECT_TRUE(record.ended);
}

TEST(JobReport, AKilledJobThatStillWaitsFailsAtOnce)
{
    auto record = new_record();
    record.killed = true;
    auto const update = next(record, progress_in(JobPhase::waiting), true, 1000);
    ASSERT_TRUE(update);
    EXPECT_EQ(update->state, "failed");
    EXPECT_EQ(update->fields.at("pilotErrorCode"), "1144");
}

TEST(JobReport, ASoftkilledJobEndsAsWhatItHasDone)
{
    auto record = new_record();
    record.drain = true;
    auto progress = progress_in(JobPhase::over);
    auto update = next(record, progress, true, 1000);
    ASSERT_TRUE(update);
    EXPECT_EQ(update->state, "failed");
    EXPECT_EQ(update->fields.at("pilotErrorCode"), "1379");
    record.accepted_ranges = progress.finished_ranges = 3;
    update = next(record, progress, true, 1000);
    ASSERT_TRUE(update);
    EXPECT_EQ(update->state, "finished");
    EXPECT_EQ(update->fields.at("jobSubStatus"), "softkilled");
    EXPECT_TRUE(takes_no_more(record));
    EXPECT_FALSE(takes_no_more(new_record()));
}

TEST(JobReport, CommandsAreDueFiveMinutesAfterTheLastUpdate)
{
    auto record = new_record();
    record.last_sent_unix_s = 1000;
    EXPECT_FALSE(commands_are_due(record, 1299));
    EXPECT_TRUE(commands_are_due(record, 1300));
    EXPECT_TRUE(commands_are_due(record, 900)) << "the clock was set back";
}

TEST(JobReport, TheBatchIdThatPandaHasIsNeverChanged)
{
    auto record = new_record();
    auto progress = progress_in(JobPhase::running);
    progress.batch_id = "slurm 1";
    auto update = next(record, progress, false, 1000);
    on_update_answer(record, *update, taken(), policy, 1000);
    progress.batch_id = "slurm 2";
    update = next(record, progress, false, 9000);
    ASSERT_TRUE(update);
    EXPECT_EQ(update->fields.at("batchID"), "slurm 1");
}

TEST(JobReport, ARefusedUpdateIsTriedWithTheEssentialsOnly)
{
    auto record = new_record();
    auto progress = progress_in(JobPhase::running);
    progress.core_count = 8;
    auto const update = next(record, progress, false, 1000);
    EXPECT_TRUE(update->fields.contains("coreCount"));
    on_update_answer(record, *update, {{PandaOutcome::refused, "StatusCode 30"}, {}}, policy, 1000);
    auto const again = next(record, progress, false, 1001);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->fields, (std::map<std::string, std::string>{{"attemptNr", "2"}}));
}

TEST(JobReport, AClockThatWasSetBackDoesNotSilenceTheHeartbeat)
{
    auto record = new_record();
    record.last_state = "running";
    record.last_sent_unix_s = 5000;
    EXPECT_FALSE(next(record, progress_in(JobPhase::running), false, 5001));
    EXPECT_TRUE(next(record, progress_in(JobPhase::running), false, 4000));
}

TEST(JobReport, MetricsStayWithinFiveHundredCharacters)
{
    auto progress = progress_in(JobPhase::running);
    progress.bundle_name = std::string(480, 'b');
    progress.node_count = 12;
    auto const text = print_job_metrics(new_record(), progress);
    EXPECT_LE(text.size(), 500u);
    EXPECT_NE(text.find("nNodes=12"), std::string::npos);
}

TEST(JobReport, ATransformThatFailedIsNamedBesideWhatIsMissing)
{
    auto progress = progress_in(JobPhase::over);
    progress.payload_exit_code = 64;
    progress.payload_exit_text = "TRF_SETUP: no release";
    auto const update = next(new_record(), progress, true, 1000);
    ASSERT_TRUE(update);
    EXPECT_EQ(update->fields.at("transExitCode"), "64");
    EXPECT_EQ(update->fields.at("exeErrorCode"), "64");
    EXPECT_EQ(update->fields.at("exeErrorDiag"),
              "MISMATCH: 0 of 10 event ranges finished (0 of 100 events); TRF_SETUP: no release");
}

TEST(JobReport, ARecordIsReadAsItWasWritten)
{
    auto record = new_record();
    record.last_state = "running";
    record.batch_id = "77 \"x\"";
    record.killed = true;
    record.kill_note = "1-2-job_killed.json";
    record.final_since_unix_s = 99;
    auto const read = parse_job_record(print_job_record(record));
    ASSERT_TRUE(read) << read.error().text();
    EXPECT_EQ(*read, record);
    for (auto const* bad : {"", "[]", "{\"version\":2}", "{\"version\":1}"})
        EXPECT_FALSE(parse_job_record(bad));
}

TEST(JobReport, TimesAreUtc)
{
    EXPECT_EQ(print_panda_time(1700000000), "2023-11-14 22:13:20");
}

}  // namespace
}  // namespace yoda
