// SPDX-License-Identifier: Apache-2.0
// Bundles that were cleaned up here, fetched back from the store that the stager's record names, for
// `harvest merge --fetch`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "harvest/stage_out/push_command.hpp"

namespace yoda {

struct FetchedBack {
    std::uint64_t bundle_count = 0;
    std::uint64_t bytes = 0;
};

/// Brings each of these bundles ("NAME.tar") into `folder`, which is made. A bundle that is there whole
/// already is not fetched again. Where outputs were sent one by one, their tar is made again.
/// Every byte is checked against the manifest. Errors: unavailable, refused, no_space, io as the store says;
/// bad_input: what came back is not what was sent, or the bundle never went to a store as a bundle.
Result<FetchedBack> fetch_back(std::string const& run_folder, std::vector<std::string> const& tar_names,
                               std::string const& folder, PushOptions const& options, Log& log,
                               Clock const& clock);

}  // namespace yoda
