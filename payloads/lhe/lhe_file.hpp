// SPDX-License-Identifier: Apache-2.0
// A Les Houches event file (version 1 to 3), opened once and read by event position.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/mapped_file.hpp"
#include "lhe/event.hpp"

namespace yoda::samples::lhe {

class LheFile {
  public:
    /// Reads <init> and finds where each event starts. Throws
    /// std::runtime_error: no such file, no LHE, no <init>.
    explicit LheFile(std::string const& path);

    Beams const& beams() const { return beams_; }
    std::size_t event_count() const { return starts_.size(); }
    /// Throws payload::Fatal when the file has no event at the position, which counts from 1.
    void require(std::int64_t position) const;
    /// The event at a position that counts from 1. Throws payload::Fatal: beyond the end, cut off, malformed.
    Event event(std::int64_t position) const;

  private:
    MappedFile file_;
    Beams beams_;
    std::vector<std::size_t> starts_;  ///< behind each <event> tag
    bool complete_ = false;            ///< the closing tag is there
};

/// The file's text, for generators.
std::string write_head(Beams const& beams, std::string_view comment);
std::string write_event(Event const& event);
std::string write_tail();

}  // namespace yoda::samples::lhe
