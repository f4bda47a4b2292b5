// SPDX-License-Identifier: Apache-2.0
// How we speak to PanDA (harvest_options.hpp makes it from the configuration), and what lies in RUN/panda.
// Holds no secret, only where they are.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "harvest/panda/wire/client.hpp"

namespace yoda {

struct PandaSettings {
    PandaServer server;
    PandaCredentials credentials;
    std::string site;  ///< PanDA queue
    std::string source_label = "managed";
    std::string node;  ///< host name that jobs are said to run on
    std::string computing_element;
    std::string harvester_id;
    std::string scheduler_id;
    std::string pilot_id;  ///< "id|...|batch system|tag|version"
    std::int64_t heartbeat_s = 1800;
    std::int64_t debug_heartbeat_s = 300;
    std::int64_t final_limit_s = 48 * 3600;  ///< a final state that PanDA does not take is given up then
    std::int64_t log_limit_s = 2 * 3600;     ///< a job waits no longer for its log tarball
    std::size_t report_chunk = 10'000;       ///< ranges in one report
    bool report_fatal = false;            ///< else as failed: PanDA discards a file's events for a fatal one
    std::vector<std::string> log_stores;  ///< activities of logs that have a store: pl, logs
    /// Numeric storage ids by activity ("es_events" -> 117), and the paths' convention there.
    std::map<std::string, std::int64_t> objstore_ids;
    std::map<std::string, std::int64_t> path_conventions;
};

/// Keys without which nothing can be fetched, and that are not set.
std::vector<std::string> missing_fetch_settings(PandaSettings const& settings);

/// Fields of every updateJob: node, siteName, schedulerID, pilotID,
/// computingElement; what is empty is left out.
std::map<std::string, std::string> common_job_fields(PandaSettings const& settings);

/// What came with a job and is nobody's business, in RUN/panda or the workplace of a fetch.
inline std::string secrets_path(std::string const& folder, std::int64_t panda_id)
{
    return folder + "/secrets-" + std::to_string(panda_id) + ".json";
}

/// RUN/panda and what lies in it.
class PandaFolder {
  public:
    explicit PandaFolder(std::string const& run) : run_(run), path_(run + "/panda") {}
    std::string const& path() const { return path_; }
    /// The configuration that the run was fetched with; there when the fetch is complete.
    std::string config() const { return path_ + "/harvest.cfg"; }
    bool is_there() const;
    std::string fetched() const { return path_ + "/fetch"; }
    std::string feed() const { return path_ + "/feed"; }
    std::string job(std::int64_t panda_id) const
    {
        return path_ + "/job-" + std::to_string(panda_id) + ".json";
    }
    std::string refused(std::int64_t panda_id) const
    {
        return path_ + "/refused-" + std::to_string(panda_id) + ".json";
    }
    std::string reported(std::int64_t panda_id) const
    {
        return path_ + "/reported-" + std::to_string(panda_id) + ".log";
    }
    std::string acks() const { return path_ + "/acks"; }
    /// Of a run that came by a Harvester's files: the access point's path; the job scripts read it.
    std::string access_point() const { return path_ + "/access_point"; }

    /// Where `harvest fetch` works before the run folder exists.
    static std::string workplace(std::string const& run) { return run + ".fetch"; }
    /// Brings that workplace into the run once the run folder is there; harmless when done already.
    Status adopt_workplace() const;

  private:
    std::string run_;
    std::string path_;
};

}  // namespace yoda
