// SPDX-License-Identifier: Apache-2.0
#include "sys/bundle/output_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/base/types.hpp"
#include "core/table/event_range.hpp"

namespace yoda {

namespace {

constexpr int folder_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

/// The part of `path` below `folder`; false if it is not below it.
bool strip_folder(std::string_view path, std::string_view folder, std::string_view& below)
{
    if (folder.empty() || !path.starts_with(folder)) return false;
    auto const rest = path.substr(folder.size());
    if (!rest.starts_with('/')) return false;
    below = rest;
    return true;
}

}  // namespace

OutputFolder::OutputFolder(std::string path) : path_(std::move(path))
{
    while (path_.size() > 1 && path_.ends_with('/')) path_.pop_back();
    fd_ = FileDescriptor(::open(path_.c_str(), folder_flags));
    if (!fd_) open_error_ = errno;
    if (char* const real = ::realpath(path_.c_str(), nullptr)) {
        real_path_ = real;
        ::free(real);
    }
}

OutputFolder::Place OutputFolder::walk(std::string_view path) const
{
    Place place;
    std::string_view below = path;
    if (path.starts_with('/') && !strip_folder(path, path_, below) &&
        !strip_folder(path, real_path_, below)) {
        place.why = fmt::format("it is not in the worker's folder {}", path_);
        return place;
    }
    if (!fd_) {
        place.error_number = open_error_;
        return place;
    }
    int folder = fd_.get();
    while (true) {
        auto const slash = below.find('/');
        auto const part = below.substr(0, slash);
        bool const last = slash == std::string_view::npos;
        if (!last) below.remove_prefix(slash + 1);
        if (part.empty() || part == ".") {
            if (!last) continue;
            place.why = "it names a folder";
            return place;
        }
        if (!is_plain_file_name(part)) {
            place.is_bad_name = part != "..";
            place.why = place.is_bad_name ? "a part of it is no plain file name" : "it goes up by '..'";
            return place;
        }
        place.name = part;
        if (last) break;
        FileDescriptor next(::openat(folder, place.name.c_str(), folder_flags));
        if (!next) {
            place.error_number = errno;
            // A link where a folder should be: NOFOLLOW says ELOOP or, with O_DIRECTORY, ENOTDIR.
            struct stat info {};
            if (::fstatat(folder, place.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                S_ISLNK(info.st_mode))
                place.why = fmt::format("'{}' in it is a symbolic link", part);
            return place;
        }
        place.folder = std::move(next);
        folder = place.folder.get();
    }
    return place;
}

std::variant<OutputFile, OutputFault> OutputFolder::open(std::string_view path) const
{
    auto const refuse = [&](std::uint16_t error_code, std::string_view why) {
        return OutputFault{error_code, fmt::format("output {} cannot be taken: {}", path, why)};
    };
    Place const place = walk(path);
    if (!place.why.empty())
        return refuse(place.is_bad_name ? code::es_fatal : code::payload_failure, place.why);
    if (place.error_number != 0) return refuse(code::missing_output, std::strerror(place.error_number));
    int const folder = place.folder ? place.folder.get() : fd_.get();
    OutputFile output;
    // Without O_NONBLOCK a named pipe would hold us for ever.
    output.fd = FileDescriptor(
        ::openat(folder, place.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!output.fd) {
        if (errno == ELOOP) return refuse(code::payload_failure, "it is a symbolic link");
        if (errno == ENXIO) return refuse(code::payload_failure, "it is no regular file");
        return refuse(code::missing_output, std::strerror(errno));
    }
    struct stat info {};
    if (::fstat(output.fd.get(), &info) != 0) return refuse(code::missing_output, std::strerror(errno));
    if (!S_ISREG(info.st_mode)) return refuse(code::payload_failure, "it is no regular file");
    if (info.st_size == 0) return refuse(code::zero_file_size, "it is empty");
    output.path = path;
    output.name = place.name;
    output.bytes = static_cast<std::uint64_t>(info.st_size);
    return output;
}

Status OutputFolder::remove(std::string_view path) const
{
    Place const place = walk(path);
    if (!place.why.empty())
        return Error{ErrorKind::bad_input, fmt::format("will not remove {}", path), place.why, {}};
    if (place.error_number == ENOENT) return {};
    if (place.error_number != 0) return os_error("remove", path, place.error_number);
    int const folder = place.folder ? place.folder.get() : fd_.get();
    if (::unlinkat(folder, place.name.c_str(), 0) != 0 && errno != ENOENT)
        return os_error("remove", path, errno);
    return {};
}

}  // namespace yoda
