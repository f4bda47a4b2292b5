// SPDX-License-Identifier: Apache-2.0
#include "core/base/time_histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace yoda {
namespace {

TEST(TimeHistogram, IsEmptyAtFirst)
{
    TimeHistogram const histogram;
    EXPECT_EQ(histogram.count(), 0u);
    EXPECT_EQ(histogram.mean_us(), 0);
    EXPECT_EQ(histogram.quantile_us(0.5), 0u);
}

TEST(TimeHistogram, OneTimeIsEveryQuantile)
{
    for (std::uint64_t us = 0; us < 5'000'000'000; us = us * 9 / 8 + 1) {
        TimeHistogram histogram;
        histogram.add(us);
        for (double const q : {0.0, 0.5, 0.99, 1.0}) {
            auto const found = histogram.quantile_us(q);
            ASSERT_GT(found, us) << "never too low";
            ASSERT_LE(static_cast<double>(found), static_cast<double>(us) * 1.125 + 1);
        }
    }
}

TEST(TimeHistogram, QuantilesOfManyTimesAreWithinTheBound)
{
    std::mt19937 random(1);
    std::lognormal_distribution<double> draw(13, 1);
    TimeHistogram histogram;
    std::vector<std::uint64_t> times;
    for (int i = 0; i < 20000; ++i) {
        times.push_back(static_cast<std::uint64_t>(draw(random)));
        histogram.add(times.back());
    }
    std::sort(times.begin(), times.end());
    for (double const q : {0.01, 0.1, 0.5, 0.9, 0.99, 0.999}) {
        auto const exact = static_cast<double>(times[static_cast<std::size_t>(q * 20000)]);
        auto const found = static_cast<double>(histogram.quantile_us(q));
        EXPECT_GT(found, exact) << q;
        EXPECT_LE(found, exact * 1.125 + 1) << q;
    }
}

TEST(TimeHistogram, TheLargestQuantileCoversTheLargestTime)
{
    TimeHistogram histogram;
    for (std::uint64_t us = 1; us <= 1000; ++us) histogram.add(us);
    EXPECT_GT(histogram.quantile_us(1.0), 1000u);
    EXPECT_GT(histogram.quantile_us(0.999), 999u);
}

TEST(TimeHistogram, TheMeanIsExact)
{
    TimeHistogram histogram;
    histogram.add(10);
    histogram.add(40, 2);
    EXPECT_EQ(histogram.count(), 3u);
    EXPECT_DOUBLE_EQ(histogram.mean_us(), 30);
}

TEST(TimeHistogram, TimesBeyondItsEndCountAsTheLast)
{
    TimeHistogram histogram;
    histogram.add(UINT64_MAX / 2);
    EXPECT_EQ(histogram.count(), 1u);
    EXPECT_GE(histogram.quantile_us(0.5), std::uint64_t{1} << 41);
}

}  // namespace
}  // namespace yoda
