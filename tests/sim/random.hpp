// SPDX-License-Identifier: Apache-2.0
// Random numbers that are the same for the same seed, and streams that do not disturb each other.
#pragma once

#include <cmath>
#include <cstdint>

namespace yoda::sim {

/// A well mixed number of two (splitmix64's finaliser).
constexpr std::uint64_t mix(std::uint64_t a, std::uint64_t b = 0)
{
    std::uint64_t z = a + 0x9E3779B97F4A7C15ull * (b + 1);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

/// [0, 1) of a well mixed number.
constexpr double to_unit(std::uint64_t mixed)
{
    return static_cast<double>(mixed >> 11) * 0x1.0p-53;
}

class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(mix(seed, 0x51D)) {}

    std::uint64_t next() { return mix(state_ += 0x9E3779B97F4A7C15ull); }
    double unit() { return to_unit(next()); }
    bool chance(double p) { return unit() < p; }
    /// lo..hi, both included.
    std::uint64_t pick(std::uint64_t lo, std::uint64_t hi) { return lo + next() % (hi - lo + 1); }
    double between(double lo, double hi) { return lo + (hi - lo) * unit(); }
    /// As likely in each factor of two.
    double log_between(double lo, double hi) { return lo * std::exp(std::log(hi / lo) * unit()); }
    std::uint64_t log_pick(std::uint64_t lo, std::uint64_t hi)
    {
        return static_cast<std::uint64_t>(
            log_between(static_cast<double>(lo), static_cast<double>(hi) + 0.999));
    }
    double normal()
    {
        double const radius = std::sqrt(-2 * std::log(1 - unit()));
        return radius * std::cos(2 * 3.14159265358979323846 * unit());
    }
    double exponential(double mean) { return -mean * std::log(1 - unit()); }

  private:
    std::uint64_t state_;
};

}  // namespace yoda::sim
