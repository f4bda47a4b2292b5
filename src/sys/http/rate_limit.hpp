// SPDX-License-Identifier: Apache-2.0
// A budget of bytes per second that several threads share: a bucket that
// fills with time, a tenth of a second deep.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>

#include "core/base/time.hpp"

namespace yoda {

class RateLimit {
  public:
    explicit RateLimit(std::uint64_t bytes_per_s) : bytes_per_s_(bytes_per_s) {}

    /// How many of `wanted_bytes` may go now (0: ask again later); they count as gone.
    std::uint64_t take(TimePoint now, std::uint64_t wanted_bytes)
    {
        std::scoped_lock const lock(mutex_);
        if (!started_) {
            started_ = true;
            filled_ = now;
        }
        double const limit = static_cast<double>(bytes_per_s_);
        // A tenth of a second's worth at most is saved up, so that the rate holds over any second.
        left_ = std::min(left_ + (now - filled_).s() * limit, limit / 10);
        filled_ = now;
        auto const granted = std::min(wanted_bytes, static_cast<std::uint64_t>(std::max(left_, 0.0)));
        left_ -= static_cast<double>(granted);
        return granted;
    }

  private:
    std::mutex mutex_;
    std::uint64_t bytes_per_s_;
    TimePoint filled_{};
    double left_ = 0;
    bool started_ = false;
};

}  // namespace yoda
