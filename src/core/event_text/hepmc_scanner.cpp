// SPDX-License-Identifier: Apache-2.0
#include "core/event_text/hepmc_scanner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace yoda {

namespace {

constexpr auto npos = std::string_view::npos;
constexpr std::size_t line_head_bytes = 512;  // More of a line is never looked at, but for names in quotes.
constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

/// The word at an index of a line, from 0.
std::int64_t number_at(std::string_view line, int index)
{
    for (;; --index) {
        auto const begin = line.find_first_not_of(" \t\r");
        if (begin == npos) return 0;
        line.remove_prefix(begin);
        if (index == 0) break;
        line.remove_prefix(std::min(line.size(), line.find_first_of(" \t\r")));
    }
    std::int64_t number = 0;
    std::from_chars(line.data(), line.data() + line.size(), number);
    return number;
}

}  // namespace

void HepmcScanner::feed(std::string_view piece, std::vector<EventSpan>& events)
{
    if (refusal_) return;
    if (!rest_.empty()) rest_.append(piece);
    auto text = rest_.empty() ? piece : std::string_view(rest_);
    auto const all = text.size();
    while (!text.empty() && !refusal_) {
        auto const offset = offset_ + (all - text.size());
        if (in_names_) {
            if (text[0] == '"') {
                in_quotes_ = !in_quotes_;
                if (--quotes_left_ == 0) in_names_ = false;
            }
            if (text[0] == '\n' && !in_quotes_) {
                in_names_ = in_line_ = false;
            }
            text.remove_prefix(1);
            continue;
        }
        auto const end = text.find('\n');
        if (!in_line_) {
            if (end == npos && text.size() < line_head_bytes) break;  // Wait for more of it.
            auto const used = take_line_head(text.substr(0, std::min(end, line_head_bytes)), offset, events);
            in_line_ = true;
            text.remove_prefix(used);
            continue;
        }
        if (end == npos) {
            text = {};
            break;
        }
        text.remove_prefix(end + 1);
        in_line_ = false;
    }
    offset_ += all - text.size();
    rest_ = std::string(text);
}

/// Looks at the begin of a line; returns how much of it is done with.
std::size_t HepmcScanner::take_line_head(std::string_view head, std::uint64_t offset,
                                         std::vector<EventSpan>& events)
{
    if (offset == 0 && head.starts_with(byte_order_mark)) head.remove_prefix(byte_order_mark.size());
    if (head.starts_with("HepMC::")) {
        take_mark(head, offset, events);
        return 0;
    }
    if (head.size() < 2 || head[1] != ' ') return 0;
    switch (head[0]) {
        case 'E':
            end_event(offset, false, events);
            in_event_ = is_open_ = true;
            event_begin_ = offset;
            particles_missing_ = format_ == Format::ascii_3 ? number_at(head, 3) : 0;
            vertices_missing_ = format_ == Format::genevent_2 ? number_at(head, 8) : 0;
            break;
        case 'P':
            --particles_missing_;
            break;
        case 'V':
            --vertices_missing_;
            if (format_ == Format::genevent_2) particles_missing_ += number_at(head, 7) + number_at(head, 8);
            break;
        case 'U':
            if (!in_event_) {
                is_mev_ = head.starts_with("U MEV");
                unit_changes_.push_back({offset, is_mev_});
            }
            break;
        case 'N':
            if (format_ == Format::genevent_2) {
                quotes_left_ = 2 * static_cast<std::uint64_t>(std::max<std::int64_t>(0, number_at(head, 1)));
                in_names_ = quotes_left_ > 0;
                in_quotes_ = false;
            }
            return 1;
        default:
            break;
    }
    return 0;
}

void HepmcScanner::take_mark(std::string_view line, std::uint64_t offset, std::vector<EventSpan>& events)
{
    if (line.find("-END_EVENT_LISTING") != npos) {
        end_event(offset, false, events);
        is_open_ = false;
        return;
    }
    end_event(offset, true, events);
    if (is_open_ && line.starts_with("HepMC::Version")) ++unended_parts_;
    if (is_mev_) unit_changes_.push_back({offset, false});
    is_mev_ = false;
    is_open_ = true;
    if (line.find("-START_EVENT_LISTING") != npos) set_format(line);
}

void HepmcScanner::set_format(std::string_view line)
{
    auto const format = line.starts_with("HepMC::Asciiv3-")       ? Format::ascii_3
                        : line.starts_with("HepMC::IO_GenEvent-") ? Format::genevent_2
                                                                  : Format::other;
    if (format_ != Format::none && format_ != format)
        refusal_ = Error{ErrorKind::bad_input,
                         {},
                         "it is two files of different HepMC formats in one",
                         "take them apart and give them one by one"};
    format_ = format;
}

void HepmcScanner::end_event(std::uint64_t offset, bool by_end_of_part, std::vector<EventSpan>& events)
{
    if (!in_event_) return;
    in_event_ = false;
    if (by_end_of_part && !is_whole()) {
        if (cut_++ == 0) first_cut_ = whole_ + 1;
        return;
    }
    events.push_back({event_begin_, offset});
    ++whole_;
    if (cut_ > 0) cut_in_the_middle_ = true;
}

bool HepmcScanner::is_whole() const
{
    return !ends_in_line_ && particles_missing_ == 0 &&
           (format_ != Format::genevent_2 || vertices_missing_ == 0);
}

void HepmcScanner::finish(std::vector<EventSpan>& events)
{
    // The last line may lack its line break: a mark is whole all the same, a line of an event may have lost
    // more.
    ends_in_line_ = in_line_ || in_names_ || (!rest_.empty() && !rest_.starts_with("HepMC::"));
    feed("\n", events);
    end_event(offset_ - 1, true, events);
    if (is_open_) ++unended_parts_;
}

Status HepmcScanner::check(CutEvents cut) const
{
    if (refusal_) return *refusal_;
    auto const bad_input = [](std::string why, std::string fix) {
        return Error{ErrorKind::bad_input, {}, std::move(why), std::move(fix)};
    };
    std::string const accept = fmt::format(
        "get the file again, or make it anew; harvest new --accept-cut takes its {} whole events only",
        whole_);
    if (cut != CutEvents::leave_out && cut_in_the_middle_) {
        return bad_input(
            fmt::format("event {} is cut off, and others follow; {} events are whole", first_cut_, whole_),
            accept);
    }
    if (cut == CutEvents::refuse && unended_parts_ > 0) {
        return bad_input(
            fmt::format("it is cut off: HepMC::...-END_EVENT_LISTING is missing at {}, after {} events{}",
                        is_open_ ? "its end" : "the end of a part", whole_ + cut_,
                        cut_ > 0 ? " of which the last is not complete" : ""),
            accept);
    }
    if (whole_ == 0)
        return bad_input(is_open_ ? "it holds no whole event; is it cut off?" : "it holds no events",
                         "give a file with events");
    return {};
}

}  // namespace yoda
