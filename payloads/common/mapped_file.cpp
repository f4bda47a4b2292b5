// SPDX-License-Identifier: Apache-2.0
#include "common/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "core/event_text/archive_members.hpp"

namespace yoda::samples {
namespace {

[[noreturn]] void refuse(std::string const& path, std::string const& why)
{
    throw std::runtime_error("input file " + path + ": " + why);
}

void refuse_compressed(std::string const& path, std::string_view text)
{
    using namespace std::string_view_literals;
    for (auto const magic : {"\x1f\x8b"sv, "\x28\xb5\x2f\xfd"sv, "BZh"sv, "\xfd\x37zXZ"sv}) {
        if (text.starts_with(magic))
            refuse(path, "is compressed; events cannot be sought in it, so unpack it first");
    }
}

void refuse_archive(std::string const& path, std::string_view text)
{
    auto const read = [text](std::uint64_t offset, std::size_t bytes) {
        return std::string(text.substr(std::min<std::size_t>(offset, text.size()), bytes));
    };
    if (auto const count = count_archive_members(text.size(), read); count.value_or(1) > 1)
        refuse(path,
               "is an archive of " + std::to_string(*count) + " files; unpack it and give them one by one");
}

}  // namespace

CutEvents cut_events()
{
    return std::getenv("YODA_ACCEPT_CUT") ? CutEvents::leave_out : CutEvents::refuse_in_the_middle;
}

MappedFile::MappedFile(std::string const& path) : path_(path)
{
    int const fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) refuse(path, std::string("cannot be opened: ") + std::strerror(errno));
    struct stat status = {};
    void* address = MAP_FAILED;
    int error = 0;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        error = EINVAL;
    } else if (status.st_size > 0) {
        address = mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ, MAP_SHARED, fd, 0);
        error = address == MAP_FAILED ? errno : 0;
    }
    close(fd);
    if (error != 0) refuse(path, std::string("cannot be read: ") + std::strerror(error));
    if (status.st_size == 0) refuse(path, "is empty");
    text_ = {static_cast<char const*>(address), static_cast<std::size_t>(status.st_size)};
    modified_ns_ = status.st_mtim.tv_sec * std::int64_t{1'000'000'000} + status.st_mtim.tv_nsec;
    try {
        refuse_compressed(path, text_);
        refuse_archive(path, text_);
    } catch (...) {
        munmap(address, text_.size());
        throw;
    }
}

MappedFile::~MappedFile()
{
    munmap(const_cast<char*>(text_.data()), text_.size());
}

}  // namespace yoda::samples
