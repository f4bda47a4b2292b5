// SPDX-License-Identifier: Apache-2.0
// Counts the events of an input file and sees whether the file is whole, so that no range beyond its end is
// made. Knows Les Houches event files, HepMC ASCII (versions 2 and 3) and HDF5 with its events in /events.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/event_text/hepmc_scanner.hpp"
#include "core/event_text/lhe_scanner.hpp"

namespace yoda {

enum class EventFormat { les_houches, hepmc, hdf5, unknown };
std::string_view print_format(EventFormat format);

/// The format that the first bytes of a file speak of (1 MiB is enough). Error: a compressed file, whose
/// events cannot be reached by position.
Result<EventFormat> detect_format(std::string_view head);

/// Counts in a text that comes in pieces, by the scanners that the sample payloads use.
class EventCounter {
  public:
    explicit EventCounter(EventFormat format) : format_(format) {}

    void feed(std::string_view piece);
    /// Call once, after the last piece. Errors as of LheScanner::check and HepmcScanner::check.
    Result<std::uint64_t> finish(CutEvents cut = CutEvents::refuse);
    /// As LheScanner::joined.
    std::vector<bool> const& joined() const { return les_houches_.joined(); }

  private:
    EventFormat format_;
    LheScanner les_houches_;
    HepmcScanner hepmc_;
    std::vector<EventSpan> found_;
};

/// What one pass over an input file tells.
struct InputSurvey {
    EventFormat format = EventFormat::unknown;
    std::optional<std::uint64_t> event_count;  ///< nullopt: the format does not tell
    std::vector<bool> joined;                  ///< as LheScanner::joined
    std::uint64_t bytes = 0;
    std::uint32_t adler32 = 1;
    std::uint32_t crc32c = 0;
};

/// Errors name the file: missing, unreadable, no regular file, empty, compressed, damaged,
/// an archive of several files, events that are not whole as `cut` says.
Result<InputSurvey> survey_input(std::string const& path, CutEvents cut = CutEvents::refuse);

}  // namespace yoda
