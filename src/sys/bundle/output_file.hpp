// SPDX-License-Identifier: Apache-2.0
// Opens the files that a payload named as its output. Such a file must lie inside of the worker's folder,
// must not be reached through a link, and must be regular, readable and not empty. What is opened here is
// what gets stored: no path is looked up twice.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "core/base/result.hpp"
#include "sys/base/files.hpp"

namespace yoda {

struct OutputFile {
    FileDescriptor fd;
    std::string path;
    std::string name;  ///< base name
    std::uint64_t bytes = 0;
};

/// Why an output cannot be taken, with the code of docs/reference/panda.md §9 with which its range fails.
/// es_fatal: the reason is the name that the payload gives the file, so another try would fail as well.
struct OutputFault {
    std::uint16_t error_code = 0;
    std::string reason;
};

/// One folder that outputs must lie in. Remembers it open, so that many files cost one look-up.
class OutputFolder {
  public:
    explicit OutputFolder(std::string path);
    std::string const& path() const { return path_; }

    /// `path` is absolute, or relative to the folder.
    std::variant<OutputFile, OutputFault> open(std::string_view path) const;
    /// Removes a file below the folder; a file that is not there is fine. Never follows a link.
    Status remove(std::string_view path) const;

  private:
    struct Place {
        FileDescriptor folder;
        std::string name;
        int error_number = 0;  ///< why the way to it could not be walked
        std::string why;       ///< it is not below the folder
        bool is_bad_name = false;
    };
    Place walk(std::string_view path) const;

    std::string path_;
    std::string real_path_;  ///< as a payload sees it that asks where it is
    FileDescriptor fd_;
    int open_error_ = 0;
};

}  // namespace yoda
