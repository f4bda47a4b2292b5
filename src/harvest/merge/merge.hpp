// SPDX-License-Identifier: Apache-2.0
// `harvest merge`: every finished range's output exactly once, in event order,
// verified, in one file (docs/merge.md). The bytes of the result depend on the outputs
// alone: not on Droids, order, retries or kills.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/result.hpp"
#include "core/config/payload_config.hpp"
#include "core/job/job.hpp"
#include "core/table/event_table.hpp"

namespace yoda {

struct MergeOptions {
    OutputKind kind = OutputKind::hdf5;             ///< as the payload's configuration says
    bool partial = false;                           ///< merge what is finished though more is not
    std::string fetched_folder;                     ///< where bundles lie that were fetched back; empty: none
    std::uint64_t max_in_memory_bytes = 64u << 20;  ///< larger HDF5 outputs are read where they lie
    /// Called now and then; may be empty.
    std::function<void(std::uint64_t done, std::uint64_t total)> progress;
};

struct MergeSummary {
    std::string output;
    std::uint64_t bytes = 0;
    std::uint64_t range_count = 0;
    std::uint64_t event_count = 0;
    StateCounts left_out{};      ///< ranges by state that are not in the output
    bool events_checked = true;  ///< false: outputs do not tell their events (no /events/number)
    std::vector<std::pair<std::string, std::uint64_t>> datasets;  ///< path and rows; empty for a tar
};

/// A bundle whose data are needed and not there.
struct MissingBundle {
    BundleOrigin origin;
    std::uint64_t range_count = 0;
};

/// Bundles that merge_run would name as lacking, so that they can be fetched back first.
std::vector<MissingBundle> find_missing_bundles(EventTable const& table, std::string const& run,
                                                std::string const& fetched_folder);

/// Errors: an output that cannot be written there (usage; sys/base/named_output.hpp); unfinished ranges
/// (unless partial) and missing bundles of kind `unavailable`, naming them; damaged or contradicting data,
/// naming range, bundle and member; outputs that do not fit together; a full disk. The output is there whole
/// or not at all, unless it is a stream.
Result<MergeSummary> merge_run(EventTable const& table, std::vector<Job> const& jobs, std::string const& run,
                               std::string const& output, MergeOptions const& options);

}  // namespace yoda
