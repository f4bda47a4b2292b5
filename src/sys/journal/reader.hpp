// SPDX-License-Identifier: Apache-2.0
// Reads one journal segment from the disk, in pieces that fit into memory, through what is torn or damaged.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/journal/journal_format.hpp"
#include "sys/base/files.hpp"

namespace yoda {

class SegmentReader {
  public:
    /// Error: the segment cannot be opened or read.
    static Result<SegmentReader> open(std::string const& path, std::size_t window_bytes = 32u << 20);

    enum class Step {
        record,         ///< record(), info(), offset(): valid until the next step
        end,            ///< all bytes were whole frames
        damage,         ///< bytes [offset(), damage_end()) are not frames; reading goes on after them
        torn,           ///< nothing from offset() on is a whole frame: [offset(), damage_end()) is the rest
        other_version,  ///< a whole frame of another format at offset(): see trouble()
        unreadable,     ///< the disk failed: see trouble()
    };
    /// `end`, `torn`, `other_version` and `unreadable` are the last steps.
    Step next();

    journal::Record const& record() const { return reader_.record(); }
    journal::FrameInfo const& info() const { return reader_.info(); }
    std::uint64_t offset() const { return offset_; }
    std::uint64_t damage_end() const { return damage_end_; }
    std::string const& trouble() const { return trouble_; }

  private:
    SegmentReader(FileDescriptor file, std::string path, std::size_t window_bytes);
    bool fill();
    Step skip_damage();

    FileDescriptor file_;
    std::string path_;
    std::size_t window_bytes_;
    std::string window_;
    std::uint64_t window_begin_ = 0;  ///< where in the file window_ begins
    bool at_end_ = false;             ///< window_ reaches to the end of the file
    journal::Reader reader_;
    std::uint64_t offset_ = 0;
    std::uint64_t damage_end_ = 0;
    std::string trouble_;
};

/// A copy of bytes [begin, end) of a file as a new file; one that exists already stays as it is.
Status copy_bytes(std::string const& from, std::uint64_t begin, std::uint64_t end, std::string const& to);

}  // namespace yoda
