// SPDX-License-Identifier: Apache-2.0
#include "sys/base/run_folder.hpp"

#include <fmt/format.h>

#include "sys/base/files.hpp"

namespace yoda {

std::string RunFolder::result(Life life) const
{
    return fmt::format("{}/result.{}.json", path_, life);
}

Status RunFolder::make_folders() const
{
    for (auto const& folder : {path_, journal(), bundles(), inbox(), outbox(), logs(), quarantine()}) {
        if (auto status = yoda::make_folders(folder); !status) return status;
    }
    return sync_folder(path_);
}

Result<std::string> read_payload_text(RunFolder const& folder)
{
    if (!path_exists(folder.payload_config()))
        return Error{ErrorKind::bad_input, fmt::format("run folder {} is not whole", folder.path()),
                     "it has no payload.cfg", "put the file back, or make the run anew with harvest new"};
    return read_file(folder.payload_config());
}

BundlePaths bundle_paths(std::string_view bundle_folder, BundleOrigin const& origin)
{
    auto const stem = fmt::format("{}/{}", bundle_folder, bundle_name(origin));
    return {stem + ".tar", stem + ".index", stem + ".manifest.json", stem + ".tar.part",
            stem + ".index.part"};
}

}  // namespace yoda
