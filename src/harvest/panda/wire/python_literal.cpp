// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/wire/python_literal.hpp"

#include <charconv>
#include <string>

namespace yoda {

namespace {

constexpr int depth_limit = 64;

class Reader {
  public:
    explicit Reader(std::string_view text) : rest_(text) {}

    bool value(nlohmann::json& out, int depth)
    {
        skip_space();
        if (rest_.empty() || depth > depth_limit) return false;
        char const c = rest_.front();
        if (c == '\'' || c == '"') {
            std::string text;
            if (!string(text)) return false;
            out = std::move(text);
            return true;
        }
        if (c == '{') return braces(out, depth);
        if (c == '[') return sequence(out, ']', depth);
        if (c == '(') return sequence(out, ')', depth);
        if (word("True")) return out = true, true;
        if (word("False")) return out = false, true;
        if (word("None")) return out = nullptr, true;
        return number(out);
    }

    bool at_end()
    {
        skip_space();
        return rest_.empty();
    }

  private:
    void skip_space()
    {
        while (!rest_.empty() &&
               (rest_[0] == ' ' || rest_[0] == '\n' || rest_[0] == '\t' || rest_[0] == '\r'))
            rest_.remove_prefix(1);
    }
    bool take(char c)
    {
        skip_space();
        if (rest_.empty() || rest_.front() != c) return false;
        rest_.remove_prefix(1);
        return true;
    }
    bool word(std::string_view expected)
    {
        if (!rest_.starts_with(expected)) return false;
        rest_.remove_prefix(expected.size());
        return true;
    }
    bool number(nlohmann::json& out)
    {
        std::int64_t whole = 0;
        char const* const end = rest_.data() + rest_.size();
        auto const [next, code] = std::from_chars(rest_.data(), end, whole);
        if (code == std::errc{} && (next == end || (*next != '.' && *next != 'e'))) {
            rest_.remove_prefix(static_cast<std::size_t>(next - rest_.data()));
            out = whole;
            return true;
        }
        double real = 0;
        auto const [real_next, real_code] = std::from_chars(rest_.data(), end, real);
        if (real_code != std::errc{}) return false;
        rest_.remove_prefix(static_cast<std::size_t>(real_next - rest_.data()));
        out = real;
        return true;
    }
    bool string(std::string& out)
    {
        char const quote = rest_.front();
        rest_.remove_prefix(1);
        while (!rest_.empty()) {
            char c = rest_.front();
            rest_.remove_prefix(1);
            if (c == quote) return true;
            if (c == '\\') {
                if (rest_.empty()) return false;
                c = rest_.front();
                rest_.remove_prefix(1);
                switch (c) {
                    case 'n':
                        c = '\n';
                        break;
                    case 't':
                        c = '\t';
                        break;
                    case 'r':
                        c = '\r';
                        break;
                    case '\\':
                    case '\'':
                    case '"':
                        break;
                    default:
                        return false;
                }
            }
            out += c;
        }
        return false;
    }
    bool sequence(nlohmann::json& out, char close, int depth)
    {
        rest_.remove_prefix(1);
        out = nlohmann::json::array();
        while (!take(close)) {
            nlohmann::json element;
            if (!value(element, depth + 1)) return false;
            out.push_back(std::move(element));
            if (!take(',')) return take(close);
        }
        return true;
    }
    /// A dict or a set; they differ after the first element.
    bool braces(nlohmann::json& out, int depth)
    {
        rest_.remove_prefix(1);
        out = nlohmann::json::object();
        for (bool first = true; !take('}'); first = false) {
            nlohmann::json element;
            if (!value(element, depth + 1)) return false;
            bool const mapped = take(':');
            if (first && !mapped) out = nlohmann::json::array();
            if (mapped != out.is_object()) return false;
            if (mapped) {
                nlohmann::json target;
                if (!value(target, depth + 1)) return false;
                out[print_key(element)] = std::move(target);
            } else {
                out.push_back(std::move(element));
            }
            if (!take(',')) return take('}');
        }
        return true;
    }
    static std::string print_key(nlohmann::json const& key)
    {
        if (key.is_string()) return key.get<std::string>();
        return key.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    }

    std::string_view rest_;
};

}  // namespace

std::optional<nlohmann::json> parse_python_literal(std::string_view text)
{
    Reader reader(text);
    nlohmann::json value;
    if (!reader.value(value, 0) || !reader.at_end()) return std::nullopt;
    return value;
}

}  // namespace yoda
