// SPDX-License-Identifier: Apache-2.0
// What the scanners of event files share: where an event is, and what to do about events that are not whole.
#pragma once

#include <cstdint>

namespace yoda {

/// Bytes of a file: from `begin` to before `end`.
struct EventSpan {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};

/// Events that are not whole are never counted; this says which of them make a file unusable.
enum class CutEvents {
    refuse,                ///< any, and a file without its end mark: nothing is lost in silence
    refuse_in_the_middle,  ///< those before a whole event: the positions behind them are not certain
    leave_out,             ///< none: a person has accepted the loss
};

}  // namespace yoda
