// SPDX-License-Identifier: Apache-2.0
#include "droid/channel/channel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace yoda {

std::string print_exit(PayloadExited const& exited)
{
    if (exited.signal != 0) return fmt::format("was killed by signal {}", exited.signal);
    return fmt::format("ended with exit code {}", exited.exit_code);
}

OutputPlaceholders::OutputPlaceholders(PayloadSetup const& setup)
{
    auto const& outputs = setup.outputs.outputs();
    values_.emplace_back("out_lfn", outputs.size() == 1 ? outputs[0].lfn : std::string());
    for (auto const& rule : setup.payload.outputs) {
        auto const found = std::find_if(outputs.begin(), outputs.end(),
                                        [&](auto const& output) { return output.name == rule.name; });
        values_.emplace_back("out_lfn." + rule.name, found == outputs.end() ? std::string() : found->lfn);
    }
}

void OutputPlaceholders::add_to(std::vector<Placeholder>& values) const
{
    for (auto const& [name, value] : values_) values.push_back({name, value});
}

namespace {

/// Seconds as decimal text to ms; "N/A" and nonsense count as 0.
std::uint32_t parse_ms(std::string_view text)
{
    double seconds = 0;
    std::from_chars(text.data(), text.data() + text.size(), seconds);
    double const ms = std::ceil(seconds * 1000);
    return ms > 0 && ms < 4e9 ? static_cast<std::uint32_t>(ms) : 0;
}

/// Takes the last comma-separated piece off `line`.
std::string_view take_last(std::string_view& line)
{
    auto const comma = line.rfind(',');
    auto const piece = comma == std::string_view::npos ? line : line.substr(comma + 1);
    line = comma == std::string_view::npos ? std::string_view{} : line.substr(0, comma);
    return piece;
}

}  // namespace

bool parse_result_line(std::string_view line, ResultLine& result)
{
    // From the right: paths may be several, but the end has a fixed form.
    auto const wall = take_last(line);
    if (!wall.starts_with("WALL:")) return false;
    auto const cpu = take_last(line);
    if (!cpu.starts_with("CPU:")) return false;
    auto id = take_last(line);
    if (id.starts_with("ID:")) id.remove_prefix(3);
    if (id.empty()) return false;
    result.range_id = id;
    result.cpu_ms = parse_ms(cpu.substr(4));
    result.wall_ms = parse_ms(wall.substr(5));
    result.paths.clear();
    while (!line.empty()) {
        auto const comma = line.find(',');
        result.paths.emplace_back(line.substr(0, comma));
        line = comma == std::string_view::npos ? std::string_view{} : line.substr(comma + 1);
    }
    return true;
}

}  // namespace yoda
