// The names under which the merge job looks for outputs: `<outLFN>.<eventRangeID>` (docs/reference/panda.md
// §8).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/job.hpp"

namespace yoda::athenamp {

/// `<outFile>_000.<id>` or `<outFile>.<id>` (base names) -> `<outLFN>.<id>`. The outFile is one of the job's
/// outputs; a name that is none of them is taken for the job's output if there is but one, else it stays.
std::string merge_name(std::string_view name, std::string_view range_id,
                       std::vector<std::string> const& out_lfns);

/// The job's outputs without its log.
std::vector<std::string> out_lfns(Job const& job);

/// What each of a range's files is called in the bundle. Of two that would be called the same the later one
/// keeps its own name.
std::vector<std::string> merge_names(std::vector<std::string> const& paths, std::string_view range_id,
                                     std::vector<std::string> const& out_lfns);

}  // namespace yoda::athenamp
