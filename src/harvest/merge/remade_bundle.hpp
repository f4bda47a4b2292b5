// SPDX-License-Identifier: Apache-2.0
// A bundle's tar made again from outputs that lie in their store one by one: by the same writer, in the order
// of its index, so the same bytes.
#pragma once

#include <memory>
#include <string>

#include "core/base/result.hpp"
#include "core/table/bundle_index.hpp"
#include "harvest/stores/base/part_file.hpp"
#include "sys/bundle/tar_file.hpp"

namespace yoda {

class RemadeBundle {
  public:
    /// Errors: io, no_space.
    static Result<RemadeBundle> create(std::string const& path);
    /// The next member; `output` is a file with its content. bad_input: it would lie
    /// elsewhere than the index says.
    Status add(BundleMember const& member, std::string const& output);
    /// Ends the tar; it gets its name. bad_input: it is not what the manifest promises.
    Status keep(BundleManifest const& manifest);

  private:
    RemadeBundle(PartFile part, std::unique_ptr<TarFile> tar) : part_(std::move(part)), tar_(std::move(tar))
    {}
    PartFile part_;
    std::unique_ptr<TarFile> tar_;
};

}  // namespace yoda
