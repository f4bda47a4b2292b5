// SPDX-License-Identifier: Apache-2.0
// What has happened so far, from what lies in the run folder: lives that have ended, bundles on their way.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "harvest/explain/run_view.hpp"
#include "sys/base/clock.hpp"

namespace yoda {

/// What a life left when it ended; an empty object if it left nothing.
nlohmann::json read_result(RunView const& view, Life life);

/// Each life: when, where, how it ended and why.
nlohmann::ordered_json list_lives(RunView const& view);
std::string print_lives(nlohmann::ordered_json const& lives);

/// The way of a bundle (its name without .tar) to its store and to PanDA, and what it waits for. An empty
/// object when harvest push has not met it yet.
nlohmann::ordered_json find_delivery(RunView const& view, std::string_view bundle, Clock const& clock);
/// `because`: the rule that chose its store, if that is known.
std::string print_delivery(nlohmann::ordered_json const& delivery, std::string_view because);

}  // namespace yoda
