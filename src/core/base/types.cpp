// SPDX-License-Identifier: Apache-2.0
#include "core/base/types.hpp"

namespace yoda {

std::string_view print_state(RangeState state)
{
    switch (state) {
        case RangeState::ready:
            return "ready";
        case RangeState::sent:
            return "sent";
        case RangeState::finished:
            return "finished";
        case RangeState::failed:
            return "failed";
        case RangeState::fatal:
            return "fatal";
        case RangeState::dropped:
            return "dropped";
    }
    return "unknown";
}

}  // namespace yoda
