// SPDX-License-Identifier: Apache-2.0
// A payload channel: how the Droid talks to one job's payload. Each kind (worker protocol, command, AthenaMP)
// turns its own dialogue into requests, outputs and failures.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/time.hpp"
#include "core/config/output_names.hpp"
#include "core/config/payload_config.hpp"
#include "core/job/job.hpp"
#include "droid/core/droid_core.hpp"
#include "droid/resources/folder_meter.hpp"
#include "sys/base/poller.hpp"
#include "sys/process/spawner.hpp"

namespace yoda {

/// What a channel reports. Calls may come from within start(), answer() etc.
class ChannelEvents {
  public:
    virtual ~ChannelEvents() = default;
    virtual void payload_up(JobIndex job) = 0;
    virtual void request(JobIndex job, RequestId request) = 0;
    /// For a worker that will be free in a moment: true if a range that is here already was answered, from
    /// within; false: there is none to spare, nothing will come.
    virtual bool request_ahead(JobIndex, RequestId) { return false; }
    virtual void request_gone(JobIndex job, RequestId request) = 0;
    virtual void output(RangeOutput output) = 0;
    virtual void failure(HandOut what, FailKind kind, std::uint16_t error_code, std::string_view reason) = 0;
    virtual void worker_ended(JobIndex job) = 0;
    /// In another thread, one after the other: what the Droid's loop must not wait for.
    virtual void do_aside(std::function<void()> errand) { errand(); }
    /// What the payload left in this folder is of no use, once the outputs
    /// that were told are read, and errands done.
    virtual void folder_left(std::string const&) {}
    /// Nothing of the payload is left; `error_code` 0: as it should.
    virtual void payload_ended(JobIndex job, std::uint16_t error_code, std::string_view reason) = 0;
    /// Something is amiss.
    virtual void note(std::string_view event, JobIndex job, std::string_view why) = 0;
    /// Worth a line of the log, and nothing to worry about.
    virtual void inform(std::string_view, JobIndex, std::string_view) {}
};

/// What a channel needs to start its payload; the same for all starts of a job's payload.
struct PayloadSetup {
    JobIndex job = 0;
    Job definition;
    PayloadConfig payload;
    OutputNames outputs;
    std::vector<std::string> environment;      ///< clean, complete
    std::string work_folder;                   ///< of this job on this Droid; each start makes a folder in it
    std::string log_prefix;                    ///< RUN/logs/payload_<rank>_<job>: ".out" and ".err" are added
    std::vector<std::vector<unsigned>> cores;  ///< by worker; may be fewer than workers
    bool bind = true;
    Duration stop_grace;
    // For channels whose workers the Droid does not know one by one:
    unsigned rank = 0;
    Duration range_limit = Duration::max();  ///< of one range
    Duration silence = Duration::max();      ///< no message and no change in its folder
    std::string stage_folder;                ///< for copies of inputs, shared by all Droids of the node
    std::shared_ptr<FolderMeter> meter = std::make_shared<FolderMeter>();  ///< of the Droid
};

/// One worker with a range in hand, for whoever watches limits.
struct BusyWorker {
    HandOut what;
    JobIndex job = 0;
    pid_t pid = 0;            ///< 0: not known yet
    std::string folder;       ///< where it writes
    TimePoint heard;          ///< when it last said something
    std::uint32_t share = 1;  ///< it may use the memory of so many workers
};

/// What placeholders `{out_lfn}` and `{out_lfn.NAME}` stand for; empty where the job has no such output.
class OutputPlaceholders {
  public:
    explicit OutputPlaceholders(PayloadSetup const& setup);
    /// Adds them. Valid as long as this object.
    void add_to(std::vector<Placeholder>& values) const;

  private:
    std::vector<std::pair<std::string, std::string>> values_;
};

class PayloadChannel {
  public:
    virtual ~PayloadChannel() = default;
    virtual void start(TimePoint now, std::uint32_t worker_count) = 0;
    virtual void add_workers(TimePoint now, std::uint32_t count) = 0;
    virtual void answer(TimePoint now, RequestId request, WorkItem const& item) = 0;
    virtual void end(RequestId request) = 0;
    /// Its result is not wanted. `must_stop`: it has broken a limit, so whatever works on it has to end; else
    /// only if that costs nothing but the range.
    virtual void kill_range(HandOut what, bool must_stop) = 0;
    virtual void stop(TimePoint now, bool at_once) = 0;
    /// The payload as a whole has broken a limit: it is killed, and payload_ended tells code and reason.
    virtual void fail(TimePoint now, std::uint16_t error_code, std::string reason) = 0;
    /// An event of a process that this channel spawned; false: not its own.
    virtual bool on_spawn_event(TimePoint now, SpawnEvent const& event) = 0;
    virtual void on_tick(TimePoint now) = 0;
    virtual void list_busy(std::vector<BusyWorker>& busy) const = 0;
    virtual std::vector<std::string> log_paths() const = 0;
};

/// "ended with exit code 3" or "was killed by signal 9".
std::string print_exit(PayloadExited const& exited);

/// A payload's result line `<path>[,<path>...],ID:<id>,CPU:<s>,WALL:<s>`, or the old form without "ID:"
/// (docs/reference/athenamp.md §4). false if it is none.
struct ResultLine {
    std::vector<std::string> paths;
    std::string range_id;
    std::uint32_t cpu_ms = 0;
    std::uint32_t wall_ms = 0;
};
bool parse_result_line(std::string_view line, ResultLine& result);

}  // namespace yoda
