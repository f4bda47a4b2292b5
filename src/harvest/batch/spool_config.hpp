// SPDX-License-Identifier: Apache-2.0
// SPOOL/spool.cfg: how `harvest cycle` keeps a folder of runs going. `key = value`; `site.KEY` are settings
// of the site (site.hpp). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.hpp"

namespace yoda {

struct SpoolConfig {
    std::string payload;                             ///< of fetched runs
    bool fetch = true;                               ///< from PanDA
    bool push = true;                                ///< to stores
    std::uint64_t runs_max = 4;                      ///< not over yet
    std::uint64_t nodes_max = UINT64_MAX;            ///< of all jobs together
    std::uint64_t disk_free_bytes = 10'000'000'000;  ///< less than this: nothing is fetched
    std::uint64_t feed_ranges = 10'000;              ///< for a run that is open, in one cycle
    double clean_after_s = 7 * 86400;                ///< a run that is over is removed after this; 0: never
    double time_limit_s = 600;                       ///< no step begins after this
    std::vector<std::string> sites;                  ///< files, absolute or from the spool
    std::vector<std::string> configs;                ///< of harvest (docs/panda.md), likewise
    std::vector<std::pair<std::string, std::string>> site_settings;
    std::vector<std::string> given;
};

/// Errors name `source` and the line.
Result<SpoolConfig> parse_spool_config(std::string_view text, std::string_view source);
/// Error: keys that are missing, all of them; with those that its site and harvest's configuration lack.
Status check_spool_config(SpoolConfig const& config, std::string_view source,
                          std::vector<std::string> const& missing_elsewhere = {});

}  // namespace yoda
