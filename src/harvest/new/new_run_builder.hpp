// SPDX-License-Identifier: Apache-2.0
// Makes a run folder whole or not at all: everything is written into RUN.part-<pid>, synced, and renamed.
// Used by `harvest new` (a job of one's own) and `harvest fetch` (jobs and ranges from PanDA).
//
//     auto builder = RunBuilder::create("RUN");
//     auto const job = builder->add_job(definition);
//     auto const added = builder->add_range(job, range, pfn);  // for every range, in any number
//     builder->set_payload(payload);
//     auto const made = builder->commit();
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/config/payload_config.hpp"
#include "core/job/job.hpp"
#include "core/table/event_table.hpp"

namespace yoda {

/// What was made.
struct NewRunSummary {
    std::string run;
    std::uint64_t job_count = 0;
    std::uint64_t file_count = 0;
    std::uint64_t range_count = 0;
    std::uint64_t event_count = 0;
    std::vector<std::string> leftovers;  ///< half-made folders of attempts that did not finish
};

class RunBuilder {
  public:
    /// Errors: something is at `run` already, its parent folder is missing or read-only.
    static Result<RunBuilder> create(std::string run);
    /// Removes what was written, unless commit() succeeded.
    ~RunBuilder();
    RunBuilder(RunBuilder&& other) noexcept;
    RunBuilder& operator=(RunBuilder&&) = delete;

    JobIndex add_job(Job job);
    /// Errors as EventTable::add_range, and names that a payload would misread.
    Status add_range(JobIndex job, RangeView const& range, std::string_view pfn);
    /// Without a name it is called as its program.
    void set_payload(PayloadConfig payload)
    {
        payload_ = std::move(payload);
        if (payload_.name.empty()) payload_.name = payload_.executable;
    }
    /// Content of RUN/yoda.cfg.
    void set_options(std::string text) { options_ = std::move(text); }
    /// A further file, `path` below the run folder: there as soon as the run is.
    void add_file(std::string path, std::string content, unsigned mode = 0644)
    {
        files_.push_back({std::move(path), std::move(content), mode});
    }

    EventTable const& table() const { return table_; }

    /// Errors: no job, no range, an eventRangeID twice, something stands at `run` meanwhile, disk full.
    Result<NewRunSummary> commit();

  private:
    RunBuilder(std::string run, std::string part);
    Status check() const;
    Status write_files() const;

    std::string run_;
    std::string part_;  ///< empty once committed
    std::vector<Job> jobs_;
    EventTable table_;
    PayloadConfig payload_;
    std::string options_;
    struct ExtraFile {
        std::string path, content;
        unsigned mode = 0644;
    };
    std::vector<ExtraFile> files_;
    struct Names {
        std::string lfn, guid, scope, pfn;
        bool is_of(RangeView const& range, std::string_view pfn_) const
        {
            return lfn == range.lfn && guid == range.guid && scope == range.scope && pfn == pfn_;
        }
    };
    Names last_names_;  ///< found good
};

/// Folders RUN.part-<pid> beside RUN, which attempts that were killed left behind.
std::vector<std::string> find_leftovers(std::string const& run);

}  // namespace yoda
