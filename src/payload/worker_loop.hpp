// SPDX-License-Identifier: Apache-2.0 OR MIT
// A worker's side of the dialogue: asks for ranges, runs the work, reports. One receive and one send a range.
#pragma once

#include <string>
#include <string_view>

#include "payload/yoda_payload.hpp"

namespace yoda::payload {

/// Time since construction: of this process on all its cores, and on the wall.
class Stopwatch {
  public:
    Stopwatch();
    std::int64_t cpu_ns() const;
    std::int64_t wall_ns() const;

  private:
    std::int64_t cpu_start_ns_;
    std::int64_t wall_start_ns_;
};

/// Runs the work on one range and appends the line for the Droid, without its end, to `reply`: a result or an
/// ERR_PAYLOAD_. Never throws. Returns whether it is a result.
bool run_range(Kit::Work const& work, Range const& range, Output& output, std::string& reply);

/// Appends `text` on one line of bounded length.
void append_one_line(std::string& to, std::string_view text);

/// Serves the socket until the end word (kDone), its end (kDroidGone) or nonsense (kBadDialogue).
int work_through(int socket, Kit::Work const& work, Output& output);

/// Sends all of it; false when nobody reads any more.
bool send_all(int socket, std::string_view text);

}  // namespace yoda::payload
