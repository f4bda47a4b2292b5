// SPDX-License-Identifier: Apache-2.0
#include "core/config/units.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <span>

namespace yoda {

namespace {

struct Unit {
    std::string_view name;
    double factor;
};

Result<double> parse_quantity(std::string_view text, std::span<Unit const> units, std::string_view kind)
{
    text = trim(text);
    double number = 0;
    auto const [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    auto const refuse = [&](std::string why) {
        std::string names;
        for (auto const& unit : units) names += (names.empty() ? "" : ", ") + std::string(unit.name);
        return Error{ErrorKind::usage, fmt::format("'{}' is no {}", text, kind), std::move(why),
                     fmt::format("write a number and one of: {}", names)};
    };
    if (code != std::errc{}) return refuse("it does not begin with a number");
    if (!std::isfinite(number)) return refuse("it is not a finite number");
    if (number < 0) return refuse("it is negative");
    auto const name = trim(text.substr(static_cast<std::size_t>(end - text.data())));
    if (name.empty()) return number;
    for (auto const& unit : units) {
        if (unit.name == name) return number * unit.factor;
    }
    return refuse(fmt::format("'{}' is no unit of it", name));
}

}  // namespace

std::string_view trim(std::string_view text)
{
    auto const begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

Result<double> parse_seconds(std::string_view text)
{
    static constexpr std::array<Unit, 5> units{
        {{"ms", 1e-3}, {"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}}};
    auto const seconds = parse_quantity(text, units, "time");
    if (seconds && *seconds > 3.2e9)  // A hundred years, which fit into nanoseconds.
        return Error{ErrorKind::usage, fmt::format("'{}' is no time", trim(text)), "it is too long", {}};
    return seconds;
}

Result<std::uint64_t> parse_bytes(std::string_view text)
{
    static constexpr std::array<Unit, 9> units{{{"B", 1},
                                                {"KB", 1e3},
                                                {"MB", 1e6},
                                                {"GB", 1e9},
                                                {"TB", 1e12},
                                                {"KiB", 1024},
                                                {"MiB", 1048576},
                                                {"GiB", 1073741824},
                                                {"TiB", 1099511627776}}};
    auto const bytes = parse_quantity(text, units, "size");
    if (!bytes) return bytes.error();
    if (*bytes > 9e18)
        return Error{ErrorKind::usage, fmt::format("'{}' is no size", trim(text)), "it is too large", {}};
    return static_cast<std::uint64_t>(*bytes);
}

Result<std::uint64_t> parse_count(std::string_view text)
{
    text = trim(text);
    std::uint64_t number = 0;
    auto const [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (code != std::errc{} || end != text.data() + text.size())
        return Error{ErrorKind::usage, fmt::format("'{}' is no whole number", text), {}, "write digits only"};
    return number;
}

Result<bool> parse_yes_no(std::string_view text)
{
    text = trim(text);
    if (text == "yes" || text == "true" || text == "on" || text == "1") return true;
    if (text == "no" || text == "false" || text == "off" || text == "0") return false;
    return Error{ErrorKind::usage, fmt::format("'{}' is neither yes nor no", text), {}, "write yes or no"};
}

}  // namespace yoda
