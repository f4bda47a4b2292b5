// SPDX-License-Identifier: Apache-2.0
// PanDA's description of a queue (CRIC or AGIS JSON with schedconfig's keys, and its storage endpoints) as
// settings of harvest (harvest_config.hpp). Mapping: docs/panda.md, "Queue configuration".
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "harvest/config/harvest_config.hpp"
#include "sys/base/clock.hpp"
#include "sys/base/log.hpp"
#include "sys/http/http.hpp"

namespace yoda {

struct QueueTexts {
    std::string queue;         ///< one queue, or {"NAME": {queue}, ...}
    std::string queue_origin;  ///< for people: file or URL
    std::string endpoints;     ///< empty, or {"RSE": {endpoint}, ...}
    std::string endpoints_origin;
};
/// Sets what the description says, in ConfigLayer::queue (stores: queue_store). What it says of things that
/// we do not know is left out. Returns warnings. Errors (bad_input): not JSON; no such queue.
Result<std::vector<std::string>> apply_queue(HarvestConfig& config, QueueTexts const& texts,
                                             std::string_view queue_name);

/// The settings of schedconfig's names that a job brings along in --overwriteQueuedata, in ConfigLayer::job.
std::vector<std::string> apply_overwrites(HarvestConfig& config,
                                          std::map<std::string, std::string> const& settings,
                                          std::int64_t panda_id);

/// A file's text, or a URL's: its copy while that is young enough, else asked for; when that fails the copy
/// of any age, with a warning.
Result<std::string> read_queue_source(std::string const& source, std::string const& cache_folder,
                                      double cache_time_s, HttpTls const& tls, HttpClient& http,
                                      Clock const& clock, Log& log);

/// queue.source and queue.endpoints of the configuration, if they are set, applied for panda.site.
Status load_queue(HarvestConfig& config, HttpClient& http, Clock const& clock, Log& log);

}  // namespace yoda
