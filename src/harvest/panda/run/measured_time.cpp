// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/run/measured_time.hpp"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "sys/base/files.hpp"
#include "sys/base/run_folder.hpp"

namespace yoda {

namespace fs = std::filesystem;

std::optional<MeasuredTime> find_measured_time(std::string const& run)
{
    constexpr std::size_t looked_at = 200;
    constexpr std::uint64_t status_limit_bytes = 64ull << 20;
    auto path = fs::path(run);
    if (!path.has_filename()) path = path.parent_path();
    auto const parent = path.parent_path();
    std::vector<std::pair<fs::file_time_type, std::string>> runs;
    std::error_code code;
    for (fs::directory_iterator it(parent.empty() ? fs::path(".") : parent, code), end; !code && it != end;
         it.increment(code)) {
        auto folder = it->path().string();
        std::error_code failed;
        auto const written = fs::last_write_time(RunFolder(folder).status(), failed);
        if (!failed) runs.emplace_back(written, std::move(folder));
    }
    std::sort(runs.begin(), runs.end(), std::greater<>());
    if (runs.size() > looked_at) runs.resize(looked_at);
    for (auto& [written, folder] : runs) {
        auto const text = read_file(RunFolder(folder).status(), status_limit_bytes);
        auto const json = text ? nlohmann::json::parse(*text, nullptr, false) : nlohmann::json();
        if (!json.is_object()) continue;
        auto const times = json.find("event_time_s");
        if (times == json.end() || !times->is_object() || !times->contains("mean")) continue;
        auto const& mean = (*times)["mean"];
        if (mean.is_number() && mean.get<double>() > 0)
            return MeasuredTime{mean.get<double>(), std::move(folder)};
    }
    return std::nullopt;
}

}  // namespace yoda
