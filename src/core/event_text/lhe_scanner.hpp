// SPDX-License-Identifier: Apache-2.0
// Finds the events of a Les Houches file (version 1 to 3; Comput. Phys. Commun. 176 (2007) 300,
// arXiv:hep-ph/0609017, arXiv:1405.1067) by its tags, wherever these stand on a line. `harvest new` and the
// sample payloads both use it, so an event's position means the same to both (docs/adr/0021).
//
// Comments, CDATA sections and what stands in <header> hold no tags: generators write whole run cards there,
// as they are. States: before <init>, in it, behind it, in an event, behind </LesHouchesEvents>. Text in
// pieces of any size; memory: what is left of a tag (64 KiB at most), and a bit for each event of a file with
// groups.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/event_text/event_span.hpp"

namespace yoda {

/// Whether the first bytes of a file (1 MiB is enough) are those of a Les Houches file.
bool is_les_houches(std::string_view head);

class LheScanner {
  public:
    /// Appends the whole events that end in this piece: what stands between their tags.
    void feed(std::string_view piece, std::vector<EventSpan>& events);
    /// Call it after the last piece. Error (`what` is left empty): two files in one, events in other files,
    /// tags that are not those of the standard, no <init>, no event, cut events or a missing end mark as
    /// `cut` says.
    Status check(CutEvents cut) const;

    EventSpan init() const { return init_; }  ///< what stands between its tags
    std::uint64_t event_count() const { return whole_; }
    bool closed() const { return closed_; }  ///< </LesHouchesEvents> is there
    /// For each event, whether it belongs to one <eventgroup> with the event before it; empty: there are no
    /// groups.
    std::vector<bool> const& joined() const { return joined_; }

  private:
    enum class Tag { root, header, init, event, event_group, event_files };
    struct Name {
        std::string_view text;
        Tag tag;
    };
    struct Markup {
        std::string_view name;
        Tag tag{};
        bool closing = false;
        bool empty = false;         ///< <event/>
        std::uint64_t begin = 0;    ///< of its '<'
        std::uint64_t end = 0;      ///< behind its '>'
        std::string_view behind{};  ///< the text that follows
    };

    static Name const* find_name(std::string_view text);
    std::size_t scan(std::string_view text, std::vector<EventSpan>& events);
    std::size_t take_markup(std::string_view text, std::uint64_t offset, std::vector<EventSpan>& events);
    bool is_looked_for(Tag tag, bool closing) const;
    void take_tag(Markup const& markup, std::vector<EventSpan>& events);
    void take_event_tag(Markup const& markup, std::vector<EventSpan>& events);
    void add_event(EventSpan span, std::vector<EventSpan>& events);
    void add_cut(std::string missing);
    void refuse(std::string why, std::string fix);

    std::string rest_;          ///< of the pieces so far: a tag that is not complete
    std::uint64_t offset_ = 0;  ///< of rest_ in the file
    std::string_view skip_to_;  ///< the end of the comment or CDATA section that we are in
    std::optional<Error> refusal_;
    bool has_root_ = false;
    bool in_header_ = false;
    bool has_init_ = false;  ///< begun; init_.end tells whether it ended
    bool in_event_ = false;
    bool in_group_ = false;
    bool group_has_event_ = false;
    bool closed_ = false;
    bool in_event_behind_end_ = false;
    bool cut_in_the_middle_ = false;
    EventSpan init_;
    std::uint64_t event_begin_ = 0;
    std::uint64_t whole_ = 0;
    std::uint64_t cut_ = 0;
    std::uint64_t first_cut_ = 0;  ///< the number of that event, with those before it
    std::string first_missing_;    ///< the tag that it lacks
    std::vector<bool> joined_;
};

}  // namespace yoda
