// SPDX-License-Identifier: Apache-2.0
// The access point of a Harvester's worker: its files, and who may write which of them when (docs/panda.md).
// Harvester writes in place: one of its files that is not whole is still being written. Harvester writes an
// answer first and removes the request after that. It answers every request that it meets, and overwrites an
// answer that nobody has taken yet.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/job/job.hpp"
#include "harvest/panda/fetch/job_filter.hpp"

namespace yoda {

class AccessPoint {
  public:
    explicit AccessPoint(std::string folder) : folder_(std::move(folder)) {}

    /// HPCJobs.json: definitions by PandaID. nullopt: not there, or not whole yet. Errors: usage (another
    /// form than JSON), bad_input (no object of jobs), io.
    Result<std::optional<nlohmann::json>> read_jobs() const;

    /// PandaID -> text of its list of ranges, for those of `jobs` that the file at `path` names.
    using RangeLists = std::map<std::int64_t, std::string>;
    /// nullopt: not there, or not whole yet. A file that makes no sense, or that names only other jobs, is
    /// put aside as JobsEventRanges.json.bad.<n> and is an error (bad_input) this once.
    Result<std::optional<RangeLists>> read_ranges(std::string const& path,
                                                  std::vector<Job> const& jobs) const;

    /// Puts the request down unless one is there already, or an answer, whole or half. True: it was put down.
    Result<bool> ask_for_job() const;
    Result<bool> ask_for_ranges(std::vector<Job> const& jobs, std::int64_t range_count) const;

    /// That the worker's only job cannot run here: Harvester ends both.
    Status tell_of_end(JobEnd const& end) const;
    Status write_attributes(nlohmann::json const& attributes) const;
    /// Harvester's word to end a worker that would find nothing to do.
    Status write_kill(std::string_view reason) const;

    std::string file(std::string_view name) const { return folder_ + "/" + std::string(name); }
    std::string ranges() const { return file("JobsEventRanges.json"); }
    std::string dump() const { return file("event_status.dump.json"); }
    /// A dump that Harvester has taken and not acknowledged: it looks at no other one before that.
    std::string taken_dump() const { return dump() + ".read"; }

  private:
    Result<bool> ask(std::string_view request, std::string const& answer, nlohmann::json const& wish) const;
    std::string folder_;
};

/// One line of JSON; what is not UTF-8 is replaced.
std::string print_line(nlohmann::json const& json);

/// Renames the file to STEM.<n>, under a number that is free; gives the new name.
Result<std::string> put_aside(std::string const& path, std::string const& stem);

}  // namespace yoda
