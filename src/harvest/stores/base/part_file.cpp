// SPDX-License-Identifier: Apache-2.0
#include "harvest/stores/base/part_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "harvest/stores/base/digest.hpp"

namespace yoda {

namespace {

/// Of a long name the begin is enough: the mark alone tells uploads apart.
std::string part_prefix(std::filesystem::path const& target, std::string const& mark)
{
    constexpr std::size_t shown_bytes = 200;
    return fmt::format(".{}.{}-", target.filename().string().substr(0, shown_bytes), mark);
}

}  // namespace

PartFile::PartFile(std::string path, std::string part, FileDescriptor fd)
    : path_(std::move(path)), part_(std::move(part)), fd_(std::move(fd))
{}

PartFile::~PartFile()
{
    if (fd_ && !part_.empty()) ::unlink(part_.c_str());
}

Result<PartFile> PartFile::create(std::string const& path, std::string const& mark)
{
    std::filesystem::path const target(path);
    // Hidden, and never one that another process writes.
    std::string const part =
        (target.parent_path() / fmt::format("{}{}.part", part_prefix(target, mark), random_hex(6))).string();
    auto fd = open_file(part, O_RDWR | O_CREAT | O_EXCL);
    if (!fd) return fd.error();
    return PartFile(path, part, *std::move(fd));
}

void remove_part_files(std::string const& path, std::string const& mark)
{
    std::filesystem::path const target(path);
    auto const prefix = part_prefix(target, mark);
    std::error_code code;
    for (std::filesystem::directory_iterator it(target.parent_path(), code), end; !code && it != end;
         it.increment(code)) {
        auto const& entry = *it;
        auto const name = entry.path().filename().string();
        if (name.starts_with(prefix) && name.ends_with(".part")) ::unlink(entry.path().c_str());
    }
}

void PartFile::rewind()
{
    // A failure shows as wrong content, which every caller checks.
    if (::ftruncate(fd_.get(), 0) == 0) ::lseek(fd_.get(), 0, SEEK_SET);
}

Status PartFile::keep()
{
    if (::fsync(fd_.get()) != 0) return os_error("sync", part_, errno);
    if (::rename(part_.c_str(), path_.c_str()) != 0) return os_error("rename", part_, errno);
    part_.clear();
    return sync_folder(std::filesystem::path(path_).parent_path().string());
}

}  // namespace yoda
