// SPDX-License-Identifier: Apache-2.0
// What the Droid core asks its caller to do: it sends, starts and writes nothing itself.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/messages/messages.hpp"
#include "droid/core/range_work.hpp"

namespace yoda {

class DroidEffects {
  public:
    virtual ~DroidEffects() = default;
    virtual void send(Message const& message) = 0;
    virtual void start_payload(JobIndex job, std::uint32_t worker_count) = 0;
    /// More workers for a payload that is up.
    virtual void add_workers(JobIndex job, std::uint32_t count) = 0;
    virtual void answer(RequestId request, WorkItem const& item) = 0;
    /// The end word: this worker will get no more.
    virtual void end(JobIndex job, RequestId request) = 0;
    /// The hand-out's result is not wanted. `must_stop`: whatever works on it has to end, else only if that
    /// costs nothing but the range.
    virtual void kill_range(JobIndex job, HandOut what, bool must_stop) = 0;
    /// All workers have had the end word, or are to be killed at once.
    virtual void stop_payload(JobIndex job, bool at_once) = 0;
    /// Append to bundle `sequence` of the job, sync, tell on_stored; or remove its
    /// files and tell on_output_bad.
    virtual void store(std::uint32_t sequence, RangeOutput const& output) = 0;
    /// Remove the range's files: they are safe, or not wanted.
    virtual void discard(RangeOutput const& output) = 0;
    /// Make the bundle final, without the rejected entries.
    virtual void seal(JobIndex job, std::uint32_t sequence, std::vector<HandOut> const& rejected) = 0;
    virtual void note(std::string_view event, JobIndex job, std::uint64_t count, std::string_view why) = 0;
};

}  // namespace yoda
