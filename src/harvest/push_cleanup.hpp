// Removing local data of what has been reported. Index and manifest stay: they prove what was in the bundle.
#pragma once

#include <string>
#include <vector>

#include "harvest/push_worker.hpp"

namespace yoda {

/// Writes "cleaned" as a decision, makes all of them durable at once, then removes the data and puts the
/// records away. A kill in between leaves records in open/ that say "cleaned": their data is removed again.
void clean_reported(std::string const& run_folder, std::vector<Claim> claims, PushShared& shared);

}  // namespace yoda
