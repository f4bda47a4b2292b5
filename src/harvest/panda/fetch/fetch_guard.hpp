// SPDX-License-Identifier: Apache-2.0
// What keeps fetching from doing harm: merge jobs that are held (held_job.hpp), and jobs that fetch ended by
// itself one after the other. While one of these stands, no more jobs are asked for, and a person is needed.
//
//   FOLDER/held-jobs/<PandaID>.json         one held job each, replaced whole, synced
//   FOLDER/held-jobs/ended-in-a-row.json    jobs ended since the last one that came into a run
// FOLDER is the spool, or the folder that holds the run of a plain fetch.
// May be read and written by several at once.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "harvest/panda/fetch/held_job.hpp"
#include "harvest/panda/fetch/job_filter.hpp"
#include "harvest/panda/wire/client.hpp"
#include "sys/base/log.hpp"

namespace yoda {

class FetchGuard {
  public:
    static constexpr std::size_t ended_limit = 3;

    /// Reads what is there. Errors: io; a file of it that cannot be read: then nothing may be fetched.
    static Result<FetchGuard> open(std::string const& folder);
    /// The folder that keeps the guard of a run, or of a spool.
    static std::string folder_of(std::string const& run_or_spool);

    /// Neither a held job nor too many ended ones.
    bool may_ask() const { return !holds_any() && ended_.size() < ended_limit; }
    bool holds_any() const;
    std::vector<HeldJob> const& jobs() const { return jobs_; }
    HeldJob const* find(std::int64_t panda_id) const;
    /// What a person has to decide, a line each.
    std::vector<std::string> alarms() const;

    // Durable when they return; each may be repeated.
    /// A job that is known already stays as it is.
    Status hold(HeldJob const& job);
    Status note_ended(JobEnd const& end);
    /// A job came into a run: the row is broken. Also how a person lets fetch go on.
    Status forget_ended();

    /// Heartbeats of held jobs that are due. What PanDA does not take is in the record and in the log.
    Status send_heartbeats(PandaClient& client, std::map<std::string, std::string> const& job_fields,
                           std::int64_t heartbeat_s, std::int64_t now_unix_s, Log& log);
    /// Ends a held job as failed. Errors: usage (it is not held), refused, unavailable (it stays held), io.
    Status release(std::int64_t panda_id, PandaClient& client,
                   std::map<std::string, std::string> const& job_fields, Log& log);

  private:
    explicit FetchGuard(std::string folder) : folder_(std::move(folder)) {}
    std::string path() const { return folder_ + "/held-jobs"; }
    std::string ended_path() const { return path() + "/ended-in-a-row.json"; }
    Status write(HeldJob const& job) const;

    std::string folder_;
    std::vector<HeldJob> jobs_;  ///< in the order of their PandaIDs
    std::map<std::int64_t, std::string> ended_;
};

}  // namespace yoda
