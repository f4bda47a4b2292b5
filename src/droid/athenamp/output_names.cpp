#include "droid/athenamp/output_names.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace yoda::athenamp {

std::vector<std::string> out_lfns(Job const& job)
{
    auto names = job.list("outFiles");
    std::erase(names, job.text("logFile"));
    return names;
}

std::string merge_name(std::string_view name, std::string_view range_id,
                       std::vector<std::string> const& out_lfns)
{
    std::string_view base = name;
    auto const drop = [&](std::string_view end) {
        if (base.ends_with(end)) base.remove_suffix(end.size());
    };
    drop(fmt::format(".{}", range_id));
    auto const is_output = [&] {
        return std::find(out_lfns.begin(), out_lfns.end(), base) != out_lfns.end();
    };
    if (!is_output()) drop("_000");
    if (!is_output()) {
        if (out_lfns.size() != 1) return std::string(name);
        base = out_lfns[0];
    }
    return fmt::format("{}.{}", base, range_id);
}

std::vector<std::string> merge_names(std::vector<std::string> const& paths, std::string_view range_id,
                                     std::vector<std::string> const& out_lfns)
{
    std::vector<std::string> names;
    for (auto const& path : paths) {
        auto const own = std::string_view(path).substr(path.rfind('/') + 1);
        auto name = merge_name(own, range_id, out_lfns);
        bool const taken = std::find(names.begin(), names.end(), name) != names.end();
        names.push_back(taken ? std::string(own) : std::move(name));
    }
    return names;
}

}  // namespace yoda::athenamp
