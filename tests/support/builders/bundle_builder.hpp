// SPDX-License-Identifier: Apache-2.0
// Builds bundles as a Droid leaves them, sealed or open, without any of the Droid's code: the tar by
// libarchive, the index and manifest by core/table/bundle_index.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/base/types.hpp"
#include "core/table/bundle_index.hpp"

namespace yoda::test {

/// Name (without the range's id) and content.
using BundleFileContent = std::pair<std::string, std::string>;

class BundleBuilder {
  public:
    explicit BundleBuilder(BundleOrigin origin) : origin_(origin) {}

    /// Adds one range's outputs; members are called NAME.<range id>.
    void add(RangeIndex range, Epoch epoch, std::string const& range_id,
             std::vector<BundleFileContent> const& files, std::uint32_t cpu_ms = 0,
             std::uint32_t wall_ms = 0);

    /// What write_... writes; tests may spoil it.
    std::vector<BundleEntry>& entries() { return entries_; }
    std::string& tar() { return tar_; }
    BundleOrigin const& origin() const { return origin_; }

    /// NAME.tar, NAME.index, NAME.manifest.json.
    void write_sealed(std::string const& folder) const;
    /// NAME.tar.part, NAME.index.part.
    void write_open(std::string const& folder) const;

    std::string index() const;
    BundleManifest manifest() const;

  private:
    BundleOrigin origin_;
    std::string tar_;  ///< without the blocks that end it
    std::vector<BundleEntry> entries_;
};

}  // namespace yoda::test
