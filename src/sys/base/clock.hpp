// SPDX-License-Identifier: Apache-2.0
// The clocks of this machine behind an interface; with src/app the only place that reads them.
#pragma once

#include <cstdint>

#include "core/base/time.hpp"

namespace yoda {

class Clock {
  public:
    virtual ~Clock() = default;
    /// Never goes back; its origin is the machine's boot, so readings of two processes of one boot compare.
    virtual TimePoint now() const = 0;
    /// Nanoseconds since 1970, UTC; may jump. For file names, logs,
    /// signatures and times that outlive a process.
    virtual std::int64_t unix_ns() const = 0;
};

class SystemClock final : public Clock {
  public:
    TimePoint now() const override;
    std::int64_t unix_ns() const override;
};

}  // namespace yoda
