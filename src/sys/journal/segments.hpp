// SPDX-License-Identifier: Apache-2.0
// The files of the journal: RUN/journal/<life>-<segment>.journal, both numbers zero-padded (docs/journal.md).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "sys/base/files.hpp"

namespace yoda {

/// A segment as found in the folder.
struct JournalSegment {
    Life life = 0;
    std::uint64_t number = 0;  ///< grows over all lives
    std::string path;
    std::uint64_t bytes = 0;
};

/// All segments in order of writing: by life, then number, since what an older life still wrote after a newer
/// one had begun comes before that one's. Other files are left out. Error: the folder cannot be read.
Result<std::vector<JournalSegment>> list_segments(std::string const& folder);

std::string segment_path(std::string const& folder, Life life, std::uint64_t number);
/// Makes the file, which must not exist, and its name durable.
Result<FileDescriptor> create_segment(std::string const& folder, Life life, std::uint64_t number);
/// Removes the segments of this life before `number`, and all of older lives; never one of a newer life.
Status remove_segments(std::string const& folder, Life life, std::uint64_t number);

}  // namespace yoda
