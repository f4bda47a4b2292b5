// SPDX-License-Identifier: Apache-2.0
// Command lines as words: read and written as a shell would.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/job/job_pars.hpp"
#include "core/job/text_pieces.hpp"

namespace yoda {

namespace {

/// Reads one text into words; each function takes what it understands off the front.
class Splitter {
  public:
    Splitter(std::string_view text, VariableLookup const& variable) : rest_(text), variable_(variable) {}

    Result<Words> split()
    {
        while (!rest_.empty()) {
            char const c = rest_.front();
            if (c == ' ' || c == '\t') {
                end_word();
                rest_.remove_prefix(1);
            } else if (auto taken = take_piece(c); !taken) {
                return taken.error();
            }
        }
        end_word();
        return std::move(words_);
    }

  private:
    static Error refuse(std::string why)
    {
        return {ErrorKind::bad_input, "the job's command line (jobPars) cannot be read", std::move(why),
                "quote it, or start the transform by a script of your own (executable)"};
    }

    void end_word()
    {
        if (in_word_) words_.push_back(std::exchange(word_, {}));
        in_word_ = false;
    }

    Status take_piece(char c)
    {
        constexpr std::string_view shell_only = ";|&<>()`\n\r";
        if (shell_only.find(c) != std::string_view::npos)
            return refuse(
                fmt::format("it holds {} outside of quotes, which needs a shell",
                            c == '\n' || c == '\r' ? std::string("a new line") : fmt::format("'{}'", c)));
        if (c == '#' && !in_word_) return refuse("it holds a comment");
        in_word_ = true;
        if (c == '\'') return take_single();
        if (c == '"') return take_double();
        if (c == '$') return take_variable();
        rest_.remove_prefix(1);
        if (c == '\\') {
            if (rest_.empty()) return refuse("it ends in a backslash");
            c = rest_.front();
            rest_.remove_prefix(1);
        }
        word_ += c;
        return {};
    }

    Status take_single()
    {
        auto const end = rest_.find('\'', 1);
        if (end == std::string_view::npos) return refuse("a ' is never closed");
        word_ += rest_.substr(1, end - 1);
        rest_.remove_prefix(end + 1);
        return {};
    }

    Status take_double()
    {
        rest_.remove_prefix(1);
        while (!rest_.empty()) {
            char const c = rest_.front();
            if (c == '$') {
                if (auto taken = take_variable(); !taken) return taken;
                continue;
            }
            if (c == '`') return refuse("it holds a backquote, which needs a shell");
            rest_.remove_prefix(1);
            if (c == '"') return {};
            constexpr std::string_view escaped = "$`\"\\";
            if (c == '\\' && !rest_.empty() && escaped.find(rest_.front()) != std::string_view::npos) {
                word_ += rest_.front();
                rest_.remove_prefix(1);
            } else {
                word_ += c;
            }
        }
        return refuse("a \" is never closed");
    }

    Status take_variable()
    {
        rest_.remove_prefix(1);
        if (rest_.starts_with('(')) return refuse("it holds $(...), which needs a shell");
        bool const braced = rest_.starts_with('{');
        if (braced) rest_.remove_prefix(1);
        auto const end = std::find_if_not(rest_.begin(), rest_.end(), is_name_character);
        auto const name = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
        if (braced && (name.empty() || rest_.substr(name.size(), 1) != "}"))
            return refuse("it holds a ${...} that is more than a name");
        bool const is_name = !name.empty() && (name.front() < '0' || name.front() > '9');
        if (!is_name) {  // "$5" and "$?" are a shell's own; a lone $ is itself.
            if (!name.empty() || braced) return refuse("it holds a $ that is no variable");
            word_ += '$';
            return {};
        }
        rest_.remove_prefix(name.size() + (braced ? 1 : 0));
        word_ += variable_(name).value_or("");
        return {};
    }

    std::string_view rest_;
    VariableLookup const& variable_;
    Words words_;
    std::string word_;
    bool in_word_ = false;
};

}  // namespace

Result<Words> split_words(std::string_view text, VariableLookup const& variable)
{
    return Splitter(text, variable).split();
}

std::string print_words(Words const& words)
{
    std::string text;
    for (auto const& word : words) {
        if (!text.empty()) text += ' ';
        bool const plain = !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
            return is_name_character(c) || std::string_view("-+=:,./@%").find(c) != std::string_view::npos;
        });
        auto quoted = word;
        replace_all(quoted, "'", "'\\''");
        text += plain ? word : "'" + quoted + "'";
    }
    return text;
}

}  // namespace yoda
