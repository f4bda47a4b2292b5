// SPDX-License-Identifier: Apache-2.0
// Checks the input files of a job before a batch job is spent on it: each must be there, with the right size
// and checksum, or is staged in. A wrong file fails the job with the pilot's code for this.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/base/result.hpp"
#include "core/job/job.hpp"
#include "harvest/panda/fetch/job_filter.hpp"
#include "sys/base/log.hpp"

namespace yoda {

/// Where an input can be fetched from, best first.
struct InputSource {
    std::string name;  ///< for people
    std::string rse;   ///< as PanDA calls the storage: a file that PanDA says is there is fetched there first
    struct Try {
        Status status;
        bool timed_out = false;
    };
    /// Writes `path` whole or not at all, within the time a transfer may take. `scope` and `lfn` are plain;
    /// the job is the one that reads the file.
    std::function<Try(std::int64_t panda_id, std::string const& scope, std::string const& lfn,
                      std::string const& path)>
        get;
    /// A URL that payloads can read directly; empty if there is none.
    std::function<std::string(std::string const& scope, std::string const& lfn)> direct_url;
};

struct InputPolicy {
    std::vector<std::string> folders;  ///< looked in for LFN, scope/LFN and Rucio's path
    bool checksums = true;             ///< false: sizes only
    std::string stage_folder;  ///< where fetched inputs go (on the shared file system); kept between runs
    std::uint64_t stage_limit_bytes = 14'000'000'000;  ///< for one job
    unsigned tries = 2;                                ///< at each source
    /// Jobs with transferType "direct" read from the first source that has a URL.
    bool direct_access = false;
};

/// Remembers what it has checked: several jobs read the same file.
class InputChecker {
  public:
    InputChecker(InputPolicy policy, std::vector<InputSource> sources, Log& log)
        : policy_(std::move(policy)), sources_(std::move(sources)), log_(log)
    {}

    /// The job with inFilePaths filled, or why it cannot run. Paths that
    /// came with the job are checked as they are.
    std::variant<Job, JobEnd> check(Job const& job);

  private:
    struct Problem {
        int code = 0;
        std::string why;
    };
    using Found = std::variant<std::string, Problem>;
    Found find(Job const& job, InputFile const& input, std::string const& rse, std::uint64_t& staged_bytes);
    Found stage_in(Job const& job, InputFile const& input, std::string const& rse,
                   std::uint64_t& staged_bytes);
    std::vector<InputSource const*> sources_for(std::string const& rse) const;
    std::optional<Problem> compare(std::string const& path, InputFile const& input);

    InputPolicy policy_;
    std::vector<InputSource> sources_;
    Log& log_;
    std::map<std::string, std::string> checked_;  ///< path -> "bytes checksum" that it was found to have
};

}  // namespace yoda
