// SPDX-License-Identifier: Apache-2.0
// What PBS's commands print (OpenPBS, PBS Pro, Torque, and Slurm's Torque wrappers), as values. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "harvest/batch/base/batch_job.hpp"

namespace yoda {

/// One letter; nullopt: a letter that no PBS has.
std::optional<BatchState> parse_pbs_state(std::string_view letter);

/// The job's id from qsub: "12.server", "12[].server" or "12". Error: no id is there.
Result<std::string> parse_qsub(std::string_view text);
/// `qstat -f`: blocks "Job Id: ..." with indented "key = value" lines, long values folded.
Result<std::vector<BatchJob>> parse_qstat_text(std::string_view text);

/// `pbsnodes -a`: nodes that are free and have no job. OpenPBS calls a node free as
/// long as any of its cores is.
std::uint64_t count_idle_pbs_nodes(std::string_view text);

/// Exit code of qstat beside "Unknown Job Id" (PBSE_UNKJOBID, 15001, in eight bits).
inline constexpr int pbs_unknown_job_code = 153;
/// Whether qstat says that it does not know the job, in contrast to any other trouble.
bool is_unknown_pbs_job(std::string_view qstat_error);
/// Whether qstat says that the job has ended and is in the server's history.
bool is_finished_pbs_job(std::string_view qstat_error);
/// Whether qsub, failing with these words, may have made a job all the same.
bool qsub_may_have_submitted(std::string_view qsub_error);

}  // namespace yoda
