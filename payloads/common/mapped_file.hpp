// SPDX-License-Identifier: Apache-2.0
// An input file in memory, read-only; the pages are shared by all workers that are forked afterwards.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/event_text/event_span.hpp"

namespace yoda::samples {

class MappedFile {
  public:
    /// Throws std::runtime_error with path and reason. Empty and compressed files and archives of several are
    /// refused, too.
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

/// What `harvest new --accept-cut` said about events that are not whole, by YODA_ACCEPT_CUT in the
/// environment.
CutEvents cut_events();

}  // namespace yoda::samples
