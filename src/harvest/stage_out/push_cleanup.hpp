// SPDX-License-Identifier: Apache-2.0
// Removing local data of what has been reported. Index and manifest stay: they prove what was in the bundle.
#pragma once

#include <cstddef>
#include <string>

#include "harvest/stage_out/push_worker.hpp"

namespace yoda {

/// How many are cleaned at once, so that they share a sync.
constexpr std::size_t clean_batch = 256;

/// Of what waits in `shared.to_clean`, if there is `at_least` so much: writes "cleaned" as a decision, makes
/// all of them durable at once, then removes the data and puts the records away. A kill in between leaves
/// records in open/ that say "cleaned": their data is removed again.
void clean_waiting(std::string const& run_folder, std::size_t at_least, PushShared& shared);

}  // namespace yoda
