// SPDX-License-Identifier: Apache-2.0
#include "sys/base/clock.hpp"

#include <time.h>

namespace yoda {

namespace {

std::int64_t read_clock(clockid_t clock)
{
    timespec time{};
    ::clock_gettime(clock, &time);
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

TimePoint SystemClock::now() const
{
    return {read_clock(CLOCK_BOOTTIME)};
}

std::int64_t SystemClock::unix_ns() const
{
    return read_clock(CLOCK_REALTIME);
}

}  // namespace yoda
