// SPDX-License-Identifier: Apache-2.0
#include "droid/athenamp/worker_search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "sys/process/process_tree.hpp"

namespace yoda::athenamp {

namespace fs = std::filesystem;

std::vector<FoundWorker> find_workers(pid_t root, std::string const& top,
                                      std::vector<std::string> const& range_ids)
{
    std::vector<FoundWorker> found;
    if (root <= 1 || range_ids.empty()) return found;
    std::error_code code;
    auto const real_top = fs::canonical(top, code).string() + "/";
    if (code) return found;
    for (auto const& process : process_tree(root)) {
        auto const folder = fs::read_symlink(fmt::format("/proc/{}/cwd", process.pid), code);
        if (code || !folder.string().starts_with(real_top) ||
            !folder.filename().string().starts_with("worker_"))
            continue;
        // The file that was opened last is of the range at work; others wait to be reported or taken.
        fs::file_time_type newest{};
        FoundWorker best;
        for (fs::directory_iterator it(folder, code), end; !code && it != end; it.increment(code)) {
            auto const name = it->path().filename().string();
            auto const id = std::find_if(range_ids.begin(), range_ids.end(), [&](std::string const& range) {
                return name.ends_with("." + range);
            });
            if (id == range_ids.end()) continue;
            std::error_code ignored;
            auto const time = it->last_write_time(ignored);
            if (best.pid != 0 && time < newest) continue;
            newest = time;
            best = {*id, process.pid, folder.string()};
        }
        bool const known = std::any_of(found.begin(), found.end(), [&](FoundWorker const& other) {
            return other.range_id == best.range_id;
        });
        if (best.pid != 0 && !known) found.push_back(std::move(best));
    }
    return found;
}

}  // namespace yoda::athenamp
