// SPDX-License-Identifier: Apache-2.0
// A Les Houches event file (version 1 to 3), opened once and read by event position.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/mapped_file.hpp"
#include "core/event_text/lhe_scanner.hpp"
#include "lhe/event.hpp"

namespace yoda::samples::lhe {

class LheFile {
  public:
    /// Reads <init> and finds the whole events. Throws std::runtime_error: no such file, no LHE, and what
    /// LheScanner::check refuses.
    explicit LheFile(std::string const& path);

    Beams const& beams() const { return beams_; }
    std::size_t event_count() const { return events_.size(); }
    /// Throws payload::Fatal when the file has no event at the position, which counts from 1.
    void require(std::int64_t position) const;
    /// Throws it also when a range of events parts a group.
    void require(std::int64_t first, std::int64_t last) const;
    /// The event at a position that counts from 1. Throws payload::Fatal: beyond the end, malformed.
    Event event(std::int64_t position) const;

  private:
    MappedFile file_;
    Beams beams_;
    std::vector<EventSpan> events_;
    std::vector<bool> joined_;  ///< as LheScanner::joined
    bool complete_ = false;     ///< the closing tag is there
};

/// The file's text, for generators.
std::string write_head(Beams const& beams, std::string_view comment);
std::string write_event(Event const& event);
std::string write_tail();

}  // namespace yoda::samples::lhe
