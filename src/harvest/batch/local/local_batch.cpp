// SPDX-License-Identifier: Apache-2.0
// Without a batch system: the job file in the background on this machine, in a session of its own. A job is
// found by YODA_JOB_NAME in its environment, so nothing about it needs to be remembered.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>

#include "harvest/batch/base/batch_system.hpp"
#include "harvest/batch/base/run_program.hpp"
#include "sys/base/files.hpp"
#include "sys/process/environment.hpp"

namespace yoda {

namespace {

struct Process {
    pid_t pid = 0;
    pid_t session = 0;
};

/// Processes that carry the name, oldest pid first; zombies have no environment and so are none.
std::vector<Process> find_processes(std::string const& name)
{
    std::vector<Process> found;
    auto const wanted = "YODA_JOB_NAME=" + name;
    std::error_code code;
    for (std::filesystem::directory_iterator it("/proc", code), none_left; !code && it != none_left;
         it.increment(code)) {
        auto const& entry = *it;
        auto const number = entry.path().filename().string();
        pid_t pid = 0;
        auto const [end, failed] = std::from_chars(number.data(), number.data() + number.size(), pid);
        if (failed != std::errc{} || end != number.data() + number.size()) continue;
        auto const environment = read_file(entry.path().string() + "/environ", 8u << 20);
        if (!environment) continue;
        std::string_view rest = *environment;
        while (!rest.empty()) {
            auto const variable = rest.substr(0, rest.find('\0'));
            if (variable == wanted) {
                found.push_back({pid, ::getsid(pid)});
                break;
            }
            rest.remove_prefix(std::min(rest.size(), variable.size() + 1));
        }
    }
    std::sort(found.begin(), found.end(), [](auto const& a, auto const& b) { return a.pid < b.pid; });
    return found;
}

class LocalBatch final : public BatchSystem {
  public:
    explicit LocalBatch(Clock const& clock) : clock_(clock) {}

    Result<SubmitOutcome> submit(std::string const& job_file, std::string const& name) override
    {
        if (!is_in_path("mpirun"))
            return Error{
                ErrorKind::usage, "there is no mpirun in PATH", {}, "install Open MPI or load its module"};
        // setsid --fork leaves a process that is nobody's child but init's: it outlives this harvest, and is
        // reaped. The environment is set here, so that it can be found from its first instant.
        auto const log = job_file.substr(0, job_file.rfind("/batch/")) + "/logs/" + name + ".log";
        auto const end = run_program({"env", "YODA_JOB_NAME=" + name, "setsid", "--fork", "bash", "-c",
                                      "exec >>\"$1\" 2>&1; exec bash \"$2\"", "yoda-job", log, job_file},
                                     Duration::from_s(30), clock_);
        if (!end) return end.error();
        SubmitOutcome outcome;
        if (!end->well()) {
            outcome.why = end->why();
            outcome.refused = !end->timed_out;
            return outcome;
        }
        outcome.job_id = name;
        return outcome;
    }

    Result<JobAnswer> find(JobRef const& ref) override
    {
        if (find_processes(ref.name).empty()) return JobAnswer{};
        return JobAnswer{BatchJob{ref.name, ref.name, BatchState::running, "running", {}}};
    }

    Status cancel(BatchJob const& job) override
    {
        // The script's own session gets TERM: it drains yoda, then ends the launcher.
        auto const processes = find_processes(job.name);
        for (auto const& process : processes) {
            if (process.pid == process.session && ::kill(process.pid, SIGTERM) == 0) return {};
        }
        for (auto const& process : processes) ::kill(process.pid, SIGTERM);
        return {};
    }

    std::uint64_t idle_node_count(std::string const&, std::string const&) override { return 1; }

  private:
    Clock const& clock_;
};

}  // namespace

std::unique_ptr<BatchSystem> make_local_batch(Clock const& clock)
{
    return std::make_unique<LocalBatch>(clock);
}

std::unique_ptr<BatchSystem> make_batch_system(BatchKind kind, Duration command_limit, Clock const& clock)
{
    switch (kind) {
        case BatchKind::slurm:
            return make_slurm(command_limit, clock);
        case BatchKind::pbs:
            return make_pbs(command_limit, clock);
        case BatchKind::local:
            return make_local_batch(clock);
    }
    return make_local_batch(clock);
}

}  // namespace yoda
