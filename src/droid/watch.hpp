// Watches what payloads use: silence, memory, disk, log size. Looks at /proc every now and then, has the work
// folder measured, and says which ranges must end, with code and reason (protocols.md §9.1).
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "droid/channel.hpp"
#include "droid/folder_meter.hpp"

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

class Watch {
  public:
    /// `meter` must outlive the watch.
    Watch(WatchLimits limits, std::string work_folder, FolderMeter& meter)
        : limits_(limits), work_folder_(std::move(work_folder)), meter_(meter)
    {}

    /// By what is known of the folders now: a breach is told when a walk has shown it.
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
        FolderSilence silence;
    };
    void check_work_folder(TimePoint now, std::vector<BusyWorker> const& busy, std::vector<Breach>& breaches);

    WatchLimits limits_;
    std::string work_folder_;
    FolderMeter& meter_;
    FolderSight work_use_;
    std::unordered_map<std::string, Seen> seen_;  ///< by worker's folder
    bool disk_is_low_ = false;
    std::uint64_t free_bytes_ = 0;
};

}  // namespace yoda
