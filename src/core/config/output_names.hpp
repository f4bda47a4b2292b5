// SPDX-License-Identifier: Apache-2.0
// The names under which a merge job looks for outputs, `<outLFN>.<eventRangeID>` (docs/reference/panda.md
// §8). Members of bundles and single objects therefore have these names. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/config/payload_config.hpp"
#include "core/job/job.hpp"

namespace yoda {

/// A member's name as a file name: the record of the member's object has this name, and so has the object
/// itself where the store allows no other. A dot at the beginning, control characters and bytes that are
/// not UTF-8 become `%XX`.
/// All other bytes stay as they are.
std::string record_name(std::string_view member);
/// The object's name: as record_name(), but a dot at the beginning stays.
std::string object_name(std::string_view member);
/// The longest record_name(), in bytes: a file name has 255, and files beside it have names that are longer.
constexpr std::size_t max_record_name_bytes = 230;

/// The job's outputs without its logs.
std::vector<std::string> out_lfns(Job const& job);

/// Which of a job's outputs a payload's file is.
class OutputNames {
  public:
    /// Every file keeps its own name.
    OutputNames() = default;
    /// Error (bad_input): which output of the job cannot be mapped, and why.
    static Result<OutputNames> make(Job const& job, PayloadConfig const& payload);

    struct Output {
        std::string name;  ///< of its output.NAME; empty without one
        std::string lfn;
    };
    /// The outputs whose LFNs the payload is told.
    std::vector<Output> const& outputs() const { return outputs_; }

    struct Named {
        std::vector<std::string> names;  ///< by path, base names in the bundle; empty: the files' own
        std::string missing;  ///< why the range's files are not all that there must be; empty: they are
    };
    /// Of several files that could be one LFN's the exact name of its stream counts first
    /// (`<LFN>.<id>`, then AthenaMP's `<LFN>_000.<id>`), then `<NAME>.<id>`, then the order in which
    /// the payload told them (AthenaMP: of their names, since it tells them as they lie in a
    /// folder). The others keep their own names.
    Named name(std::vector<std::string> const& paths, std::string_view range_id) const;

  private:
    unsigned distance(std::string_view base, Output const& output) const;

    std::vector<Output> outputs_;
    bool takes_any_ = false;    ///< there is one LFN: any file is its, where none is named better
    bool of_athenamp_ = false;  ///< streams have the names of the LFNs
};

}  // namespace yoda
