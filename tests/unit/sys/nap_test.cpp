#include "sys/nap.hpp"

#include <gtest/gtest.h>

namespace yoda {
namespace {

constexpr Duration longest = Duration::from_ms(5);

unsigned looks_before_sleep(Nap& nap)
{
    unsigned count = 0;
    while (nap.next().ns <= 0) ++count;
    return count;
}

TEST(Nap, SleepsLongerAndLongerUpToTheLongest)
{
    Nap nap(longest);
    looks_before_sleep(nap);
    Duration before{0};
    for (int i = 0; i < 100; ++i) {
        auto const now = nap.next();
        EXPECT_GE(now.ns, before.ns);
        EXPECT_LE(now.ns, longest.ns);
        before = now;
    }
    EXPECT_EQ(before.ns, longest.ns);
}

TEST(Nap, LooksOftenWhereMessagesFollowClosely)
{
    Nap nap(longest);
    for (int i = 0; i < 100; ++i) {
        EXPECT_LE(nap.next().ns, 0);
        nap.had_traffic();
    }
    EXPECT_GE(looks_before_sleep(nap), 32u);
}

TEST(Nap, LooksSeldomWhereTheyDoNotAndLearnsBack)
{
    Nap nap(longest);
    looks_before_sleep(nap);
    nap.next();
    nap.next();
    nap.had_traffic();  // The gap was longer than a first nap.
    EXPECT_LE(looks_before_sleep(nap), 2u);
    for (int i = 0; i < 2; ++i) {
        nap.had_traffic();  // These were not.
        looks_before_sleep(nap);
    }
    nap.had_traffic();
    EXPECT_GE(looks_before_sleep(nap), 32u);
}

}  // namespace
}  // namespace yoda
