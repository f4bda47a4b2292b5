// SPDX-License-Identifier: Apache-2.0
#include "harvest/stage_out/stager.hpp"

#include <gtest/gtest.h>

namespace yoda {
namespace {

StageRecord sealed()
{
    StageRecord record;
    record.name = "a.tar";
    record.path = "bundles/a.tar";
    record.bytes = 10;
    record.adler32 = 0x0a0b0c0d;
    return record;
}

Error failure(ErrorKind kind)
{
    return {kind, "what", "why", "fix"};
}

TEST(Stager, WalksFromSealedToCleaned)
{
    StagePolicy const policy;
    auto record = sealed();
    EXPECT_EQ(next_step(record, policy, 100), Step::upload);
    begin_upload(record, "es_events", "a.tar", "s3://x/a.tar");
    EXPECT_EQ(next_step(record, policy, 100), Step::upload) << "killed here, it is uploaded again";
    on_uploaded(record, "md5:0");
    EXPECT_EQ(next_step(record, policy, 100), Step::check);
    on_verified(record, policy, 100);
    EXPECT_EQ(next_step(record, policy, 100), Step::wait) << "for being reported";
    on_reported(record, 200);
    EXPECT_EQ(next_step(record, policy, 200), Step::clean);
    on_cleaned(record, 201);
    EXPECT_EQ(next_step(record, policy, 201), Step::clean) << "killed before the data was gone, it goes now";
    EXPECT_EQ(place_of(record, policy).kind, StagePlace::Kind::done);
}

TEST(Stager, VerifiedCountsAsReportedWhereNobodyReports)
{
    StagePolicy policy;
    policy.report = false;
    auto record = sealed();
    begin_upload(record, "es_events", "a.tar", "");
    on_verified(record, policy, 100);
    EXPECT_EQ(record.stage, Stage::reported);
    EXPECT_EQ(record.reported_unix_s, 100);
}

TEST(Stager, DataStaysForItsTimeAndItsRecordIsNotOpenedBefore)
{
    StagePolicy policy;
    policy.keep_s = 7000;
    auto record = sealed();
    begin_upload(record, "es_events", "a.tar", "");
    on_verified(record, policy, 3000);
    on_reported(record, 3600);
    EXPECT_EQ(next_step(record, policy, 3600 + 6999), Step::wait);
    EXPECT_EQ(next_step(record, policy, 3600 + 7000), Step::clean);
    EXPECT_EQ(place_of(record, policy), (StagePlace{StagePlace::Kind::later, 3}));
    policy.clean = false;
    EXPECT_EQ(next_step(record, policy, 1'000'000), Step::nothing);
    EXPECT_EQ(place_of(record, policy).kind, StagePlace::Kind::done);
}

TEST(Stager, FailuresWaitLongerAndLonger)
{
    StagePolicy const policy;
    auto record = sealed();
    std::int64_t const expected[] = {60, 120, 240, 480, 960, 1920, 3600, 3600};
    for (auto const wait : expected) {
        on_failure(record, failure(ErrorKind::unavailable), policy, 1000, 0.999999999);
        EXPECT_NEAR(static_cast<double>(record.next_try_unix_s), static_cast<double>(1000 + wait), 1);
        EXPECT_EQ(next_step(record, policy, 1001), Step::wait);
    }
    EXPECT_EQ(record.reason, "what: why (fix)");
    on_failure(record, failure(ErrorKind::unavailable), policy, 1000, 0);
    EXPECT_EQ(record.next_try_unix_s, 1000 + 1800) << "jitter halves it at most";
}

TEST(Stager, HopelessFailuresWaitTheLongestAtOnce)
{
    StagePolicy const policy;
    for (auto const kind : {ErrorKind::refused, ErrorKind::no_space, ErrorKind::usage}) {
        auto record = sealed();
        on_failure(record, failure(kind), policy, 1000, 0.999999999);
        EXPECT_GE(record.next_try_unix_s, 1000 + 3599);
    }
}

TEST(Stager, SuccessForgetsFailures)
{
    StagePolicy const policy;
    auto record = sealed();
    begin_upload(record, "es_events", "a.tar", "");
    on_failure(record, failure(ErrorKind::unavailable), policy, 1000, 0);
    on_verified(record, policy, 2000);
    EXPECT_EQ(record.failures, StageFailures{});
    EXPECT_EQ(record.reason, "");
    EXPECT_EQ(record.next_try_unix_s, 0);
}

TEST(Stager, FailsOverAfterEnoughFailuresAndAlternatesWhenBothFail)
{
    StagePolicy const policy;  // failover_after = 3
    auto record = sealed();
    EXPECT_FALSE(should_fail_over(record, policy, true, true, true));
    EXPECT_TRUE(should_fail_over(record, policy, false, true, true)) << "the primary is shut out";
    EXPECT_FALSE(should_fail_over(record, policy, false, false, false)) << "there is no other";
    EXPECT_FALSE(should_fail_over(record, policy, false, true, false)) << "the other is shut out too";
    for (int i = 0; i < 3; ++i) on_failure(record, failure(ErrorKind::unavailable), policy, 0, 0);
    EXPECT_TRUE(should_fail_over(record, policy, true, true, true));
    record.target = "es_failover";
    on_failure(record, failure(ErrorKind::unavailable), policy, 0, 0);
    EXPECT_FALSE(should_fail_over(record, policy, true, true, true)) << "back to the primary for a try";
    record.target = "es_events";
    on_failure(record, failure(ErrorKind::unavailable), policy, 0, 0);
    EXPECT_TRUE(should_fail_over(record, policy, true, true, true));
}

TEST(Stager, AnotherTargetForgetsAnUnfinishedUpload)
{
    auto record = sealed();
    begin_upload(record, "es_events", "a.tar", "u1");
    record.resume = "parts";
    begin_upload(record, "es_events", "a.tar", "u1");
    EXPECT_EQ(record.resume, "parts");
    begin_upload(record, "es_failover", "a.tar", "u2");
    EXPECT_EQ(record.resume, "");
}

TEST(Stager, WhatIsNotThereStartsAgain)
{
    auto record = sealed();
    begin_upload(record, "es_events", "a.tar", "");
    on_uploaded(record, "md5:0");
    on_not_there(record);
    EXPECT_EQ(next_step(record, {}, 0), Step::upload);
    EXPECT_EQ(record.proof, "");
}

TEST(Stager, SplitBundleWaitsForItsOutputs)
{
    auto record = sealed();
    record.split = true;
    EXPECT_EQ(next_step(record, {}, 0), Step::wait);
    on_split_done(record, 10);
    EXPECT_EQ(next_step(record, {}, 10), Step::clean);
}

TEST(StagerDeath, ReportsNothingThatIsNotVerified)
{
    auto record = sealed();
    EXPECT_DEATH(on_reported(record, 1), "reports what is not verified");
    EXPECT_DEATH(on_cleaned(record, 1), "cleans what is not reported");
}

TEST(StageRecord, IsTheSameAfterPrintingAndParsing)
{
    auto record = sealed();
    begin_upload(record, "es_events", "key \"with\" quotes", "s3://x/y");
    record.resume = R"({"upload_id":"2~x"})";
    record.token = "abc";
    on_failure(record, failure(ErrorKind::io), {}, 5, 0.5);
    record.offset = 512;
    record.panda_id = 4000000001;
    auto const again = parse_stage_record(print_stage_record(record));
    ASSERT_TRUE(again) << again.error().text();
    EXPECT_EQ(*again, record);
}

TEST(StageRecord, RefusesWhatItCannotTrust)
{
    auto const text = print_stage_record(sealed());
    auto const with = [&](std::string_view from, std::string_view to) {
        std::string changed = text;
        changed.replace(changed.find(from), from.size(), to);
        return parse_stage_record(changed);
    };
    EXPECT_TRUE(parse_stage_record(text));
    EXPECT_FALSE(parse_stage_record(text.substr(0, text.size() / 2)));
    EXPECT_FALSE(parse_stage_record("[]"));
    EXPECT_FALSE(with("\"version\": 1", "\"version\": 2"));
    EXPECT_FALSE(with("\"sealed\"", "\"flying\""));
    EXPECT_FALSE(with("bundles/a.tar", "../../etc/passwd"));
    EXPECT_FALSE(with("bundles/a.tar", "/etc/passwd"));
    EXPECT_FALSE(with("\"bytes\": 10", "\"bytes\": \"ten\""));
}

}  // namespace
}  // namespace yoda
