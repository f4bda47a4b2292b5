// SPDX-License-Identifier: Apache-2.0
// A tar file being written, by libarchive: every offset is known, its adler32 runs along, and what was not
// completed can be cut off again. Headers are plain POSIX ustar, pax only where a name or size does not fit;
// owner, mode and times are always the same.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "sys/base/files.hpp"

namespace yoda {

class TarFile {
  public:
    /// What the bytes go into: a file, which can be cut back, or a pipe, a device, standard output.
    enum class Kind { file, stream };
    /// `file` is empty and open for writing; `path` is for messages.
    TarFile(FileDescriptor file, std::string path, Kind kind = Kind::file);
    ~TarFile();
    TarFile(TarFile const&) = delete;
    TarFile& operator=(TarFile const&) = delete;

    /// Writes the header; exactly `bytes` bytes of content must follow.
    Status begin_member(std::string const& name, std::uint64_t bytes);
    Status write(std::string_view content);
    /// Writes the padding.
    Status end_member();

    /// A place between two members.
    struct Mark {
        std::uint64_t bytes = 0;
        std::uint32_t adler32 = 1;
    };
    Mark mark() const { return {written_ + buffer_.size(), sum_}; }
    /// Forgets all that came after the mark. Of a file only.
    Status cut_back(Mark const& mark);

    /// Hands everything to the operating system.
    Status flush();
    /// Flushes and makes it durable.
    Status sync();
    /// Writes the blocks that end a tar, and makes all of it durable.
    Status finish();

    std::uint64_t bytes() const { return mark().bytes; }
    /// Of all bytes so far.
    std::uint32_t adler32() const { return sum_; }

  private:
    struct Archive;
    bool take(std::string_view bytes);
    Status write_out(std::string_view bytes);
    Status check(long result);

    FileDescriptor file_;
    std::string path_;
    Kind kind_;
    std::string buffer_;         ///< bytes not yet written
    std::uint64_t written_ = 0;  ///< bytes in the file
    std::uint32_t sum_ = 1;
    Status write_status_;  ///< why take() said no
    std::unique_ptr<Archive> archive_;
};

}  // namespace yoda
