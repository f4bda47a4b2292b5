// SPDX-License-Identifier: Apache-2.0
// Where everything in a run folder lies (docs/architecture.md, "A run folder"): the one place that knows.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "core/table/bundle_index.hpp"

namespace yoda {

class RunFolder {
  public:
    explicit RunFolder(std::string path) : path_(std::move(path)) {}

    std::string const& path() const { return path_; }
    std::string jobs() const { return path_ + "/job.json"; }
    std::string payload_config() const { return path_ + "/payload.cfg"; }
    std::string config() const { return path_ + "/yoda.cfg"; }
    std::string events() const { return path_ + "/events.h5"; }
    std::string state() const { return path_ + "/state.h5"; }
    std::string lock() const { return path_ + "/lock"; }
    std::string status() const { return path_ + "/status.json"; }
    std::string result(Life life) const;
    std::string journal() const { return path_ + "/journal"; }
    std::string bundles() const { return path_ + "/bundles"; }
    std::string inbox() const { return path_ + "/inbox"; }
    std::string outbox() const { return path_ + "/outbox"; }
    std::string logs() const { return path_ + "/logs"; }
    std::string quarantine() const { return path_ + "/quarantine"; }

    /// Creates the folders that a run needs (an existing one is fine).
    Status make_folders() const;

  private:
    std::string path_;
};

/// The text of payload.cfg. Error without it: the run folder is not whole.
Result<std::string> read_payload_text(RunFolder const& folder);

/// The files of one bundle in its folder.
struct BundlePaths {
    std::string tar;
    std::string index;
    std::string manifest;
    std::string open_tar;    ///< while the bundle is open
    std::string open_index;  ///< while the bundle is open
};
BundlePaths bundle_paths(std::string_view bundle_folder, BundleOrigin const& origin);

}  // namespace yoda
