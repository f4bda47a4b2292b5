// SPDX-License-Identifier: Apache-2.0
// Command lines of the sample payloads: `--name value` pairs, in any order, and nothing else.
#pragma once

#include <charconv>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace yoda::samples {

class Options {
  public:
    /// `known` are the names with their default values. Throws
    /// std::invalid_argument that names what is wrong.
    Options(int argc, char** argv, std::map<std::string, std::string> known) : values_(std::move(known))
    {
        for (int i = 1; i < argc; i += 2) {
            std::string const name = argv[i];
            auto const found = values_.find(name);
            if (found == values_.end()) throw std::invalid_argument("unknown option '" + name + "'");
            if (i + 1 == argc) throw std::invalid_argument("option " + name + " has no value");
            found->second = argv[i + 1];
        }
    }

    std::string const& text(std::string const& name) const { return values_.at(name); }

    /// Comma-separated texts; empty ones are left out.
    std::vector<std::string> list(std::string const& name) const
    {
        std::vector<std::string> parts(1);
        for (char const c : text(name)) {
            if (c == ',') {
                parts.emplace_back();
            } else {
                parts.back() += c;
            }
        }
        std::erase(parts, "");
        return parts;
    }

    template <class Number>
    Number number(std::string const& name, Number at_least, Number at_most) const
    {
        auto const& value = text(name);
        Number number{};
        auto const* end = value.data() + value.size();
        auto const [stop, error] = std::from_chars(value.data(), end, number);
        if (error != std::errc{} || stop != end || !(number >= at_least && number <= at_most)) {
            throw std::invalid_argument("option " + name + " takes a number from " +
                                        std::to_string(at_least) + " to " + std::to_string(at_most) +
                                        ", not '" + value + "'");
        }
        return number;
    }

  private:
    std::map<std::string, std::string> values_;
};

}  // namespace yoda::samples
