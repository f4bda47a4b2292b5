// SPDX-License-Identifier: Apache-2.0
#include "droid/athenamp/process_account.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "droid/channel/channel.hpp"
#include "sys/process/process_tree.hpp"

namespace yoda::athenamp {

namespace {

/// A transform may start any number of short helpers: the first so many are kept apart.
constexpr std::size_t max_process_count = 4096;

}  // namespace

void ProcessAccount::look(pid_t root)
{
    if (root <= 1) return;
    for (auto const& seen : process_tree(root)) {
        if (seen.is_dead()) continue;
        auto const key = std::pair(seen.pid, seen.start_ticks);
        if (processes_.size() >= max_process_count && !processes_.contains(key)) continue;
        auto& process = processes_[key];
        process.parent = seen.parent;
        process.command = seen.command;
        std::error_code code;
        auto const folder = std::filesystem::read_symlink(fmt::format("/proc/{}/cwd", seen.pid), code);
        if (!code) process.folder = folder.filename().string();
        process.cpu_ms = std::max(process.cpu_ms, seen.own_cpu_ms);
        process.peak_memory_bytes =
            std::max(process.peak_memory_bytes, read_peak_memory_bytes(seen.pid).value_or(seen.memory_bytes));
    }
}

std::string ProcessAccount::print(PayloadExited const& exited) const
{
    auto const seconds = [](std::uint64_t ms) { return static_cast<double>(ms) / 1000; };
    nlohmann::json json;
    json["payload"] = {{"cpu_s", static_cast<double>(exited.user_us + exited.system_us) * 1e-6},
                       {"peak_memory_bytes", exited.max_memory_bytes},
                       {"ended", print_exit(exited)}};
    auto& list = json["processes"] = nlohmann::json::array();
    for (auto const& [key, process] : processes_) {
        list.push_back({{"pid", key.first},
                        {"parent", process.parent},
                        {"command", process.command},
                        {"folder", process.folder},
                        {"cpu_s", seconds(process.cpu_ms)},
                        {"peak_memory_bytes", process.peak_memory_bytes}});
    }
    // Names are any bytes.
    return json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace yoda::athenamp
