// SPDX-License-Identifier: Apache-2.0
// Finds the events of HepMC's text formats: version 3 (Asciiv3) and 2 (IO_GenEvent). Such files may be joined
// with cat: each "HepMC::" line ends the event before it, and what a later header says holds for the events
// behind it, as in HepMC3's own reader. `harvest new` and the sample payloads both use it, so an event's
// position means the same to both (docs/adr/0021).
//
// Text in pieces of any size; memory: the begin of one line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/event_text/event_span.hpp"

namespace yoda {

class HepmcScanner {
  public:
    /// Appends the events that end in this piece, from their line "E" on.
    void feed(std::string_view piece, std::vector<EventSpan>& events);
    /// Call it once, after the last piece: the last event may end there.
    void finish(std::vector<EventSpan>& events);
    /// Call it after finish(). Error (`what` is left empty): two formats in one file, no event, parts without
    /// their end mark and events that are not whole as `cut` says.
    Status check(CutEvents cut) const;

    /// Where a header changes the unit of momenta for the events behind it that name none themselves.
    struct UnitChange {
        std::uint64_t offset = 0;
        bool is_mev = false;
    };

    std::uint64_t event_count() const { return whole_; }
    bool closed() const { return !is_open_; }  ///< the last part has its end mark
    bool has_cut_event() const { return cut_ > 0; }
    std::vector<UnitChange> const& unit_changes() const { return unit_changes_; }

  private:
    enum class Format { none, ascii_3, genevent_2, other };

    std::size_t take_line_head(std::string_view head, std::uint64_t offset, std::vector<EventSpan>& events);
    void take_mark(std::string_view line, std::uint64_t offset, std::vector<EventSpan>& events);
    void set_format(std::string_view line);
    void begin_names(std::string_view line);
    void end_event(std::uint64_t offset, bool by_end_of_part, std::vector<EventSpan>& events);
    bool is_whole() const;

    std::string rest_;          ///< of the pieces so far: the begin of a line
    std::uint64_t offset_ = 0;  ///< of rest_ in the file
    bool in_line_ = false;      ///< what follows goes on with a line that was looked at already
    bool ends_in_line_ = false;
    // Names of weights in version 2 stand in quotes, and may hold line breaks.
    bool in_names_ = false;
    bool in_quotes_ = false;
    std::uint64_t quotes_left_ = 0;

    std::optional<Error> refusal_;
    Format format_ = Format::none;
    bool is_open_ = false;  ///< a part has begun and its end mark has not come
    bool in_event_ = false;
    bool is_mev_ = false;
    bool cut_in_the_middle_ = false;
    std::uint64_t event_begin_ = 0;
    std::int64_t particles_missing_ = 0;
    std::int64_t vertices_missing_ = 0;
    std::uint64_t whole_ = 0;
    std::uint64_t cut_ = 0;
    std::uint64_t first_cut_ = 0;
    std::uint64_t unended_parts_ = 0;
    std::vector<UnitChange> unit_changes_;
};

}  // namespace yoda
