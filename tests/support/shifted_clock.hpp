// SPDX-License-Identifier: Apache-2.0
// The machine's clock, set forward or (negative) back; its monotonic side is as it is.
#pragma once

#include <cstdint>

#include "sys/base/clock.hpp"

namespace yoda::test {

class ShiftedClock final : public Clock {
  public:
    explicit ShiftedClock(std::int64_t by_s = 0) : shift_s(by_s) {}
    TimePoint now() const override { return clock_.now(); }
    std::int64_t unix_ns() const override { return clock_.unix_ns() + shift_s * 1'000'000'000; }
    std::int64_t shift_s;

  private:
    SystemClock clock_;
};

}  // namespace yoda::test
