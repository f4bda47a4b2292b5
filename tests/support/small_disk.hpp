// SPDX-License-Identifier: Apache-2.0
// A tiny disk of one's own: a tmpfs in a mount namespace that only one forked child sees.
#pragma once

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

namespace yoda::test {

inline constexpr int no_small_disk = 77;

/// Runs `work(folder)` in a child, on a tmpfs with these mount options; returns what it returned, or
/// no_small_disk where this user may not mount.
template <class Work>
int with_small_disk(std::string const& folder, char const* options, Work work)
{
    ::mkdir(folder.c_str(), 0700);
    pid_t const child = ::fork();
    if (child == 0) {
        if (::unshare(CLONE_NEWNS) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
            ::_exit(no_small_disk);
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
        if (::mount("small", folder.c_str(), "tmpfs", 0, options) != 0) ::_exit(no_small_disk);
        ::_exit(work(folder));
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
    return WEXITSTATUS(status);
}

}  // namespace yoda::test
