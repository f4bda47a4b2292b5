// SPDX-License-Identifier: Apache-2.0
// A file that comes from a store: written beside its final name, which it gets only
// when it is whole and synced.
#pragma once

#include <string>

#include "core/base/result.hpp"
#include "sys/base/files.hpp"

namespace yoda {

class PartFile {
  public:
    /// `mark` goes into the hidden name, for remove_part_files().
    static Result<PartFile> create(std::string const& path, std::string const& mark = {});
    PartFile(PartFile&&) noexcept = default;
    PartFile& operator=(PartFile&&) = delete;
    ~PartFile();  ///< removes it unless it was kept

    int fd() const { return fd_.get(); }
    /// Empty again, for another try.
    void rewind();
    Status keep();

  private:
    PartFile(std::string path, std::string part, FileDescriptor fd);
    std::string path_;
    std::string part_;  ///< empty once kept
    FileDescriptor fd_;
};

/// Removes what processes that were killed left of this file with this mark. One that still lives (it was
/// thought dead) can then no longer give its file the final name.
void remove_part_files(std::string const& path, std::string const& mark);

}  // namespace yoda
