// SPDX-License-Identifier: Apache-2.0
// Time as a value: the pure parts get `now` as an argument and never ask a clock.
#pragma once

#include <compare>
#include <cstdint>

namespace yoda {

/// A span of time, in nanoseconds.
struct Duration {
    std::int64_t ns = 0;

    static constexpr Duration from_s(double s) { return {static_cast<std::int64_t>(s * 1e9)}; }
    static constexpr Duration from_ms(std::int64_t ms) { return {ms * 1'000'000}; }
    static constexpr Duration max() { return {INT64_MAX / 4}; }
    constexpr double s() const { return static_cast<double>(ns) * 1e-9; }
    constexpr std::int64_t ms() const { return ns / 1'000'000; }

    friend constexpr auto operator<=>(Duration, Duration) = default;
    friend constexpr Duration operator+(Duration a, Duration b) { return {a.ns + b.ns}; }
    friend constexpr Duration operator-(Duration a, Duration b) { return {a.ns - b.ns}; }
    friend constexpr Duration operator*(Duration a, double k)
    {
        return {static_cast<std::int64_t>(static_cast<double>(a.ns) * k)};
    }
};

/// A point on a monotonic clock, in nanoseconds since an origin that only its owner knows.
struct TimePoint {
    std::int64_t ns = 0;

    friend constexpr auto operator<=>(TimePoint, TimePoint) = default;
    friend constexpr Duration operator-(TimePoint a, TimePoint b) { return {a.ns - b.ns}; }
    friend constexpr TimePoint operator+(TimePoint a, Duration d) { return {a.ns + d.ns}; }
    friend constexpr TimePoint operator-(TimePoint a, Duration d) { return {a.ns - d.ns}; }
    static constexpr TimePoint never() { return {INT64_MAX / 2}; }
};

}  // namespace yoda
