// SPDX-License-Identifier: Apache-2.0
// What a signal means to a run. The first signal (USR1, TERM, INT, HUP or XCPU) asks rank 0 to drain.
// Launchers and batch systems may deliver one signal twice.
#pragma once

#include <optional>

#include "core/base/time.hpp"
#include "sys/base/signals.hpp"

namespace yoda {

enum class SignalMeaning {
    drain,   ///< running ranges may end within the notice
    hurry,   ///< the run drains already: what still runs goes back now
    end,     ///< at once: the process has less than a second
    repeat,  ///< the same word again
};

class SignalMeanings {
  public:
    SignalMeaning on(TimePoint now, CaughtSignal const& caught, bool is_draining);

  private:
    std::optional<TimePoint> first_;
};

}  // namespace yoda
