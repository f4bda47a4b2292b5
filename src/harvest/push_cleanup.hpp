// Removing local data of what has been reported. Index and manifest stay: they prove what was in the bundle.
#pragma once

#include <string>
#include <vector>

#include "harvest/push_worker.hpp"

namespace yoda {

/// Makes all their states durable at once, then removes the data and puts the records away.
void clean_reported(std::string const& run_folder, std::vector<Claim> claims, PushShared& shared);

}  // namespace yoda
