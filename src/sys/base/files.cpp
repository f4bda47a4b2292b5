// SPDX-License-Identifier: Apache-2.0
#include "sys/base/files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

namespace yoda {

void FileDescriptor::reset(int fd)
{
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
}

Error os_error(std::string_view what, std::string_view path, int errno_value)
{
    bool const full = errno_value == ENOSPC || errno_value == EDQUOT;
    Error error{full ? ErrorKind::no_space : ErrorKind::io,
                fmt::format("cannot {} {}", what, path),
                std::strerror(errno_value),
                {}};
    if (full) error.fix = "free space or quota there";
    return error;
}

Result<FileDescriptor> open_file(std::string const& path, int flags, unsigned mode)
{
    int const fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (fd < 0) return os_error("open", path, errno);
    return FileDescriptor(fd);
}

Status write_all(int fd, std::string_view bytes, std::string_view path)
{
    while (!bytes.empty()) {
        ssize_t const n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) {  // A pipe that whoever gave it to us made so.
            pollfd event{fd, POLLOUT, 0};
            ::poll(&event, 1, -1);
            continue;
        }
        if (n < 0) return os_error("write", path, errno);
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
}

Status sync_folder(std::string const& folder)
{
    std::string const path = folder.empty() ? "." : folder;
    auto fd = open_file(path, O_RDONLY | O_DIRECTORY);
    if (!fd) return fd.error();
    // Some network file systems refuse fsync on a folder; there it has no meaning either.
    if (::fsync(fd->get()) != 0 && errno != EINVAL && errno != EROFS) return os_error("sync", path, errno);
    return {};
}

Status read_file_into(std::string& content, std::string const& path, std::uint64_t limit_bytes)
{
    content.clear();
    auto fd = open_file(path, O_RDONLY);
    if (!fd) return fd.error();
    struct stat info {};
    // A hint only: files of /proc have size 0, and others may grow.
    if (::fstat(fd->get(), &info) == 0 && info.st_size > 0)
        content.reserve(std::min(static_cast<std::uint64_t>(info.st_size), limit_bytes) + 1);
    char buffer[1 << 16];
    for (;;) {
        ssize_t const n = ::read(fd->get(), buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return os_error("read", path, errno);
        if (n == 0) return {};
        content.append(buffer, static_cast<std::size_t>(n));
        if (content.size() > limit_bytes)
            return Error{ErrorKind::bad_input,
                         fmt::format("{} is too large", path),
                         fmt::format("over {} bytes", limit_bytes),
                         {}};
    }
}

Result<std::string> read_file(std::string const& path, std::uint64_t limit_bytes)
{
    std::string content;
    if (auto status = read_file_into(content, path, limit_bytes); !status) return status.error();
    return content;
}

Status replace_file(std::string const& path, std::string_view bytes, unsigned mode, bool durable)
{
    std::string const part = fmt::format("{}.{}.part", path, ::getpid());
    auto fd = open_file(part, O_WRONLY | O_CREAT | O_TRUNC, mode);
    if (!fd) return fd.error();
    Status status = write_all(fd->get(), bytes, part);
    if (status && durable && ::fsync(fd->get()) != 0) status = os_error("sync", part, errno);
    fd->reset();
    if (status && ::rename(part.c_str(), path.c_str()) != 0) status = os_error("rename", part, errno);
    if (!status) {
        ::unlink(part.c_str());
        return status;
    }
    if (durable) return sync_folder(std::filesystem::path(path).parent_path().string());
    return {};
}

Status make_folders(std::string const& path)
{
    std::error_code code;
    std::filesystem::create_directories(path, code);
    if (code) return os_error("create folder", path, code.value());
    return {};
}

Result<std::vector<std::string>> list_folder(std::string const& folder)
{
    std::vector<std::string> names;
    std::unique_ptr<DIR, int (*)(DIR*)> const dir(::opendir(folder.c_str()), &::closedir);
    if (!dir && errno == ENOENT) return names;
    if (!dir) return os_error("read folder", folder, errno);
    for (;;) {
        errno = 0;
        auto const* const entry = ::readdir(dir.get());
        if (!entry && errno != 0) return os_error("read folder", folder, errno);
        if (!entry) return names;
        if (std::string_view const name = entry->d_name; name != "." && name != "..")
            names.emplace_back(name);
    }
}

bool path_exists(std::string const& path)
{
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0;
}

Result<std::uint64_t> free_bytes(std::string const& path)
{
    struct statvfs info {};
    if (::statvfs(path.c_str(), &info) != 0) return os_error("ask the free space of", path, errno);
    return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

}  // namespace yoda
