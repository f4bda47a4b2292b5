// SPDX-License-Identifier: Apache-2.0
#include "core/config/key_values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "core/config/units.hpp"

namespace yoda {

Result<std::vector<KeyValue>> parse_key_values(std::string_view text, std::string_view source)
{
    std::vector<KeyValue> values;
    unsigned number = 0;
    while (!text.empty()) {
        ++number;
        auto const end = std::min(text.find('\n'), text.size());
        auto line = trim(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (auto const comment = line.starts_with('#') ? 0 : line.find(" #");
            comment != std::string_view::npos)
            line = trim(line.substr(0, comment));
        if (line.empty()) continue;
        auto const equals = line.find('=');
        if (equals == std::string_view::npos || trim(line.substr(0, equals)).empty())
            return Error{ErrorKind::usage, fmt::format("{}:{}: '{}' is no setting", source, number, line),
                         "a line is `key = value` or a comment", "mend or remove the line"};
        values.push_back(
            {std::string(trim(line.substr(0, equals))), std::string(trim(line.substr(equals + 1))), number});
    }
    return values;
}

std::string_view nearest_name(std::string_view word, std::vector<std::string_view> const& known)
{
    std::string_view best;
    std::size_t best_distance = 4;
    for (auto const name : known) {
        std::vector<std::size_t> row(name.size() + 1);
        std::iota(row.begin(), row.end(), 0u);
        for (std::size_t i = 1; i <= word.size(); ++i) {
            std::size_t diagonal = row[0]++;
            for (std::size_t j = 1; j <= name.size(); ++j) {
                std::size_t const change = diagonal + (word[i - 1] != name[j - 1]);
                diagonal = row[j];
                row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
            }
        }
        if (row.back() < best_distance) {
            best_distance = row.back();
            best = name;
        }
    }
    return best;
}

}  // namespace yoda
