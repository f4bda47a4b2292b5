// SPDX-License-Identifier: Apache-2.0
// What lies in a run's bundle folder, as facts for core/journal/recovery. A sealed bundle costs one small
// file and one stat; only bundles that are open, unknown, or not as the table thinks have their index read.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/base/findings.hpp"
#include "core/base/result.hpp"
#include "core/journal/recovery.hpp"
#include "core/table/event_table.hpp"

namespace yoda {

struct BundleFiles {
    std::string tar;                     ///< path of the one that counts; empty if there is none
    std::string index;                   ///< likewise
    std::vector<std::string> own;        ///< names of the bundle's files but the leftovers, as they must go
    std::vector<std::string> leftovers;  ///< names of those that count in no case
};

struct BundleScan {
    std::vector<BundleFacts> facts;
    std::vector<BundleFiles> files;  ///< of each of them
    std::uint32_t newest_life = 0;   ///< in any bundle's name
    std::uint64_t read_count = 0;    ///< indexes that were read
};

struct ScanOptions {
    bool read_all = false;  ///< the journal is incomplete: every index may hold what the table does not know
    std::vector<std::int64_t> panda_ids;  ///< by job
    /// Sealed bundles are read whole, to find bytes that changed after they were written.
    bool read_data = false;
};

/// Works beside a running yoda too, which renames what we look at: then it looks
/// again. Errors: the folder cannot be read.
Result<BundleScan> scan_bundles(std::string const& folder, EventTable const& table,
                                ScanOptions const& options, Findings& findings);

/// A bundle_name() and the suffix after it; job is not in a name. False if it is not such a name.
bool parse_bundle_name(std::string_view name, BundleOrigin& origin, std::string_view& suffix);

}  // namespace yoda
