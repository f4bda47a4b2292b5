// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "payload/range_text.hpp"

#include <charconv>

namespace yoda::payload {
namespace {

constexpr int kMaxDepth = 32;

class Reader {
  public:
    explicit Reader(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

    bool take(char wanted)
    {
        skip_blanks();
        if (at_ == end_ || *at_ != wanted) return false;
        ++at_;
        return true;
    }
    bool next_is(char wanted)
    {
        skip_blanks();
        return at_ != end_ && *at_ == wanted;
    }
    bool at_end()
    {
        skip_blanks();
        return at_ == end_;
    }

    bool read_string(std::string& value)
    {
        if (!take('"')) return false;
        value.clear();
        while (at_ != end_) {
            char const* start = at_;
            while (at_ != end_ && *at_ != '"' && *at_ != '\\') ++at_;
            value.append(start, at_);
            if (at_ == end_) return false;
            if (*at_++ == '"') return true;
            if (!read_escape(value)) return false;
        }
        return false;
    }

    /// A whole number, quoted or not.
    bool read_number(std::int64_t& value)
    {
        bool const quoted = take('"');
        skip_blanks();
        auto const [stop, error] = std::from_chars(at_, end_, value);
        if (error != std::errc{}) return false;
        at_ = stop;
        if (quoted && !take('"')) return false;
        return next_is(',') || next_is('}');
    }

    bool skip_value(std::string& scratch, int depth = 0)
    {
        if (depth > kMaxDepth) return false;
        if (next_is('"')) return read_string(scratch);
        for (char const open : {'[', '{'}) {
            char const close = open == '[' ? ']' : '}';
            if (!take(open)) continue;
            if (take(close)) return true;
            do {
                if (open == '{' && !(read_string(scratch) && take(':'))) return false;
                if (!skip_value(scratch, depth + 1)) return false;
            } while (take(','));
            return take(close);
        }
        char const* start = at_;
        while (at_ != end_ && is_word(*at_)) ++at_;
        return at_ != start;
    }

  private:
    static bool is_word(char c)
    {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' ||
               c == '-' || c == '.';
    }
    void skip_blanks()
    {
        while (at_ != end_ && (*at_ == ' ' || *at_ == '\t' || *at_ == '\r')) ++at_;
    }

    bool read_hex(unsigned& code)
    {
        if (end_ - at_ < 4) return false;
        auto const [stop, error] = std::from_chars(at_, at_ + 4, code, 16);
        if (error != std::errc{} || stop != at_ + 4) return false;
        at_ += 4;
        return true;
    }

    bool read_escape(std::string& value)
    {
        if (at_ == end_) return false;
        char const kind = *at_++;
        if (kind != 'u') {
            static constexpr std::string_view kinds = "\"\\/bfnrt";
            static constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
            auto const found = kinds.find(kind);
            if (found == std::string_view::npos) return false;
            value += meanings[found];
            return true;
        }
        unsigned code = 0;
        if (!read_hex(code)) return false;
        if (code >= 0xdc00 && code < 0xe000) return false;  // The second half of a pair cannot come first.
        if (code >= 0xd800 && code < 0xdc00) {
            unsigned low = 0;
            if (end_ - at_ < 2 || at_[0] != '\\' || at_[1] != 'u') return false;
            at_ += 2;
            if (!read_hex(low) || low < 0xdc00 || low > 0xdfff) return false;
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
        append_utf8(code, value);
        return true;
    }

    static void append_utf8(unsigned code, std::string& value)
    {
        auto const put = [&value](unsigned byte) {
            value += static_cast<char>(static_cast<unsigned char>(byte));
        };
        if (code < 0x80) {
            put(code);
        } else if (code < 0x800) {
            put(0xc0 | (code >> 6));
            put(0x80 | (code & 0x3f));
        } else if (code < 0x10000) {
            put(0xe0 | (code >> 12));
            put(0x80 | ((code >> 6) & 0x3f));
            put(0x80 | (code & 0x3f));
        } else {
            put(0xf0 | (code >> 18));
            put(0x80 | ((code >> 12) & 0x3f));
            put(0x80 | ((code >> 6) & 0x3f));
            put(0x80 | (code & 0x3f));
        }
    }

    char const* at_;
    char const* end_;
};

bool read_member(Reader& reader, Range& range, std::string& name, std::string& error)
{
    static thread_local std::string ignored;
    if (!reader.read_string(name) || !reader.take(':')) {
        error = "a key is not followed by a value";
        return false;
    }
    std::string* text = nullptr;
    std::int64_t* number = nullptr;
    if (name == "eventRangeID") text = &range.id;
    if (name == "startEvent") number = &range.first;
    if (name == "lastEvent") number = &range.last;
    if (name == "GUID") text = &range.guid;
    if (name == "LFN") text = &range.lfn;
    if (name == "scope") text = &range.scope;
    if (name == "PFN") text = &range.pfn;
    bool const fine = text     ? reader.read_string(*text)
                      : number ? reader.read_number(*number)
                               : reader.skip_value(ignored);
    if (!fine) error = "cannot read the value of \"" + name + "\"";
    return fine;
}

}  // namespace

std::string read_range(std::string_view text, Range& range)
{
    for (auto* value : {&range.id, &range.guid, &range.lfn, &range.scope, &range.pfn}) value->clear();
    range.first = range.last = 0;

    static thread_local std::string name;
    std::string error;
    Reader reader(text);
    if (!reader.take('[') || !reader.take('{')) return "it does not start with [{";
    do {
        if (!read_member(reader, range, name, error)) return error;
    } while (reader.take(','));
    if (!reader.take('}')) return "the object does not end with }";
    if (reader.next_is(',')) return "it holds more than one range";
    if (!reader.take(']') || !reader.at_end()) return "it does not end with }]";
    if (range.id.empty()) return "eventRangeID is missing";
    if (range.first < 1 || range.last < range.first) {
        return "startEvent " + std::to_string(range.first) + " and lastEvent " + std::to_string(range.last) +
               " are no range (positions count from 1)";
    }
    return {};
}

}  // namespace yoda::payload
