// SPDX-License-Identifier: Apache-2.0
// Reads a payload's configuration and settles where its program is, so that a run works from any folder.
#pragma once

#include <string>

#include "core/base/result.hpp"
#include "core/config/payload_config.hpp"

namespace yoda {

/// The configuration in `path` with the executable as an absolute path. A name with a slash counts from the
/// configuration's own folder; a bare one is looked for in `program_folder` (where harvest is), then in
/// `search_path` (folders joined by colons, as $PATH).
/// Errors: no such configuration, unknown settings, no such program, not executable.
Result<PayloadConfig> read_payload(std::string const& path, std::string const& program_folder,
                                   std::string const& search_path);

}  // namespace yoda
