// SPDX-License-Identifier: Apache-2.0
// Notes for the yoda that holds a run (core/job/inbox_note.hpp): whole files that appear in RUN/inbox under a
// name that sorts by time and is never used twice.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "sys/base/clock.hpp"

namespace yoda {

/// "<unix ns, 20 digits>-<pid>-<type>.json"
std::string make_note_name(Clock const& clock, std::string_view type);
/// Written under a hidden name, synced, renamed. Writing the same note again is harmless.
Status write_note(std::string const& run, std::string const& name, std::string_view text);

std::string print_closed_note();
std::string print_drain_note();
std::string print_job_killed_note(std::int64_t panda_id);

}  // namespace yoda
