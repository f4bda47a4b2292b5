// SPDX-License-Identifier: Apache-2.0
// The Pool file catalogue: GUID -> PFN, as Athena's file service reads it (docs/reference/athenamp.md §7).
#pragma once

#include <string>
#include <vector>

#include "core/job/job.hpp"

namespace yoda::athenamp {

/// Inputs without GUID or PFN are left out; of several with one GUID the first counts. Values are escaped as
/// XML attributes; what XML 1.0 cannot hold at all (control characters) leaves the file out.
std::string print_pool_catalogue(std::vector<InputFile> const& inputs);

}  // namespace yoda::athenamp
