// SPDX-License-Identifier: Apache-2.0
#include "core/event_text/lhe_scanner.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace yoda {

namespace {

constexpr auto npos = std::string_view::npos;
constexpr std::size_t near_head_bytes = 4096;
constexpr std::size_t far_head_bytes = 1u << 20;
constexpr std::size_t max_tag_bytes = 1u << 16;
constexpr std::string_view blanks = " \t\r\n";
constexpr std::string_view name_characters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-";

std::string in_lower_case(std::string_view text)
{
    std::string lower(text);
    for (char& c : lower) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return lower;
}

/// The size of a tag with its '>', which may stand in quotes before that; 0: not complete; npos: not a tag.
std::size_t find_tag_end(std::string_view text, std::size_t at)
{
    char quote = 0;
    for (; at < text.size() && at < max_tag_bytes; ++at) {
        char const c = text[at];
        if (quote != 0) {
            if (c == quote) quote = 0;
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (c == '<') {
            return npos;
        } else if (c == '>') {
            return at + 1;
        }
    }
    return at < max_tag_bytes ? 0 : npos;
}

}  // namespace

bool is_les_houches(std::string_view head)
{
    auto const markup = head.find_first_not_of("\xef\xbb\xbf \t\r\n");  // A byte order mark may be first.
    bool const is_markup = markup != npos && head[markup] == '<';
    auto const lower = in_lower_case(head.substr(0, is_markup ? far_head_bytes : near_head_bytes));
    constexpr std::string_view name = "leshouchesevents";
    for (auto at = lower.find(name); at != npos; at = lower.find(name, at + 1)) {
        if (at > 0 && (lower[at - 1] == '<' || lower[at - 1] == ':')) return true;
    }
    return false;
}

LheScanner::Name const* LheScanner::find_name(std::string_view text)
{
    static constexpr Name names[] = {
        {"LesHouchesEvents", Tag::root}, {"header", Tag::header},          {"init", Tag::init},
        {"event", Tag::event},           {"eventgroup", Tag::event_group}, {"eventfiles", Tag::event_files},
        {"eventfile", Tag::event_files},
    };
    for (auto const& name : names) {
        if (text.size() == name.text.size() && in_lower_case(text) == in_lower_case(name.text)) return &name;
    }
    return nullptr;
}

void LheScanner::feed(std::string_view piece, std::vector<EventSpan>& events)
{
    if (refusal_) return;
    if (!rest_.empty()) rest_.append(piece);
    std::string_view const text = rest_.empty() ? piece : std::string_view(rest_);
    auto const used = scan(text, events);
    offset_ += used;
    rest_ = std::string(text.substr(used));
}

std::size_t LheScanner::scan(std::string_view text, std::vector<EventSpan>& events)
{
    std::size_t at = 0;
    while (at < text.size() && !refusal_) {
        if (!skip_to_.empty()) {
            auto const end = text.find(skip_to_, at);
            if (end == npos) return std::max(at, text.size() - std::min(text.size(), skip_to_.size() - 1));
            at = end + skip_to_.size();
            skip_to_ = {};
            continue;
        }
        at = text.find('<', at);
        if (at == npos) break;
        auto const size = take_markup(text.substr(at), offset_ + at, events);
        if (size == 0) return at;
        at += size;
    }
    return text.size();
}

/// `text` begins with '<'. Returns how much of the text is done with, 0 when more is needed to tell.
std::size_t LheScanner::take_markup(std::string_view text, std::uint64_t offset,
                                    std::vector<EventSpan>& events)
{
    static constexpr std::pair<std::string_view, std::string_view> skipped[] = {{"<!--", "-->"},
                                                                                {"<![CDATA[", "]]>"}};
    for (auto const& [begin, end] : skipped) {
        if (text.starts_with(begin)) {
            skip_to_ = end;
            return begin.size();
        }
        if (begin.starts_with(text)) return 0;
    }
    Markup markup;
    markup.closing = text.size() > 1 && text[1] == '/';
    std::size_t const name_begin = markup.closing ? 2 : 1;
    auto const name_end = text.find_first_not_of(name_characters, name_begin);
    if (name_end == npos) return text.size() < max_tag_bytes ? 0 : text.size();
    markup.name = text.substr(name_begin, name_end - name_begin);
    markup.name.remove_prefix(markup.name.rfind(':') + 1);  // npos + 1 is 0.
    auto const* const known = find_name(markup.name);
    bool const is_tag =
        known && (text[name_end] == '>' || text[name_end] == '/' || blanks.find(text[name_end]) != npos);
    if (!is_tag || !is_looked_for(known->tag, markup.closing)) return name_end;
    auto const size = find_tag_end(text, name_end);
    if (size == 0) return 0;
    if (size == npos) {
        if (init_.end != 0 && !closed_)
            refuse(fmt::format("its tag <{} at byte {} has no end", markup.name, offset),
                   "get the file again, or make it anew");
        return name_end;
    }
    markup.tag = known->tag;
    markup.empty = text[size - 2] == '/';
    markup.begin = offset;
    markup.end = offset + size;
    markup.behind = text.substr(size);
    if (markup.tag == Tag::init && !markup.closing) {
        // Words such as "<init> of the run" in a text are not the block, which begins with a number.
        auto const next = markup.behind.find_first_not_of(blanks);
        if (next == npos && markup.behind.size() < max_tag_bytes) return 0;
        if (next == npos || std::string_view("0123456789+-.#<").find(markup.behind[next]) == npos)
            return size;
    }
    if (markup.name != known->text) {
        refuse(fmt::format(
                   "its tag <{}> at byte {} is not that of the standard, <{}>, which other programs look for",
                   markup.name, offset, known->text),
               "write its tags as the standard does");
        return size;
    }
    take_tag(markup, events);
    return size;
}

bool LheScanner::is_looked_for(Tag tag, bool closing) const
{
    if (in_header_) return tag == Tag::header && closing;
    if (closed_) return tag == Tag::root || tag == Tag::init || tag == Tag::event;
    if (init_.end == 0) return tag == Tag::root || tag == Tag::header || tag == Tag::init;
    return true;
}

void LheScanner::take_tag(Markup const& markup, std::vector<EventSpan>& events)
{
    static constexpr char two_files[] = "it is two files in one";
    static constexpr char one_by_one[] = "take them apart and give them one by one";
    switch (markup.tag) {
        case Tag::root:
            if (!markup.closing) {
                if (has_root_)
                    refuse(fmt::format("{}: <LesHouchesEvents> is there again at byte {}", two_files,
                                       markup.begin),
                           one_by_one);
                has_root_ = true;
            } else {
                if (in_event_) add_cut("</event>");
                closed_ = true;
            }
            return;
        case Tag::header:
            in_header_ = !markup.closing && !markup.empty && !in_event_;
            return;
        case Tag::init:
            if (markup.closing) {
                if (has_init_ && init_.end == 0) init_.end = markup.begin;
            } else if (has_init_) {
                refuse(fmt::format("{}: a second <init> is at byte {}", two_files, markup.begin), one_by_one);
            } else {
                has_init_ = true;
                init_.begin = markup.end;
            }
            return;
        case Tag::event:
            take_event_tag(markup, events);
            return;
        case Tag::event_group:
            if (in_event_) add_cut("</event>");
            in_group_ = !markup.closing && !markup.empty;
            group_has_event_ = false;
            if (in_group_ && joined_.empty()) joined_.resize(whole_);
            return;
        case Tag::event_files:
            refuse("its events are in other files, which <eventfiles> names", "give those files one by one");
            return;
    }
}

void LheScanner::take_event_tag(Markup const& markup, std::vector<EventSpan>& events)
{
    if (closed_) {  // A generator's log may stand there, and speak of events; a whole one is more than that.
        if (markup.closing && in_event_behind_end_)
            refuse("it has events behind </LesHouchesEvents>", "move that tag to its end");
        in_event_behind_end_ = !markup.closing;
        return;
    }
    if (markup.closing) {
        if (in_event_) {
            add_event({event_begin_, markup.begin}, events);
        } else {
            add_cut("<event>");
        }
        return;
    }
    if (in_event_) add_cut("</event>");
    if (markup.empty) {
        add_event({markup.end, markup.end}, events);
        return;
    }
    in_event_ = true;
    event_begin_ = markup.end;
}

void LheScanner::add_event(EventSpan span, std::vector<EventSpan>& events)
{
    events.push_back(span);
    in_event_ = false;
    ++whole_;
    if (cut_ > 0) cut_in_the_middle_ = true;
    bool const is_joined = in_group_ && group_has_event_;
    group_has_event_ = in_group_;
    if (in_group_ || !joined_.empty()) joined_.push_back(is_joined);
}

void LheScanner::add_cut(std::string missing)
{
    in_event_ = false;
    if (cut_++ > 0) return;
    first_cut_ = whole_ + 1;
    first_missing_ = std::move(missing);
}

void LheScanner::refuse(std::string why, std::string fix)
{
    if (!refusal_) refusal_ = Error{ErrorKind::bad_input, {}, std::move(why), std::move(fix)};
}

Status LheScanner::check(CutEvents cut) const
{
    if (refusal_) return *refusal_;
    auto const bad_input = [](std::string why, std::string fix) {
        return Error{ErrorKind::bad_input, {}, std::move(why), std::move(fix)};
    };
    std::string const again = "get the file again, or make it anew";
    std::string const accept =
        fmt::format("{}; harvest new --accept-cut takes its {} whole events only", again, whole_);
    if (init_.end == 0) return bad_input("it has no complete <init> block; is it cut off?", again);
    bool const is_refused =
        cut == CutEvents::refuse || (cut == CutEvents::refuse_in_the_middle && cut_in_the_middle_);
    if (is_refused && cut_ > 0) {
        return bad_input(
            fmt::format("event {} has no {}; {} events are whole", first_cut_, first_missing_, whole_),
            accept);
    }
    if (cut == CutEvents::refuse && !closed_) {
        return bad_input(
            fmt::format("it is cut off: </LesHouchesEvents> is missing at its end, after {} events{}",
                        whole_ + in_event_, in_event_ ? " of which the last is not complete" : ""),
            accept);
    }
    if (whole_ == 0)
        return bad_input(closed_ ? "it holds no events" : "it holds no whole event; is it cut off?",
                         "give a file with events");
    return {};
}

}  // namespace yoda
