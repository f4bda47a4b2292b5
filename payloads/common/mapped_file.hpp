// SPDX-License-Identifier: Apache-2.0
// An input file in memory, read-only; the pages are shared by all workers that are forked afterwards.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace yoda::samples {

class MappedFile {
  public:
    /// Throws std::runtime_error with path and reason. Empty and compressed files are refused, too.
    explicit MappedFile(std::string const& path);
    ~MappedFile();
    MappedFile(MappedFile const&) = delete;
    MappedFile& operator=(MappedFile const&) = delete;

    std::string_view text() const { return text_; }
    std::string const& path() const { return path_; }
    std::int64_t modified_ns() const { return modified_ns_; }

  private:
    std::string path_;
    std::string_view text_;
    std::int64_t modified_ns_ = 0;
};

}  // namespace yoda::samples
