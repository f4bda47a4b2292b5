// SPDX-License-Identifier: Apache-2.0
#include "harvest/batch/sizing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace yoda {

namespace {

constexpr double safety = 1.3;  ///< range times scatter, and nodes differ

Error no_fit(std::string what, std::string why, std::string fix)
{
    return {ErrorKind::usage, std::move(what), std::move(why), std::move(fix)};
}

std::uint64_t divide_up(std::uint64_t a, std::uint64_t b)
{
    return (a + b - 1) / b;
}

}  // namespace

std::string print_walltime(std::int64_t seconds)
{
    return fmt::format("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

Result<JobSize> size_job(SizingFacts const& facts, SizingLimits const& limits)
{
    if (facts.range_count == 0) return no_fit("no range is left to do", {}, {});
    auto const cores = std::max<std::uint64_t>(limits.cores_per_node, 1);
    if (limits.nodes_wanted > limits.nodes_max)
        return no_fit(fmt::format("{} nodes are more than the site's nodes_max", limits.nodes_wanted),
                      fmt::format("it is {}", limits.nodes_max), "ask for fewer nodes or set nodes_max");
    if (limits.nodes_wanted > facts.range_count)
        return no_fit(
            fmt::format("{} nodes are more than the {} ranges left", limits.nodes_wanted, facts.range_count),
            "a node without a range is wasted", "ask for fewer nodes");
    auto const longest_s = limits.walltime_wanted_s > 0 ? limits.walltime_wanted_s : limits.walltime_max_s;
    double const usable_s = static_cast<double>(longest_s - limits.overhead_s);
    if (usable_s <= 0 || facts.range_s > usable_s)
        return no_fit(
            fmt::format("a walltime of {} is too short for one range", print_walltime(longest_s)),
            fmt::format("a range takes {:.0f} s, start and end {} s", facts.range_s, limits.overhead_s),
            "a longer walltime, or runs with fewer events a range");

    JobSize size;
    // A node for whose cores there is no range is wasted, however long the queue.
    auto const useful = std::max<std::uint64_t>(divide_up(facts.range_count, cores), 1);
    auto most = std::min(limits.nodes_max, useful);
    if (limits.backfill && facts.idle_node_count > 0) most = std::min(most, facts.idle_node_count);
    auto const least = std::min(limits.nodes_min, useful);
    most = std::max(most, least);
    if (limits.nodes_wanted > 0) {
        size.node_count = limits.nodes_wanted;
        size.because = "nodes as asked for";
    } else if (facts.range_s <= 0) {
        size.node_count = least;
        size.because = "range times are not known yet: as few nodes as allowed";
    } else {
        auto const per_core = std::max(1.0, std::floor(usable_s / (facts.range_s * safety)));
        auto const per_node = per_core * static_cast<double>(cores);
        auto const wanted =
            static_cast<std::uint64_t>(std::ceil(static_cast<double>(facts.range_count) / per_node));
        size.node_count = std::clamp(wanted, least, most);
        size.because =
            fmt::format("{} ranges of {:.1f} s on {} cores a node", facts.range_count, facts.range_s, cores);
    }
    size.walltime_s = longest_s;
    if (limits.walltime_wanted_s == 0 && facts.range_s > 0) {
        auto const rounds = divide_up(facts.range_count, size.node_count * cores);
        auto const needed_s = static_cast<double>(rounds) * facts.range_s * safety + facts.range_s;
        auto const wall_s = static_cast<std::int64_t>(std::min(needed_s, 1e9)) + limits.overhead_s;
        size.walltime_s =
            std::clamp((wall_s + 59) / 60 * 60, std::min(limits.walltime_min_s, longest_s), longest_s);
    }
    return size;
}

}  // namespace yoda
