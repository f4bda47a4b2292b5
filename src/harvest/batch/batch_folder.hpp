// SPDX-License-Identifier: Apache-2.0
// RUN/batch: what was submitted for a run, the settings of its site, and the lock for those who look at it.
//
//   NNNN.json     one submission each (submission.hpp), replaced whole, synced
//   NAME.sh       what went to the batch system under that name
//   NAME.ended    the script's own note that it has ended, with yoda's exit code
//   current       name of the submission that may work on the run; a script with another name ends at once
//   site.cfg      settings of the last harvest submit; poll and cycle go on with them
//   plan.json     whether a person holds the run, whether it was given up, and where limits begin to count
//   lock          one harvest at a time
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "harvest/batch/submission.hpp"

namespace yoda {

struct BatchPlan {
    bool held = false;         ///< harvest cancel: nothing is submitted until harvest submit
    std::string given_up;      ///< not empty: why no more is submitted
    unsigned counts_from = 0;  ///< limits look at submissions after this one
};

class BatchFolder {
  public:
    explicit BatchFolder(std::string const& run) : path_(run + "/batch") {}

    std::string const& path() const { return path_; }
    std::string lock() const { return path_ + "/lock"; }
    std::string site() const { return path_ + "/site.cfg"; }
    std::string job_file(std::string const& name) const { return path_ + "/" + name + ".sh"; }

    Status make() const;
    /// In order of number. Error: one that cannot be read: then nothing may be submitted.
    Result<std::vector<Submission>> read_submissions() const;
    Status write_submission(Submission const& submission) const;
    Status write_current(std::string const& name) const;
    std::optional<int> read_end_note(std::string const& name) const;
    Result<BatchPlan> read_plan() const;
    Status write_plan(BatchPlan const& plan) const;

  private:
    std::string path_;
};

}  // namespace yoda
