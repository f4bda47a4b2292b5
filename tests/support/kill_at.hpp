// SPDX-License-Identifier: Apache-2.0
// Runs something in a child process and kills it at a system call that would change a disk: the first, the
// second, ... so that a test sees every state in which a killed program can leave its files.
#pragma once

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <stdexcept>

namespace yoda::test {

inline bool changes_disk(unsigned long number)
{
    static constexpr std::array<unsigned long, 16> numbers{
        SYS_write,    SYS_pwrite64, SYS_writev,    SYS_openat,    SYS_renameat, SYS_renameat2,
        SYS_unlinkat, SYS_fsync,    SYS_fdatasync, SYS_ftruncate, SYS_mkdirat,  SYS_linkat,
#ifdef SYS_rename
        SYS_rename,   SYS_unlink,   SYS_mkdir,     SYS_link
#endif
    };
    return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
}

/// Runs `work` in a child (one thread) and kills it before its `nth` such call (from
/// 1). True if it was killed, false if it came to its end before. Throws if it failed,
/// or if this machine does not allow tracing.
template <class Work>
bool run_and_kill_at(unsigned nth, Work work)
{
    pid_t const child = ::fork();
    if (child < 0) throw std::runtime_error("cannot fork");
    if (child == 0) {
        if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(99);
        ::raise(SIGSTOP);
        ::_exit(work() ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (!WIFSTOPPED(status)) throw std::runtime_error("this machine does not allow tracing a child");
    ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    unsigned count = 0;
    for (;;) {
        ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
        ::waitpid(child, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return false;
        if (WIFEXITED(status) || WIFSIGNALED(status)) throw std::runtime_error("the child failed by itself");
        if (WSTOPSIG(status) != (SIGTRAP | 0x80)) continue;
        ::__ptrace_syscall_info info{};
        if (::ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info) <= 0) continue;
        if (info.op != PTRACE_SYSCALL_INFO_ENTRY || !changes_disk(info.entry.nr) || ++count < nth) continue;
        ::kill(child, SIGKILL);
        ::waitpid(child, &status, 0);
        return true;
    }
}

}  // namespace yoda::test
