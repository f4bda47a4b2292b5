// SPDX-License-Identifier: Apache-2.0
// Runs a plan and says what broke; makes a plan that fails small: fewer faults, notes, Droids, ranges, as
// long as the same promise breaks.
#pragma once

#include <optional>

#include "world.hpp"

namespace yoda::sim {

/// nullopt: all promises were kept, `outcome` says how it went.
std::optional<Violation> run_plan(Plan const& plan, Outcome& outcome, Trace* trace = nullptr);

/// At most `runs` worlds are tried.
Plan shrink(Plan plan, std::string const& checker, unsigned runs);

}  // namespace yoda::sim
