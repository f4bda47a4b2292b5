// SPDX-License-Identifier: Apache-2.0
// Files with care: written whole or not at all, synced before anybody relies on them, no link is followed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace yoda {

/// An open file descriptor, closed at the end of its scope.
class FileDescriptor {
  public:
    FileDescriptor() = default;
    explicit FileDescriptor(int fd) : fd_(fd) {}
    FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.release()) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept
    {
        if (this != &other) reset(other.release());
        return *this;
    }
    ~FileDescriptor() { reset(); }

    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    int release()
    {
        int const fd = fd_;
        fd_ = -1;
        return fd;
    }
    void reset(int fd = -1);

  private:
    int fd_ = -1;
};

/// "what PATH: <errno text>", of kind no_space for ENOSPC and EDQUOT, else io.
Error os_error(std::string_view what, std::string_view path, int errno_value);

Result<FileDescriptor> open_file(std::string const& path, int flags, unsigned mode = 0666);
/// Writes all of `bytes` at the descriptor's position, through short writes and EINTR.
Status write_all(int fd, std::string_view bytes, std::string_view path);
/// fsync of the folder, so that a rename or a new name in it survives a crash.
Status sync_folder(std::string const& folder);
/// The whole file; an error above `limit_bytes` (outside input must not fill our memory).
Result<std::string> read_file(std::string const& path, std::uint64_t limit_bytes = 1ull << 30);
/// The same into `content`, whose memory is used again: for many files one after the other.
Status read_file_into(std::string& content, std::string const& path, std::uint64_t limit_bytes = 1ull << 30);
/// Readers see the old content or the new one: PATH.<pid>.part, fsync, rename, fsync of the folder.
/// With `durable` false the two syncs are left out (status files).
Status replace_file(std::string const& path, std::string_view bytes, unsigned mode = 0644,
                    bool durable = true);
/// Creates the folder and its parents; an existing folder is fine.
Status make_folders(std::string const& path);
/// The names in a folder, in any order; a folder that is not there is empty. (A range-for over a
/// std::filesystem::directory_iterator throws when a disk fails in the middle.)
Result<std::vector<std::string>> list_folder(std::string const& folder);
bool path_exists(std::string const& path);
/// Free space for this user on the file system that holds `path`.
Result<std::uint64_t> free_bytes(std::string const& path);

}  // namespace yoda
