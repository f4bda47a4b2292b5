// SPDX-License-Identifier: Apache-2.0
// Numbers separated by blanks, as event files hold them. Independent of the locale.
#pragma once

#include <charconv>
#include <string>
#include <string_view>

namespace yoda::samples {

class NumberReader {
  public:
    explicit NumberReader(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

    /// The next number; false when there is none or it does not end at a blank.
    bool read(int& value) { return skip_blanks() && finish(std::from_chars(at_, end_, value)); }

    /// Also takes Fortran's exponent letter ("1.5D+03").
    bool read(double& value)
    {
        if (!skip_blanks()) return false;
        auto const* start = at_;
        auto const parsed = std::from_chars(at_, end_, value);
        if (parsed.ec == std::errc{} && parsed.ptr != end_ && (*parsed.ptr == 'D' || *parsed.ptr == 'd')) {
            auto const* stop = parsed.ptr;
            while (stop != end_ && !is_blank(*stop)) ++stop;
            std::string copy(start, stop);
            copy[static_cast<std::size_t>(parsed.ptr - start)] = 'e';
            auto const again = std::from_chars(copy.data(), copy.data() + copy.size(), value);
            at_ = stop;
            return again.ec == std::errc{} && again.ptr == copy.data() + copy.size();
        }
        return finish(parsed);
    }

    template <class... Values>
    bool read_all(Values&... values)
    {
        return (read(values) && ...);
    }

  private:
    static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

    bool skip_blanks()
    {
        while (at_ != end_ && is_blank(*at_)) ++at_;
        if (end_ - at_ > 1 && *at_ == '+' && at_[1] != '-') ++at_;  // from_chars knows no '+'.
        return at_ != end_;
    }
    bool finish(std::from_chars_result result)
    {
        if (result.ec != std::errc{} || (result.ptr != end_ && !is_blank(*result.ptr))) return false;
        at_ = result.ptr;
        return true;
    }

    char const* at_;
    char const* end_;
};

}  // namespace yoda::samples
