// SPDX-License-Identifier: Apache-2.0
// `harvest fetch RUN`: jobs and event ranges from PanDA as a run folder that yoda takes; `harvest fetch
// --more RUN`: more ranges for a run that is there. Both may be killed and called again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/config/payload_config.hpp"
#include "harvest/panda/fetch/fetch.hpp"
#include "harvest/panda/wire/settings.hpp"
#include "harvest/stores/base/store_context.hpp"
#include "harvest/stores/make_store.hpp"
#include "sys/base/clock.hpp"
#include "sys/base/log.hpp"
#include "sys/http/http.hpp"

namespace yoda {

struct FetchOptions {
    std::string run;  ///< folder to make
    PandaSettings panda;
    std::int64_t job_count = 1;
    std::optional<std::int64_t> task_id;
    std::string resource_type;
    std::string job_type;
    std::string working_group;
    std::optional<std::int64_t> memory_mb;
    std::optional<std::int64_t> disk_mb;
    std::optional<std::int64_t> remaining_time_s;
    JobCapacity capacity;
    std::optional<std::int64_t> range_limit;
    std::int64_t chunk = 10'000;
    bool scattered = false;
    std::optional<std::int64_t> segment_id;
    InputPolicy inputs;
    std::vector<StoreConfig> input_stores;  ///< best first
    Duration input_try_time = Duration::from_s(1800);
    PayloadConfig payload;
    std::string config;      ///< content of RUN/yoda.cfg
    std::string run_config;  ///< content of RUN/panda/harvest.cfg
    /// What jobs say of the queue in --overwriteQueuedata: may change `config` and `run_config`.
    std::function<void(std::int64_t panda_id, std::map<std::string, std::string> const& settings,
                       FetchOptions& options)>
        apply_overwrites;
    bool leave_open = false;  ///< more ranges may be fetched while it runs
    /// With some ranges in hand, make the run although PanDA does not answer any more.
    bool settle_for_less = false;
};

struct FetchCommandSummary {
    FetchSummary fetched;
    std::string run;  ///< empty: no run was made, there is nothing to do
    PandaTraffic traffic;
    std::vector<std::string> alarms;  ///< why no more jobs are asked for: a person is needed
    std::string text() const;
    std::string json() const;
};

Result<FetchCommandSummary> fetch_run(FetchOptions const& options, HttpClient& http, Clock const& clock,
                                      Log& log);

struct FeedOptions {
    std::string run;
    PandaSettings panda;
    std::int64_t range_count = 10'000;  ///< how many more, at most
    JobCapacity capacity;               ///< of a batch job that is still to come
    std::int64_t chunk = 10'000;
};

struct FeedSummary {
    std::int64_t range_count = 0;  ///< put into the inbox
    std::int64_t refused_count = 0;
    std::int64_t lost_count = 0;                   ///< of answers that never came
    bool closed = false;                           ///< PanDA has no more, and the run was told so
    std::optional<std::int64_t> room_event_count;  ///< that the allocation had room for; nullopt: not known
    PandaTraffic traffic;
    std::string text() const;
    std::string json() const;
};

Result<FeedSummary> feed_run(FeedOptions const& options, HttpClient& http, Clock const& clock, Log& log);

/// Sources for staging in from stores; a try ends after `try_time`.
std::vector<InputSource> input_sources_from(std::vector<StoreConfig> const& stores, Duration try_time,
                                            Clock const& clock, Log& log, Breakers& breakers);

}  // namespace yoda
