// SPDX-License-Identifier: Apache-2.0
// Whether an endpoint may be asked now: a pure state machine, one for each endpoint,
// shared by all who use it.
//
//   closed     everybody may ask; `open_after` failures in a row -> open
//   open       nobody asks until a pause that grows with each failed trial -> half open
//   half open  one trial; success -> closed, failure -> open again
//   stopped    a reason that trying again does not change (wrong key, no quota): for ever
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>

#include "core/base/result.hpp"
#include "core/base/time.hpp"

namespace yoda {

struct BreakerPolicy {
    unsigned open_after = 5;
    Duration first_pause = Duration::from_s(1);
    Duration longest_pause = Duration::from_s(60);
};

/// Safe from several threads.
class Breaker {
  public:
    explicit Breaker(BreakerPolicy policy = {}) : policy_(policy) {}

    /// True: a request may go now, and its outcome must be told. In half open only
    /// the first who asks gets it.
    bool try_enter(TimePoint now);
    /// Whether try_enter() would say yes; takes nothing.
    bool allows(TimePoint now) const;
    void on_success();
    /// `retry_after`: how long the server asked us to stay away (zero: it did not).
    void on_failure(TimePoint now, Duration retry_after = {});
    /// The request that entered ended without saying anything of the endpoint.
    void on_no_verdict();
    void stop(Error reason);
    std::optional<Error> stopped() const;
    bool ever_succeeded() const;
    unsigned failures_in_a_row() const;

  private:
    bool allows_locked(TimePoint now) const;

    BreakerPolicy policy_;
    mutable std::mutex mutex_;
    unsigned failure_count_ = 0;
    unsigned open_count_ = 0;  ///< openings since the last success
    TimePoint closed_from_{};  ///< open until then
    bool trial_running_ = false;
    bool ever_succeeded_ = false;
    std::optional<Error> stop_reason_;
};

}  // namespace yoda
