// SPDX-License-Identifier: Apache-2.0
// A PanDA job as it came (every field is kept verbatim, docs/reference/panda.md §3) with typed access to what
// we use. RUN/job.json holds the jobs of a run:
//   {"version": 2, "run_id": "8 hex digits", "jobs": [{<PanDA fields>}, ...]}
// Version 1 has no run_id: the run was made by an older Yoda, and its files keep their names (ADR 0034).
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace yoda {

/// An input file of a job, one position of the comma lists inFiles, GUID, fsize,
/// checksum, scopeIn, inFilePaths.
struct InputFile {
    std::string lfn;
    std::string guid;
    std::string scope;
    std::string pfn;       ///< absolute path or direct-access URL; empty while unknown
    std::string checksum;  ///< "ad:...", "md:..." or 32 hex digits, as PanDA gave it
    std::uint64_t bytes = 0;
    bool operator==(InputFile const&) const = default;
};

class Job {
  public:
    /// Errors: PandaID missing; comma lists of different lengths; an LFN that is not a plain file name.
    static Result<Job> from_json(nlohmann::json fields);
    /// Deterministic text, every field as it came.
    nlohmann::json const& fields() const { return fields_; }

    std::int64_t panda_id() const { return number("PandaID", 0); }
    std::int64_t task_id() const { return number("taskID", 0); }
    std::int64_t jobset_id() const { return number("jobsetID", 0); }
    std::int64_t attempt() const { return number("attemptNr", 0); }
    /// The run that it lies in, given at random when that run was made; 0: in none, or in one made before
    /// runs had one. Keeps apart what two runs of one PandaID make (Harvester's OneToMany).
    std::uint32_t run_id() const { return run_id_; }
    void set_run_id(std::uint32_t run_id) { run_id_ = run_id; }
    std::vector<InputFile> const& inputs() const { return inputs_; }
    /// A copy of input number `index` lies here.
    void set_pfn(std::size_t index, std::string pfn) { inputs_.at(index).pfn = std::move(pfn); }
    /// Event numbers are positions inside each file (else they run over all input files).
    bool positions_in_file() const
    {
        auto const value = text("inFilePosEvtNum");  // "True" by a form, true in JSON.
        return value == "True" || value == "true";
    }

    /// Empty when absent or "NULL"; numbers are printed.
    std::string text(std::string_view field) const;
    /// A JSON number or a decimal text; `fallback` when absent, "NULL" or not a number.
    std::int64_t number(std::string_view field, std::int64_t fallback) const;
    /// A comma list; empty when absent or "NULL".
    std::vector<std::string> list(std::string_view field) const;

  private:
    nlohmann::json fields_;
    std::vector<InputFile> inputs_;
    std::uint32_t run_id_ = 0;
};

std::string print_jobs(std::vector<Job> const& jobs);
/// Errors: not JSON, another version, a run_id that is none, no jobs, a job that
/// Job::from_json refuses, one PandaID twice.
Result<std::vector<Job>> parse_jobs(std::string_view text);

}  // namespace yoda
