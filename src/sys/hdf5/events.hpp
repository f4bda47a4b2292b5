// SPDX-License-Identifier: Apache-2.0
// How many events an HDF5 input file holds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/result.hpp"

namespace yoda::hdf5 {

/// The length of the dataset /events (as in LHEH5), or of the one-dimensional datasets in a group /events if
/// they agree; nullopt if there is neither. Error: HDF5 cannot read the file.
Result<std::optional<std::uint64_t>> count_events(std::string const& path);

}  // namespace yoda::hdf5
