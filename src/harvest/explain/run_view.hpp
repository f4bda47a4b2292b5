// SPDX-License-Identifier: Apache-2.0
// A run as it stands, read without changing anything: also while a yoda works on it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "core/base/result.hpp"
#include "core/config/payload_config.hpp"
#include "sys/base/run_folder.hpp"
#include "sys/run/run_opening.hpp"

namespace yoda {

struct RunView {
    RunFolder folder{""};
    PayloadConfig payload;
    OpenedRun opened;
};

/// Errors: not a run folder, another version, files missing or broken: each says which.
Result<RunView> read_run(std::string const& run);

/// Where a run stands: counts right to the range from table and journal; rate, Droids and the like as the
/// yoda that holds, or last held, the run told in status.json. `now_unix_s` tells whether it still does.
nlohmann::ordered_json make_run_status(RunView const& view, std::int64_t now_unix_s);

/// The same for people.
std::string print_run_status(nlohmann::ordered_json const& status);

/// Why the run is as it is, and what to do next.
std::string explain_run(RunView const& view, std::int64_t now_unix_s);

}  // namespace yoda
