// SPDX-License-Identifier: Apache-2.0
#include "sys/transport/nap.hpp"

#include <gtest/gtest.h>

namespace yoda {
namespace {

unsigned looks_before_sleep(NapPolicy& policy)
{
    unsigned count = 0;
    while (policy.next().sleep.ns == 0) ++count;
    return count;
}

TEST(Nap, SleepsLongerAndLongerUpToTheLongest)
{
    NapPolicy policy;
    looks_before_sleep(policy);
    Duration before{0};
    for (int i = 0; i < 100; ++i) {
        auto const now = policy.next().sleep;
        EXPECT_GE(now.ns, before.ns);
        EXPECT_LE(now.ns, NapPolicy::longest_nap.ns);
        before = now;
    }
    EXPECT_EQ(before.ns, NapPolicy::longest_nap.ns);
}

TEST(Nap, LooksOftenWhereMessagesFollowClosely)
{
    NapPolicy policy;
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(policy.next().sleep.ns, 0);
        policy.had_traffic();
    }
    EXPECT_GE(looks_before_sleep(policy), 32u);
}

TEST(Nap, OneLongGapIsAHiccup)
{
    NapPolicy policy;
    for (int i = 0; i < 10; ++i) policy.had_traffic();
    for (int i = 0; i < 5; ++i) looks_before_sleep(policy);
    policy.had_traffic();
    EXPECT_GE(looks_before_sleep(policy), 32u);
}

TEST(Nap, LooksSeldomWhereMessagesAreFarApartAndLearnsBack)
{
    NapPolicy policy;
    for (int i = 0; i < 8; ++i) {
        looks_before_sleep(policy);
        policy.next();
        policy.had_traffic();  // These gaps were longer than a first nap.
    }
    EXPECT_LE(looks_before_sleep(policy), 2u);
    unsigned most = 0;
    for (int i = 0; i < 20; ++i) {
        policy.had_traffic();  // These were not.
        most = std::max(most, looks_before_sleep(policy));
    }
    EXPECT_GE(most, 32u);
}

TEST(Nap, LeavesTheCoreAndHearsThePollerWhileItLooks)
{
    NapPolicy policy;
    unsigned polls = 0, yields = 0;
    for (NapPolicy::Step step; step.sleep.ns == 0; step = policy.next()) {
        polls += step.poll;
        yields += step.yield;
    }
    EXPECT_GE(polls, 1u);
    EXPECT_GE(yields, 100u);
}

}  // namespace
}  // namespace yoda
