// SPDX-License-Identifier: Apache-2.0
// A job's log tarball on its way to the grid storage (activity "pl") and to the special object store
// ("logs", Pilot Log Special; docs/reference/panda.md §8): two records of the stager
// (harvest/stage_out/stager.hpp) like any bundle's, made when the job is over. The tarball itself is made by
// whoever claims the record first, and so once, however many harvests there are.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/job/job.hpp"
#include "harvest/stage_out/stager.hpp"
#include "sys/base/clock.hpp"
#include "sys/bundle/log_tarball.hpp"

namespace yoda {

/// A tarball that is not there so long after its job was over is given up: PanDA must hear of the job.
constexpr std::int64_t log_limit_s = 55 * 60;

/// The job's logFile; "log.<PandaID>.tgz" when it has none that is a plain file name.
std::string log_file_name(Job const& job);
/// In the stage folder: "<file name>" for "pl", "special.<file name>" for "logs".
std::string log_record_name(Job const& job, std::string_view activity);
bool is_log_record(StageRecord const& record);

/// Of all jobs of the run whose work is over, for these log activities. With PanDA:
/// those that `harvest report` told it are transferring or holding; without: all, once
/// every range has ended. Nothing is made yet.
Result<std::vector<StageRecord>> find_wanted_logs(std::string const& run_folder,
                                                  std::vector<std::string> const& activities,
                                                  std::int64_t now_unix_s);

/// Packs what RUN/logs has of this job: its payloads' logs, and all that belong to no job (rank 0, Droids,
/// batch system). `give_up` as in write_log_tarball().
Result<LogTarball> write_job_log(std::string const& run_folder, std::size_t job_index, std::int64_t panda_id,
                                 std::string const& output, std::function<bool()> const& give_up);

/// Makes the tarball of a record that has none yet, or takes the other activity's, and notes size and
/// checksum. Errors: bad_input (the job is not in job.json), unavailable (time is up, `stop`), io, no_space.
Status make_log(std::string const& run_folder, StageRecord& record, Clock const& clock,
                std::function<bool()> const& stop);

}  // namespace yoda
