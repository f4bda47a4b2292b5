// SPDX-License-Identifier: Apache-2.0
#include "droid/channel/memory_log.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "sys/base/files.hpp"
#include "sys/process/process_tree.hpp"

namespace yoda {

void MemoryLog::sample(std::vector<BusyWorker> const& busy)
{
    std::map<JobIndex, std::uint64_t> now;
    for (auto const& worker : busy) {
        if (worker.pid <= 0) continue;
        for (auto const& process : process_tree(worker.pid)) now[worker.job] += process.memory_bytes;
    }
    for (auto const& [job, bytes] : now) add(job, bytes);
}

void MemoryLog::add(JobIndex job, std::uint64_t bytes)
{
    auto& use = by_job_[job];
    use.max_bytes = std::max(use.max_bytes, bytes);
    use.sum_bytes += static_cast<double>(bytes);
    ++use.count;
}

bool MemoryLog::is_worth_writing() const
{
    return std::any_of(by_job_.begin(), by_job_.end(), [](auto const& entry) {
        return entry.second.max_bytes > entry.second.written_bytes + entry.second.written_bytes / 4;
    });
}

std::string MemoryLog::print() const
{
    nlohmann::ordered_json jobs = nlohmann::ordered_json::array();
    for (auto const& [job, use] : by_job_)
        jobs.push_back({{"job", job},
                        {"max_rss_kb", use.max_bytes / 1024},
                        {"avg_rss_kb",
                         static_cast<std::uint64_t>(use.sum_bytes / static_cast<double>(use.count) / 1024)}});
    return nlohmann::ordered_json{{"version", 1}, {"jobs", std::move(jobs)}}.dump() + "\n";
}

Status MemoryLog::write()
{
    if (by_job_.empty()) return {};
    for (auto& [job, use] : by_job_) use.written_bytes = use.max_bytes;
    return replace_file(path_, print(), 0644, false);
}

}  // namespace yoda
