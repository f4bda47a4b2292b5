// SPDX-License-Identifier: Apache-2.0
// From harvest's configuration (harvest_config.hpp) to the options of its parts.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "harvest/config/harvest_config.hpp"
#include "harvest/panda/fetch/fetch_command.hpp"
#include "harvest/panda/wire/settings.hpp"
#include "harvest/stage_out/push_command.hpp"

namespace yoda {

/// Where a command's configuration comes from.
struct ConfigSources {
    std::vector<std::string> files;                             ///< find_config_files()
    std::vector<std::pair<std::string, std::string>> settings;  ///< of the command line; they win
};

/// Files, then RUN/panda/harvest.cfg (what `harvest fetch` made the run with: a run keeps its
/// store), then RUN/harvest.cfg, then the command line. `run` may be empty. Errors: a file
/// that cannot be read, a wrong key or value.
Result<HarvestConfig> load_config(ConfigSources const& sources, std::string const& run);

/// The host we are on, or `panda.node`.
PandaSettings make_panda_settings(HarvestConfig const& config);
/// One store. `secrets_folder` holds what PandaProxy wants to be shown. Errors: a URL that is none.
Result<StoreConfig> make_store_config(HarvestConfig const& config, std::string const& name,
                                      PandaSettings const& panda, std::string const& secrets_folder,
                                      Clock const& clock, Log& log);
/// All but the folders. Errors: as make_store_config; no store at all.
Result<PushOptions> make_push_options(HarvestConfig const& config, std::string const& run, Clock const& clock,
                                      Log& log);
/// What fetch.* says of the batch job to come.
JobCapacity make_job_capacity(HarvestConfig const& config);
/// All but the payload and the choices of a single call. Errors: as make_store_config.
Result<FetchOptions> make_fetch_options(HarvestConfig const& config, std::string const& run,
                                        Clock const& clock, Log& log);

/// The texts for RUN/yoda.cfg and RUN/panda/harvest.cfg.
void set_run_texts(HarvestConfig const& config, FetchOptions& options);

}  // namespace yoda
