// SPDX-License-Identifier: Apache-2.0
// What PanDA tells a job to do, in answers to updateJob and to range updates (docs/reference/panda.md §4).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace yoda {

struct PandaCommands {
    bool to_be_killed = false;  ///< stop at once; outputs not yet reported are worthless
    bool soft_kill = false;     ///< no new ranges, finish what runs, end normally
    bool debug = false;         ///< send the tail of the log, heartbeat every five minutes
    bool debug_off = false;
    bool bad_attempt = false;         ///< the job is another attempt by now: not ours any more
    bool already_done = false;        ///< the job is in this or a later state: stop reporting it
    std::vector<std::string> others;  ///< not known to us; logged, else ignored

    /// The job is not ours any more.
    bool job_gone() const { return to_be_killed || bad_attempt; }
    bool any() const
    {
        return to_be_killed || soft_kill || debug || debug_off || bad_attempt || already_done ||
               !others.empty();
    }
    bool operator==(PandaCommands const&) const = default;
};

/// "NULL", "", "tobekilled", "debug,tobekilled", ...: a comma list.
PandaCommands parse_commands(std::string_view text);

}  // namespace yoda
