// SPDX-License-Identifier: Apache-2.0
// How AthenaMP is started: the command and its environment, made from the PanDA job and the payload's
// configuration (docs/reference/athenamp.md §6; docs/athenamp.md). Pure but for write_lists().
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/config/payload_config.hpp"
#include "core/job/job.hpp"

namespace yoda::athenamp {

struct LaunchInput {
    Job const* job = nullptr;
    PayloadConfig const* payload = nullptr;
    std::vector<std::string> environment;  ///< what it inherits
    std::string channel;
    std::string folder;
    std::string stage_folder;  ///< where copies of inputs are
    std::uint32_t worker_count = 1;
    std::vector<InputFile> inputs;  ///< with the PFNs that it shall use; empty: the job's
};

/// A file for the payload's folder (the job's writeToFile).
struct ListFile {
    std::string name;
    std::string text;  ///< one input a line
};

struct Launch {
    std::vector<std::string> arguments;
    std::vector<std::string> environment;
    std::vector<ListFile> lists;
    bool multithreaded = false;  ///< AthenaMT
};

/// Errors: jobPars that only a shell could read, or with a variable that is not set; an unknown placeholder;
/// neither `executable` nor a transformation; AthenaMT for a job whose ranges cannot name their files; a
/// writeToFile that makes no sense.
Result<Launch> plan_launch(LaunchInput input);
/// Puts the lists into the payload's folder.
Status write_lists(Launch const& launch, std::string const& folder);

}  // namespace yoda::athenamp
