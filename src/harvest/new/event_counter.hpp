// SPDX-License-Identifier: Apache-2.0
// Counts the events of an input file and sees whether the file is whole, so that no range beyond its end is
// made. Knows Les Houches event files, HepMC ASCII (versions 2 and 3) and HDF5 with its events in /events.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace yoda {

enum class EventFormat { les_houches, hepmc, hdf5, unknown };
std::string_view print_format(EventFormat format);

/// The format that the first bytes of a file speak of (4 KiB are enough). Error: a compressed file, whose
/// events cannot be reached by position.
Result<EventFormat> detect_format(std::string_view head);

/// Counts in a text that comes in pieces. What counts as an event is what payloads take for one: a line that
/// begins with `<event>` after `</init>`, or with `E ` in HepMC.
class EventCounter {
  public:
    explicit EventCounter(EventFormat format) : format_(format) {}

    void feed(std::string_view piece);
    /// Call once, after the last piece. Error: no <init>, no event, cut off; `what` is left empty.
    Result<std::uint64_t> finish();

  private:
    void take_line(std::string_view line);
    void take_les_houches_line(std::string_view line);
    void take_hepmc_line(std::string_view line);

    EventFormat format_;
    std::string line_;  ///< begin of a line that the next piece goes on with
    bool has_init_ = false;
    bool closed_ = false;  ///< the end mark of the file was the last thing seen
    std::uint64_t begun_ = 0;
    std::uint64_t ended_ = 0;
};

/// What one pass over an input file tells.
struct InputSurvey {
    EventFormat format = EventFormat::unknown;
    std::optional<std::uint64_t> event_count;  ///< nullopt: the format does not tell
    std::uint64_t bytes = 0;
    std::uint32_t adler32 = 1;
    std::uint32_t crc32c = 0;
};

/// Errors name the file: missing, unreadable, no regular file, empty, compressed, damaged.
Result<InputSurvey> survey_input(std::string const& path);

}  // namespace yoda
