// SPDX-License-Identifier: Apache-2.0
// What the payloads of each job use of this node's memory: sampled with the watch, kept as the largest and
// the mean sample. RUN/logs/memory_<life>_<rank>.json tells harvest, which tells PanDA (maxRSS, avgRSS).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "droid/channel/channel.hpp"

namespace yoda {

class MemoryLog {
  public:
    explicit MemoryLog(std::string path) : path_(std::move(path)) {}

    /// Resident sets of all busy workers with what they started, by job.
    void sample(std::vector<BusyWorker> const& busy);
    /// `bytes` of that job at one moment.
    void add(JobIndex job, std::uint64_t bytes);
    /// Whether the file says so much too little that it should be written before the end.
    bool is_worth_writing() const;
    /// Nothing without samples. Error: io.
    Status write();
    std::string print() const;

  private:
    struct Use {
        std::uint64_t max_bytes = 0;
        std::uint64_t written_bytes = 0;
        double sum_bytes = 0;
        std::uint64_t count = 0;
    };
    std::string path_;
    std::map<JobIndex, Use> by_job_;
};

}  // namespace yoda
