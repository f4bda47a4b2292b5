// SPDX-License-Identifier: Apache-2.0
// How many files a tar or zip holds. Events of a file that is alone in a plain archive are found like those
// of a file; of several only the first would be found, or all of them with the first one's header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace yoda {

/// The bytes of a file from an offset on; fewer at its end.
using ReadAt = std::function<std::string(std::uint64_t offset, std::size_t bytes)>;

/// Its files, without folders and the archive's own records, at most 1,000 of them. nullopt: neither a tar
/// nor a readable zip.
std::optional<unsigned> count_archive_members(std::uint64_t file_bytes, ReadAt const& read);

}  // namespace yoda
