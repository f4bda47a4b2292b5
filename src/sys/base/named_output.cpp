// SPDX-License-Identifier: Apache-2.0
#include "sys/base/named_output.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

namespace yoda {

namespace {

constexpr std::string_view standard_output = "-";

Error refuse(std::string const& path, std::string why, std::string fix)
{
    return Error{ErrorKind::usage, "cannot write " + path, std::move(why), std::move(fix)};
}

Error refuse(std::string const& path, std::string why)
{
    return refuse(path, std::move(why), "name a new file, or a regular file of your own");
}

/// What stands at the path itself; nothing where it is free.
Result<std::optional<struct stat>> look(std::string const& path)
{
    if (path.empty()) return refuse("the output", "it has no name");
    if (path.ends_with('/')) return refuse(path, "it names a folder");
    struct stat info {};
    if (::lstat(path.c_str(), &info) == 0) return std::optional(info);
    if (errno == ENOENT) return std::optional<struct stat>();
    return os_error("look at", path, errno);
}

bool takes_a_stream(mode_t mode)
{
    return S_ISCHR(mode) || S_ISBLK(mode) || S_ISFIFO(mode);
}

std::string name_kind(mode_t mode)
{
    if (S_ISLNK(mode)) return "it is a symbolic link";
    if (S_ISDIR(mode)) return "it is a folder";
    if (S_ISSOCK(mode)) return "it is a socket";
    if (S_ISFIFO(mode)) return "it is a FIFO, which this output cannot be written into";
    return "it is a device, which this output cannot be written into";
}

Status check_kind(std::string const& path, struct stat const& info)
{
    if (!S_ISREG(info.st_mode)) return refuse(path, name_kind(info.st_mode));
    if (info.st_uid != ::geteuid())
        return refuse(path,
                      fmt::format("it belongs to user {}, not to you (user {})", info.st_uid, ::geteuid()));
    return {};
}

Result<std::optional<FileDescriptor>> open_standard_output()
{
    if (::isatty(STDOUT_FILENO))
        return refuse("to standard output", "it is a terminal", "redirect it, or name a file");
    int const fd = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (fd < 0) return os_error("write", "to standard output", errno);
    return std::optional(FileDescriptor(fd));
}

}  // namespace

Status check_replaceable(std::string const& path)
{
    if (path == standard_output)
        return refuse(path, "it stands for standard output, which this output cannot be written into");
    auto const there = look(path);
    if (!there) return there.error();
    return *there ? check_kind(path, **there) : Status();
}

Result<std::optional<FileDescriptor>> open_stream(std::string const& path)
{
    if (path == standard_output) return open_standard_output();
    auto const there = look(path);
    if (!there) return there.error();
    if (!*there) return std::optional<FileDescriptor>();
    if (!takes_a_stream((*there)->st_mode)) {
        if (auto const status = check_kind(path, **there); !status) return status.error();
        return std::optional<FileDescriptor>();
    }
    // Without O_NONBLOCK a FIFO without a reader would hold us for ever.
    FileDescriptor stream(::open(path.c_str(), O_WRONLY | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
    if (!stream && errno == ENXIO && S_ISFIFO((*there)->st_mode))
        return refuse(path, "it is a FIFO that nobody reads", "start its reader first");
    if (!stream) return os_error("open", path, errno);
    struct stat info {};
    if (::fstat(stream.get(), &info) != 0 || !takes_a_stream(info.st_mode))
        return refuse(path, "it was replaced while it was opened");
    int const flags = ::fcntl(stream.get(), F_GETFL);
    if (flags < 0 || ::fcntl(stream.get(), F_SETFL, flags & ~O_NONBLOCK) != 0)
        return os_error("open", path, errno);
    return std::optional(std::move(stream));
}

Result<FileDescriptor> open_part(std::string const& part, unsigned mode)
{
    if (::unlink(part.c_str()) != 0 && errno != ENOENT) return os_error("remove", part, errno);
    return open_file(part, O_RDWR | O_CREAT | O_EXCL, mode);
}

Status put_in_place(std::string const& part, std::string const& path)
{
    auto status = check_replaceable(path);
    if (status && std::rename(part.c_str(), path.c_str()) != 0) status = os_error("rename", part, errno);
    if (status) return sync_folder(std::filesystem::path(path).parent_path().string());
    ::unlink(part.c_str());
    return status;
}

}  // namespace yoda
