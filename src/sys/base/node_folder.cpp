// SPDX-License-Identifier: Apache-2.0
#include "sys/base/node_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <vector>

namespace yoda {

namespace {

constexpr char const* lock_name = "/.in_use";

bool is_ours(std::string const& path)
{
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == ::geteuid();
}

}  // namespace

bool lock_file(int fd, int how)
{
    int result = 0;
    do result = ::flock(fd, how);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

Result<NodeFolder> NodeFolder::open(std::string path)
{
    auto const lock_path = path + lock_name;
    // The last user of before may remove the folder while we come: then once more.
    for (int tries = 0; tries < 10; ++tries) {
        if (auto made = make_folders(path); !made) return made.error();
        if (!is_ours(path))
            return Error{ErrorKind::refused, "cannot copy inputs to " + path, "it is somebody else's", {}};
        FileDescriptor in_use(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (!in_use) continue;
        if (!lock_file(in_use.get(), LOCK_SH)) return os_error("lock", path, errno);
        if (::access(lock_path.c_str(), F_OK) == 0) return NodeFolder(std::move(path), std::move(in_use));
    }
    return os_error("use", path, errno);
}

bool NodeFolder::begin_leaving()
{
    if (!in_use_ || is_last_) return is_last_;
    // Of two that ask at once one succeeds: the other's share is gone by then.
    is_last_ = ::flock(in_use_.get(), LOCK_EX | LOCK_NB) == 0;
    if (!is_last_) in_use_.reset();
    return is_last_;
}

NodeFolder::~NodeFolder()
{
    if (!begin_leaving()) return;  // Moved from, or others go on.
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

unsigned NodeFolder::remove_unused(std::string const& parent, std::string_view prefix)
{
    std::vector<std::string> found;
    std::error_code code;
    for (std::filesystem::directory_iterator it(parent, code), end; !code && it != end; it.increment(code)) {
        auto const& entry = *it;
        if (entry.path().filename().string().starts_with(prefix)) found.push_back(entry.path().string());
    }
    unsigned count = 0;
    for (auto const& path : found) {
        if (!is_ours(path)) continue;
        FileDescriptor const in_use(::open((path + lock_name).c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
        if (!in_use || ::flock(in_use.get(), LOCK_EX | LOCK_NB) != 0) continue;
        std::error_code failed;
        std::filesystem::remove_all(path, failed);
        count += failed ? 0 : 1;
    }
    return count;
}

}  // namespace yoda
