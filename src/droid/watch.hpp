// Watches what payloads use: silence, memory, disk, log size. Looks at /proc and the work folder every now
// and then and says which ranges must end, with code and reason (docs/reference/panda.md §9).
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "droid/channel.hpp"

namespace yoda {

struct WatchLimits {
    Duration silence = Duration::max();  ///< no message and no change in the worker's folder
    std::uint64_t memory_bytes = 0;      ///< of a worker with its children; 0: no limit
    std::uint64_t log_bytes = 0;         ///< of each log file of a payload; 0: no limit
    std::uint64_t folder_bytes = 0;      ///< of the whole work folder; 0: no limit
    std::uint64_t free_bytes = 0;        ///< with less free space no range is started
};

/// A limit that one range, or (range none) a whole job's payload, has broken.
struct Breach {
    HandOut what{none, 0};
    JobIndex job = 0;
    std::uint16_t error_code = 0;
    std::string reason;
};

/// What lies in a folder tree; links are not followed.
struct FolderUse {
    std::uint64_t bytes = 0;
    std::int64_t newest_ns = 0;  ///< latest change of a file or folder
    bool operator==(FolderUse const&) const = default;
};
FolderUse measure_folder(std::string const& path);

class Watch {
  public:
    Watch(WatchLimits limits, std::string work_folder) : limits_(limits), work_folder_(std::move(work_folder))
    {}

    std::vector<Breach> check(TimePoint now, std::vector<BusyWorker> const& busy);
    /// A payload that floods its logs can fill a disk in seconds: cheap, to be asked often. A log over the
    /// limit is cut to half of it.
    std::vector<Breach> check_logs(JobIndex job, std::vector<std::string> const& paths) const;
    /// Free space is below the limit (as of the last check).
    bool disk_is_low() const { return disk_is_low_; }
    std::uint64_t free_bytes() const { return free_bytes_; }

  private:
    struct Seen {
        HandOut what;
        FolderUse use;
        TimePoint changed;
    };
    WatchLimits limits_;
    std::string work_folder_;
    std::unordered_map<std::string, Seen> seen_;  ///< by worker's folder
    bool disk_is_low_ = false;
    std::uint64_t free_bytes_ = 0;
};

}  // namespace yoda
