// SPDX-License-Identifier: Apache-2.0
// A sealed bundle made of entries of another bundle: what sealing does with rejected entries, and what
// recovery does with bundles that were left open. Written under temporary names; the manifest comes last.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "core/table/bundle_index.hpp"

namespace yoda {

/// One hand-out as an index names it.
struct EntryKey {
    RangeIndex range = 0;
    Epoch epoch;
    bool operator==(EntryKey const&) const = default;
};

/// What a manifest says that the bundle itself does not know.
struct SealFacts {
    std::int64_t task_id = 0;
    std::int64_t jobset_id = 0;
    std::int64_t unix_s = 0;
};

struct SealedCopy {
    BundleManifest manifest;        ///< entry_count 0: nothing was left, no file was written
    std::vector<EntryKey> damaged;  ///< left out: their bytes are not what their checksums say
};

/// Copies the entries from `source_tar`, which is only read, into bundle `origin` in `folder`. Headers are
/// made anew, each member is checked against its adler32. Errors: the source cannot be opened; the folder is
/// full, read-only or gone (then nothing of the copy counts, as it has no manifest).
Result<SealedCopy> write_sealed_copy(std::string const& source_tar, std::span<BundleEntry const> entries,
                                     std::string const& folder, BundleOrigin const& origin,
                                     SealFacts const& facts);

/// What seals a bundle, when all else of it is durable.
Status write_manifest(std::string const& path, BundleManifest const& manifest);
/// Renames within one folder; the folder is not synced.
Status rename_file(std::string const& from, std::string const& to);

}  // namespace yoda
