// SPDX-License-Identifier: Apache-2.0
// A folder on a node's own disk that several processes of one user share: whoever uses it holds a shared
// lock, the last one to leave removes it. A process that dies gives its lock up with its life.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "core/base/result.hpp"
#include "sys/base/files.hpp"

namespace yoda {

class NodeFolder {
  public:
    /// Made if it is not there. Error: it is somebody else's, or no folder.
    static Result<NodeFolder> open(std::string path);
    NodeFolder(NodeFolder&& other) noexcept
        : path_(std::move(other.path_)),
          in_use_(std::move(other.in_use_)),
          is_last_(std::exchange(other.is_last_, false))
    {}
    NodeFolder& operator=(NodeFolder&&) = delete;
    ~NodeFolder();

    std::string const& path() const { return path_; }
    /// Whether nobody else uses it. Then nobody can begin to until this object is gone, and the folder with
    /// it; if somebody does, this process uses it no more.
    bool begin_leaving();

    /// Folders in `parent` whose names begin so and that nobody uses: of processes that died. Returns how
    /// many were removed.
    static unsigned remove_unused(std::string const& parent, std::string_view prefix);

  private:
    NodeFolder(std::string path, FileDescriptor in_use) : path_(std::move(path)), in_use_(std::move(in_use))
    {}
    std::string path_;
    FileDescriptor in_use_;
    bool is_last_ = false;
};

/// flock, through EINTR; false if it cannot be had.
bool lock_file(int fd, int how);

}  // namespace yoda
