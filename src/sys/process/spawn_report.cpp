// SPDX-License-Identifier: Apache-2.0
#include "sys/process/spawn_report.hpp"

#include <fmt/format.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>

namespace yoda {

namespace {

/// What could not be done, in words.
std::string_view describe(SpawnStage stage)
{
    switch (stage) {
        case SpawnStage::output:
            return "its stdout file cannot be opened";
        case SpawnStage::error_output:
            return "its stderr file cannot be opened";
        case SpawnStage::fork:
            return "no process can be made";
        case SpawnStage::folder:
            return "its working folder cannot be entered";
        case SpawnStage::cores:
            return "it cannot be bound to its cores";
        case SpawnStage::limits:
            return "its resource limits cannot be set";
        case SpawnStage::nice:
            return "its nice value cannot be set";
        case SpawnStage::files:
            return "its open files cannot be set up";
        case SpawnStage::run:
            return "the program cannot be run";
        case SpawnStage::request:
        case SpawnStage::ready:
            break;
    }
    return "the request did not arrive whole";
}

Error explain(std::string const& program, SpawnStage stage, int errno_value)
{
    Error error = os_error("start", program, errno_value);
    error.why = fmt::format("{}: {}", describe(stage), std::strerror(errno_value));
    if (stage == SpawnStage::run || stage == SpawnStage::folder) error.kind = ErrorKind::usage;
    if (stage == SpawnStage::run && errno_value == ENOENT)
        error.fix = "check the payload's executable, the interpreter in its first line, and PATH";
    if (stage == SpawnStage::run && errno_value == EACCES) error.fix = "make it executable";
    if (stage == SpawnStage::run && errno_value == ENOEXEC)
        error.fix = "it is neither a program for this machine nor a script with #! in its first line";
    if (stage == SpawnStage::run && errno_value == E2BIG)
        error.fix = "its arguments and environment are too long";
    if (stage == SpawnStage::fork) error.fix = "raise the limit on processes (ulimit -u) or free memory";
    if ((stage == SpawnStage::output || stage == SpawnStage::error_output) && errno_value == ELOOP)
        error.fix = "a payload's output never goes through a symbolic link; remove it";
    return error;
}

}  // namespace

SpawnEvent to_event(SpawnReport const& report, std::string const& program)
{
    if (report.kind == SpawnReportKind::started) return PayloadStarted{report.id, report.pid};
    if (report.kind == SpawnReportKind::start_failed)
        return PayloadStartFailed{report.id, report.value, explain(program, report.stage, report.value)};
    PayloadExited exited;
    exited.id = report.id;
    exited.pid = report.pid;
    if (WIFSIGNALED(report.value)) exited.signal = WTERMSIG(report.value);
    if (WIFEXITED(report.value)) exited.exit_code = WEXITSTATUS(report.value);
    exited.user_us = report.user_us;
    exited.system_us = report.system_us;
    exited.max_memory_bytes = report.max_memory_bytes;
    exited.stray_count = report.stray_count;
    exited.left_count = report.left_count;
    return exited;
}

}  // namespace yoda
