// What has happened to a run, a range or a bundle so far, line by line, from what lies in the run folder.
#pragma once

#include <string>
#include <string_view>

#include "harvest/run_view.hpp"
#include "sys/clock.hpp"

namespace yoda {

/// Each life that has left its result: when, where, how it ended and why. Empty if there was none.
std::string tell_lives(RunView const& view);

/// Failures of a range that lives have told, and the way of its output to the store. Empty if nothing is
/// known.
std::string tell_range_history(RunView const& view, std::string_view range_id, Clock const& clock);

/// The way of a bundle to its store and to PanDA, and what it waits for.
std::string tell_delivery(RunView const& view, std::string_view bundle, Clock const& clock);

}  // namespace yoda
