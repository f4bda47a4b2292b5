// SPDX-License-Identifier: Apache-2.0
// A job's logs as one gzipped tar: what PanDA calls logFile.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace yoda {

struct LogTarball {
    std::uint64_t bytes = 0;
    std::uint32_t adler32 = 0;
    std::uint32_t file_count = 0;
};

/// All regular files below `folder` that `wanted` (path below it) takes, in the order of their
/// names, as `top`/<path>. A file that grows or shrinks meanwhile is cut or filled up to the
/// size that it had. Written beside `output` and renamed. `give_up` is asked now and then.
/// Errors: io, no_space; unavailable when given up.
Result<LogTarball> write_log_tarball(std::string const& folder, std::string const& output,
                                     std::string const& top,
                                     std::function<bool(std::string_view)> const& wanted,
                                     std::function<bool()> const& give_up = {});

}  // namespace yoda
