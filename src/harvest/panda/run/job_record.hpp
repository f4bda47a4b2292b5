// SPDX-License-Identifier: Apache-2.0
// What is known of a PanDA job of a run, in RUN/panda/job-<PandaID>.json: one small atomic file. All of a
// job's report that must outlive a process is in it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace yoda {

enum class JobPhase { waiting, running, uploading, over };

/// RUN/panda/job-<PandaID>.json
struct JobRecord {
    std::int64_t panda_id = 0;
    std::int64_t attempt = 0;
    std::string last_state;  ///< that PanDA has stored
    std::int64_t last_sent_unix_s = 0;
    std::string batch_id;
    bool single = false;  ///< outputs are objects of their own; never mixed with bundles in one job
    bool form_known = false;
    bool debug = false;
    bool drain = false;            ///< softkill: no new ranges
    bool killed = false;           ///< tobekilled: its ranges are dropped, what is finished is still reported
    bool gone = false;             ///< PanDA refuses it: nothing of it counts any more
    bool ended = false;            ///< PanDA has the final state: nothing more is sent
    bool essentials_only = false;  ///< an update was refused: one of its many fields may be why
    std::int64_t final_since_unix_s = 0;    ///< when the final state was first tried
    std::int64_t holding_since_unix_s = 0;  ///< since when PanDA knows that only the log is missing
    std::int64_t last_verified_unix_s = 0;  ///< when the last of its outputs was proven to be in its store
    std::uint64_t accepted_ranges = 0;
    std::uint64_t refused_ranges = 0;
    std::uint64_t failed_ranges = 0;  ///< reported as failed or fatal
    std::string kill_note;            ///< notes for yoda, named before they are written
    std::string drain_note;
    bool kill_note_written = false;
    bool drain_note_written = false;
    std::string problem;  ///< why the last update was not stored
    bool operator==(JobRecord const&) const = default;
};
/// Its ranges are not to be worked on any more: it is to end (softkill), is to be
/// killed, is gone, or has ended.
inline bool takes_no_more(JobRecord const& record)
{
    return record.drain || record.killed || record.gone || record.ended;
}
std::string print_job_record(JobRecord const& record);
/// Errors: not JSON, another version, a value of the wrong kind.
Result<JobRecord> parse_job_record(std::string_view text);

}  // namespace yoda
