#include "droid/athenamp/output_names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

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

std::vector<std::string> give_merge_names(std::vector<std::string> const& paths, std::string_view range_id,
                                          Job const& job)
{
    auto const outputs = out_lfns(job);
    std::vector<std::string> named;
    for (auto const& path : paths) {
        auto const slash = path.rfind('/') + 1;
        auto better =
            path.substr(0, slash) + merge_name(std::string_view(path).substr(slash), range_id, outputs);
        bool const taken = std::find(named.begin(), named.end(), better) != named.end();
        named.push_back(better != path && !taken && std::rename(path.c_str(), better.c_str()) == 0 ? better
                                                                                                   : path);
    }
    return named;
}

}  // namespace yoda::athenamp
