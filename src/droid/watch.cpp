#include "droid/watch.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "sys/files.hpp"
#include "sys/process_tree.hpp"

namespace yoda {

std::vector<Breach> Watch::check(TimePoint now, std::vector<BusyWorker> const& busy)
{
    std::vector<Breach> breaches;
    std::unordered_map<std::string, Seen> seen;
    for (auto const& worker : busy) {
        if (limits_.silence < Duration::max() || limits_.folder_bytes > 0) {
            auto& watched = seen[worker.folder];
            if (auto const old = seen_.find(worker.folder); old != seen_.end()) watched = old->second;
            if (watched.what != worker.what) watched.silence.heard(now);
            watched.what = worker.what;
            watched.silence.heard(worker.heard);
            watched.silence.look(meter_, worker.folder, now);
            if (auto const silence = watched.silence.proven(); silence > limits_.silence) {
                breaches.push_back(
                    {worker.what, worker.job, code::looping_job,
                     fmt::format("its worker neither spoke nor wrote for {:.0f} s", silence.s())});
                continue;
            }
        }
        if (limits_.memory_bytes > 0 && worker.pid > 0) {
            auto const used = measure_tree(worker.pid).memory_bytes;
            auto const limit = limits_.memory_bytes * worker.share;
            if (used > limit)
                breaches.push_back({worker.what, worker.job, code::exceeds_max_memory,
                                    fmt::format("its worker used {} MB of memory, the limit is {} MB",
                                                used / 1'000'000, limit / 1'000'000)});
        }
    }
    seen_ = std::move(seen);

    check_work_folder(now, busy, breaches);
    if (auto const free = yoda::free_bytes(work_folder_)) {
        free_bytes_ = *free;
        disk_is_low_ = free_bytes_ < limits_.free_bytes;
    }
    return breaches;
}

/// The worker whose folder is largest pays.
void Watch::check_work_folder(TimePoint now, std::vector<BusyWorker> const& busy,
                              std::vector<Breach>& breaches)
{
    if (limits_.folder_bytes == 0 || !work_use_.look(meter_, work_folder_, now)) return;
    auto const used = work_use_.use().bytes;
    if (used <= limits_.folder_bytes || busy.empty()) return;
    auto const size_of = [&](BusyWorker const& worker) {
        return seen_.at(worker.folder).silence.use().bytes;
    };
    auto const largest =
        std::max_element(busy.begin(), busy.end(),
                         [&](BusyWorker const& a, BusyWorker const& b) { return size_of(a) < size_of(b); });
    if (size_of(*largest) == 0) return;  // No walk of theirs has come to its end yet.
    breaches.push_back({largest->what, largest->job, code::no_local_space,
                        fmt::format("the work folder has {} MB, the limit is {} MB", used / 1'000'000,
                                    limits_.folder_bytes / 1'000'000)});
    work_use_.forget();  // The next worker pays only for what is there without this one.
}

std::vector<Breach> Watch::check_logs(JobIndex job, std::vector<std::string> const& paths) const
{
    std::vector<Breach> breaches;
    for (auto const& path : paths) {
        struct stat info {};
        if (limits_.log_bytes == 0 || ::lstat(path.c_str(), &info) != 0) continue;
        if (static_cast<std::uint64_t>(info.st_size) <= limits_.log_bytes) continue;
        breaches.push_back({{none, 0},
                            job,
                            code::no_local_space,
                            fmt::format("the payload's log {} has {} MB, the limit is {} MB", path,
                                        info.st_size / 1'000'000, limits_.log_bytes / 1'000'000)});
        // The first part is kept, the rest would fill the disk. Half of what is allowed, so that the
        // payload's next start, or the run's next life, has room for a word.
        [[maybe_unused]] int const cut = ::truncate(path.c_str(), static_cast<off_t>(limits_.log_bytes / 2));
    }
    return breaches;
}

}  // namespace yoda
