// SPDX-License-Identifier: Apache-2.0
// A pull reader over JSON text, for answers too long for a tree: it never copies, never recurses, and says
// false at the first thing it does not understand (the caller then gives that piece to the real parser).
#pragma once

#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace yoda {

class JsonCursor {
  public:
    explicit JsonCursor(std::string_view text) : begin_(text.data()), at_(begin_), end_(begin_ + text.size())
    {}

    std::size_t position() const { return static_cast<std::size_t>(at_ - begin_); }
    bool at_end()
    {
        skip_space();
        return at_ == end_;
    }
    /// The next character that is not white space, 0 at the end; not taken.
    char peek()
    {
        skip_space();
        return at_ == end_ ? '\0' : *at_;
    }
    bool take(char c)
    {
        if (peek() != c || at_ == end_) return false;
        ++at_;
        return true;
    }
    bool take_word(std::string_view word)
    {
        skip_space();
        if (static_cast<std::size_t>(end_ - at_) < word.size() || std::string_view(at_, word.size()) != word)
            return false;
        at_ += word.size();
        return true;
    }
    /// A string without escapes or control characters; `value` points into the text.
    bool take_plain_string(std::string_view& value)
    {
        if (!take('"')) return false;
        char const* const first = at_;
        auto const* const quote =
            static_cast<char const*>(std::memchr(first, '"', static_cast<std::size_t>(end_ - first)));
        if (!quote) return false;
        for (char const* c = first; c != quote; ++c)
            if (*c == '\\' || static_cast<unsigned char>(*c) < 0x20) return false;
        value = std::string_view(first, static_cast<std::size_t>(quote - first));
        at_ = quote + 1;
        return true;
    }
    /// An integer that fits; not the beginning of a fraction.
    bool take_integer(std::int64_t& value)
    {
        skip_space();
        auto const [next, code] = std::from_chars(at_, end_, value);
        if (code != std::errc{} || (next != end_ && (*next == '.' || *next == 'e' || *next == 'E')))
            return false;
        at_ = next;
        return true;
    }
    /// Passes one value of any kind; `value` is its text. Brackets are only counted, not matched by kind.
    bool take_value(std::string_view& value);

  private:
    void skip_space()
    {
        while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
    }
    bool skip_string();

    char const* begin_;
    char const* at_;
    char const* end_;
};

}  // namespace yoda
