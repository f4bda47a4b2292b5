#include "sys/run_folder.hpp"

#include <fmt/format.h>

#include "sys/files.hpp"

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

BundlePaths bundle_paths(std::string_view bundle_folder, BundleOrigin const& origin)
{
    auto const stem = fmt::format("{}/{}", bundle_folder, bundle_name(origin));
    return {stem + ".tar", stem + ".index", stem + ".manifest.json", stem + ".tar.part",
            stem + ".index.part"};
}

}  // namespace yoda
