// SPDX-License-Identifier: Apache-2.0
// The one rule for a file that a user names to be written (merge -o, --log, generate_events --output, ...):
//   a new name, or a regular file of the caller    is written beside its place, and renamed over it
//   `-`, a device, a FIFO that somebody reads       takes a format that is written from front to end (a tar)
//   a symbolic link, a folder, a socket, a file of somebody else    is refused by name
// A rename over a device or a FIFO would destroy it: /dev/null too, for root.
#pragma once

#include <optional>
#include <string>

#include "core/base/result.hpp"
#include "sys/base/files.hpp"

namespace yoda {

/// Error (usage): what stands at `path` cannot be replaced by a file.
Status check_replaceable(std::string const& path);

/// What a stream to `path` is written into: standard output for `-`, a device, a FIFO; nothing if a file
/// takes the place of `path`. Never waits for a reader. Errors (usage): as above; standard output is a
/// terminal; nobody reads the FIFO.
Result<std::optional<FileDescriptor>> open_stream(std::string const& path);

/// A file to be renamed later: new and empty, whatever a process that died left at the name.
Result<FileDescriptor> open_part(std::string const& part, unsigned mode = 0666);

/// check_replaceable, rename, sync of the folder. Removes `part` where that fails.
Status put_in_place(std::string const& part, std::string const& path);

}  // namespace yoda
