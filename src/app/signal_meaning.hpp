// What a signal means to a run. The first one asks rank 0 to drain; launchers and batch systems deliver it
// twice, and which one comes first (USR1, TERM, INT, HUP, XCPU) does not matter.
#pragma once

#include <optional>

#include "core/time.hpp"
#include "sys/signals.hpp"

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
