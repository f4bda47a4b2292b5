#include "droid/watch.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "sys/files.hpp"
#include "sys/process_tree.hpp"

namespace yoda {

FolderUse measure_folder(std::string const& path)
{
    FolderUse use;
    auto const add = [&](std::string const& file) {
        struct stat info {};
        if (::lstat(file.c_str(), &info) != 0) return;
        if (S_ISREG(info.st_mode)) use.bytes += static_cast<std::uint64_t>(info.st_blocks) * 512;
        use.newest_ns =
            std::max<std::int64_t>(use.newest_ns, info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec);
    };
    add(path);
    std::error_code code;
    auto const options = std::filesystem::directory_options::skip_permission_denied;
    for (std::filesystem::recursive_directory_iterator it(path, options, code), end; !code && it != end;
         it.increment(code))
        add(it->path().string());
    return use;
}

std::vector<Breach> Watch::check(TimePoint now, std::vector<BusyWorker> const& busy)
{
    std::vector<Breach> breaches;
    std::unordered_map<std::string, Seen> seen;
    for (auto const& worker : busy) {
        if (limits_.silence < Duration::max()) {
            auto const use = measure_folder(worker.folder);
            auto const old = seen_.find(worker.folder);
            bool const same = old != seen_.end() && old->second.what == worker.what && old->second.use == use;
            TimePoint const changed = same ? std::max(old->second.changed, worker.heard) : now;
            seen[worker.folder] = {worker.what, use, changed};
            if (now - changed > limits_.silence) {
                breaches.push_back(
                    {worker.what, worker.job, code::looping_job,
                     fmt::format("its worker neither spoke nor wrote for {:.0f} s", (now - changed).s())});
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

    if (limits_.folder_bytes > 0) {
        auto const used = measure_folder(work_folder_).bytes;
        if (used > limits_.folder_bytes && !busy.empty()) {
            // The worker whose folder is largest pays.
            auto const largest =
                std::max_element(busy.begin(), busy.end(), [](BusyWorker const& a, BusyWorker const& b) {
                    return measure_folder(a.folder).bytes < measure_folder(b.folder).bytes;
                });
            breaches.push_back({largest->what, largest->job, code::no_local_space,
                                fmt::format("the work folder has {} MB, the limit is {} MB", used / 1'000'000,
                                            limits_.folder_bytes / 1'000'000)});
        }
    }
    if (auto const free = yoda::free_bytes(work_folder_)) {
        free_bytes_ = *free;
        disk_is_low_ = free_bytes_ < limits_.free_bytes;
    }
    return breaches;
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
