// SPDX-License-Identifier: Apache-2.0
#include "sys/process/detach.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstring>
#include <vector>

namespace yoda {

namespace {

void close_from(int first)
{
    if (::syscall(SYS_close_range, first, ~0u, 0) == 0) return;
    DIR* const folder = ::opendir("/proc/self/fd");  // kernels before 5.9
    if (folder == nullptr) return;
    std::vector<int> open;
    while (dirent const* entry = ::readdir(folder)) {
        int fd = -1;
        std::from_chars(entry->d_name, entry->d_name + std::strlen(entry->d_name), fd);
        if (fd >= first && fd != ::dirfd(folder)) open.push_back(fd);
    }
    ::closedir(folder);
    for (int fd : open) ::close(fd);
}

}  // namespace

FileDescriptor take_over_signals()
{
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    for (int number = 1; number < NSIG; ++number) {
        struct sigaction action {};
        action.sa_handler = SIG_DFL;
        if (number == SIGCHLD) action.sa_flags = SA_NOCLDSTOP;
        ::sigaction(number, &action, nullptr);  // fails for SIGKILL, SIGSTOP and the C library's own
    }
    sigset_t wanted;
    ::sigemptyset(&wanted);
    ::sigaddset(&wanted, SIGCHLD);
    ::sigaddset(&wanted, SIGHUP);
    return FileDescriptor(::signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC));
}

bool keep_only_as_3(int fd)
{
    // Out of the way first: who started us may have closed 0, 1 or 2, so
    // that `fd` or /dev/null became one of them.
    int const kept = ::fcntl(fd, F_DUPFD_CLOEXEC, 4);
    int const opened = ::open("/dev/null", O_RDWR | O_NOCTTY | O_CLOEXEC);
    int const null = ::fcntl(opened, F_DUPFD_CLOEXEC, 4);
    if (kept < 0 || null < 0) return false;
    for (int standard : {0, 1, 2})
        if (::dup2(null, standard) < 0) return false;
    if (::dup3(kept, 3, O_CLOEXEC) < 0) return false;
    close_from(4);
    return true;
}

}  // namespace yoda
