// A bundle's tar made again from outputs that lie in their store one by one: each content where the index
// says, a header before it, holes between. It is not the tar that was sealed, byte for byte, but holds all
// that merge reads and checks.
#pragma once

#include <string>

#include "core/bundle_index.hpp"
#include "core/result.hpp"
#include "harvest/stores/part_file.hpp"

namespace yoda {

class RemadeBundle {
  public:
    /// Of the size that the manifest promises. Errors: io, no_space.
    static Result<RemadeBundle> create(std::string const& path, BundleManifest const& manifest);
    /// `output` is a file with the member's content. bad_input: the index has no room for it.
    Status add(BundleMember const& member, std::string const& output);
    /// It gets its name.
    Status keep();

  private:
    RemadeBundle(PartFile part, std::uint64_t bytes) : part_(std::move(part)), bytes_(bytes) {}
    PartFile part_;
    std::uint64_t bytes_;
};

/// Whether a file of that size is there and every member in it has its adler32.
bool holds_all_members(std::string const& path, BundleManifest const& manifest, BundleIndex const& index);

}  // namespace yoda
