// SPDX-License-Identifier: Apache-2.0
#include "sys/lease/record.hpp"

#include <gtest/gtest.h>

namespace yoda {
namespace {

LeaseRecord example()
{
    LeaseRecord record;
    record.token = "0123456789abcdef0123456789abcdef";
    record.holder = {"yoda", "node17", "boot", "pid:[1]", 4242, 99, "slurm 77", 3, 1'700'000'000};
    record.beat = 12;
    return record;
}

LeaseSight sight(HolderSight holder, bool has_changed, Duration unchanged_for)
{
    return {example(), holder, has_changed, unchanged_for};
}

constexpr Duration limit = Duration::from_ms(60'000);
constexpr Duration almost = Duration::from_ms(59'999);

TEST(LeaseRecord, IsReadAsItWasWritten)
{
    auto const read = parse_lease(print_lease(example()));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->token, example().token);
    EXPECT_EQ(read->holder.program, "yoda");
    EXPECT_EQ(read->holder.host, "node17");
    EXPECT_EQ(read->holder.boot_id, "boot");
    EXPECT_EQ(read->holder.pid_space, "pid:[1]");
    EXPECT_EQ(read->holder.pid, 4242);
    EXPECT_EQ(read->holder.pid_start_ticks, 99u);
    EXPECT_EQ(read->holder.batch_job, "slurm 77");
    EXPECT_EQ(read->holder.life, 3u);
    EXPECT_EQ(read->holder.since_unix_s, 1'700'000'000);
    EXPECT_EQ(read->beat, 12u);
    EXPECT_FALSE(read->is_released);
}

TEST(LeaseRecord, IsOfOneLengthWhateverIsInIt)
{
    LeaseRecord record;
    record.token = std::string(32, 'a');
    EXPECT_EQ(print_lease(record).size(), lease_file_bytes);
    record.beat = UINT64_MAX;
    record.holder.pid_start_ticks = UINT64_MAX;
    record.holder.since_unix_s = INT64_MIN;
    for (auto* text : {&record.holder.program, &record.holder.host, &record.holder.boot_id,
                       &record.holder.pid_space, &record.holder.batch_job})
        *text = std::string(5000, '\\') + "\n\"\xff";
    EXPECT_EQ(print_lease(record).size(), lease_file_bytes);
    EXPECT_TRUE(parse_lease(print_lease(record)));
}

TEST(LeaseRecord, WhatIsTornOrForeignIsNone)
{
    std::string const text = print_lease(example());
    std::size_t const end = text.find('}') + 1;
    for (std::size_t length = 0; length < end; ++length)
        EXPECT_FALSE(parse_lease(text.substr(0, length))) << length;
    EXPECT_FALSE(parse_lease("[]"));
    EXPECT_FALSE(parse_lease("{}"));
    EXPECT_FALSE(parse_lease(std::string(lease_file_bytes, '\0')));
    LeaseRecord record = example();
    record.token = "../../../../../../../etc/passwd.";  // becomes part of a path
    EXPECT_FALSE(parse_lease(print_lease(record)));
}

TEST(LeaseJudgement, AGoneProcessIsDeadAtOnce)
{
    EXPECT_EQ(judge_lease(sight(HolderSight::gone, false, {0}), limit), LeaseVerdict::dead);
    EXPECT_EQ(judge_lease(sight(HolderSight::gone, true, {0}), limit), LeaseVerdict::dead);
}

TEST(LeaseJudgement, APresentProcessIsAliveHoweverSilent)
{
    EXPECT_EQ(judge_lease(sight(HolderSight::present, false, limit + limit), limit), LeaseVerdict::alive);
}

TEST(LeaseJudgement, AProcessElsewhereIsDeadOnlyAfterTheWholeSilence)
{
    EXPECT_EQ(judge_lease(sight(HolderSight::elsewhere, false, {0}), limit), LeaseVerdict::unsure);
    EXPECT_EQ(judge_lease(sight(HolderSight::elsewhere, false, almost), limit), LeaseVerdict::unsure);
    EXPECT_EQ(judge_lease(sight(HolderSight::elsewhere, false, limit), limit), LeaseVerdict::dead);
}

TEST(LeaseJudgement, AChangeIsASignOfLife)
{
    EXPECT_EQ(judge_lease(sight(HolderSight::elsewhere, true, {0}), limit), LeaseVerdict::alive);
}

TEST(LeaseJudgement, AReleasedLeaseIsFreeWhoeverLives)
{
    LeaseSight seen = sight(HolderSight::present, true, {0});
    seen.record->is_released = true;
    EXPECT_EQ(judge_lease(seen, limit), LeaseVerdict::dead);
}

TEST(LeaseJudgement, AnUnreadableLockIsJudgedBySilence)
{
    EXPECT_EQ(judge_lease({std::nullopt, HolderSight::elsewhere, false, almost}, limit),
              LeaseVerdict::unsure);
    EXPECT_EQ(judge_lease({std::nullopt, HolderSight::elsewhere, false, limit}, limit), LeaseVerdict::dead);
    EXPECT_EQ(judge_lease({std::nullopt, HolderSight::elsewhere, true, {0}}, limit), LeaseVerdict::alive);
}

TEST(LeaseJudgement, BusySaysWhoWhereSinceWhenAndWhatToDo)
{
    Error const error = explain_busy("RUN/lock", example(), limit);
    EXPECT_EQ(error.kind, ErrorKind::busy);
    for (char const* part :
         {"RUN/lock", "yoda", "node17", "4242", "slurm 77", "life 3", "2023-11-14T22:13:20Z", "60 s"})
        EXPECT_NE(error.text().find(part), std::string::npos) << part << " is not in: " << error.text();
    EXPECT_EQ(explain_busy("RUN/lock", std::nullopt, limit).kind, ErrorKind::busy);
}

}  // namespace
}  // namespace yoda
