#include "harvest/stores/part_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "harvest/stores/digest.hpp"

namespace yoda {

PartFile::PartFile(std::string path, std::string part, FileDescriptor fd)
    : path_(std::move(path)), part_(std::move(part)), fd_(std::move(fd))
{}

PartFile::~PartFile()
{
    if (fd_ && !part_.empty()) ::unlink(part_.c_str());
}

Result<PartFile> PartFile::create(std::string const& path)
{
    std::filesystem::path const target(path);
    // Hidden, and never one that another process writes.
    std::string const part =
        (target.parent_path() / fmt::format(".{}.{}.part", target.filename().string(), random_hex(6)))
            .string();
    auto fd = open_file(part, O_RDWR | O_CREAT | O_EXCL);
    if (!fd) return fd.error();
    return PartFile(path, part, *std::move(fd));
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
