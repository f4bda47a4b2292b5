// SPDX-License-Identifier: Apache-2.0
// `harvest explain RUN RANGE|BUNDLE`: all that is known of one range or bundle, and why its state is as it
// is. The answer is made as JSON; the text for people is printed from this.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "harvest/config/harvest_config.hpp"
#include "harvest/explain/run_view.hpp"
#include "sys/base/clock.hpp"

namespace yoda {

/// Its state, where its output is and how far on its way to the store, why it failed in each life. Error: no
/// such range in this run.
Result<nlohmann::ordered_json> explain_range(RunView const& view, std::string_view range_id,
                                             HarvestConfig const& config, Clock const& clock);
std::string print_range(nlohmann::ordered_json const& range);

/// Its state, who wrote it, how far it is on its way to the store, and which rule chose that. `name` with or
/// without .tar. Error: no such bundle in this run.
Result<nlohmann::ordered_json> explain_bundle(RunView const& view, std::string_view name,
                                              HarvestConfig const& config, Clock const& clock);
std::string print_bundle(nlohmann::ordered_json const& bundle);

}  // namespace yoda
