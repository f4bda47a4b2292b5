// SPDX-License-Identifier: Apache-2.0
#include "sys/process/guarded_child.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>
#include <memory>
#include <new>

#include "sys/base/files.hpp"

namespace yoda {

namespace {

constexpr int watch_interval_ms = 200;
constexpr int exception_exit_code = 70;

struct Unmap {
    void operator()(GuardedProgress* progress) const { ::munmap(progress, sizeof *progress); }
};
using SharedProgress = std::unique_ptr<GuardedProgress, Unmap>;

SharedProgress make_shared_progress()
{
    void* const memory =
        ::mmap(nullptr, sizeof(GuardedProgress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return SharedProgress(memory == MAP_FAILED ? nullptr : new (memory) GuardedProgress);
}

[[noreturn]] void run_child(std::function<std::string(GuardedProgress&)> const& work,
                            GuardedProgress& progress, int out, pid_t parent)
{
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(exception_exit_code);  // It died before we asked.
    try {
        auto const text = work(progress);
        ::_exit(write_all(out, text, "a pipe") ? 0 : exception_exit_code);
    } catch (std::exception const& exception) {
        // Out of memory, for what we know; nothing else of ours throws.
        static_cast<void>(write_all(out, exception.what(), "a pipe"));
    } catch (...) {
    }
    ::_exit(exception_exit_code);
}

/// Collects what comes through the pipe until its end.
std::string listen(int in, GuardedProgress const& progress,
                   std::function<void(GuardedProgress const&)> const& watch)
{
    std::string text;
    std::array<char, 4096> block;
    for (;;) {
        pollfd wait{in, POLLIN, 0};
        int const ready = ::poll(&wait, 1, watch_interval_ms);
        if (watch && (ready <= 0 || !(wait.revents & POLLIN))) watch(progress);
        if (ready <= 0) continue;
        ssize_t const n = ::read(in, block.data(), block.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return text;
        text.append(block.data(), static_cast<std::size_t>(n));
    }
}

int wait_for(pid_t child)
{
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

}  // namespace

Result<GuardedResult> run_guarded(std::function<std::string(GuardedProgress&)> const& work,
                                  std::function<void(GuardedProgress const&)> const& watch)
{
    auto const progress = make_shared_progress();
    int ends[2];
    if (!progress || ::pipe2(ends, O_CLOEXEC) != 0) return os_error("make", "a child process", errno);
    FileDescriptor in(ends[0]);
    FileDescriptor out(ends[1]);
    pid_t const parent = ::getpid();
    pid_t const child = ::fork();
    if (child < 0) return os_error("make", "a child process", errno);
    if (child == 0) {
        in.reset();
        run_child(work, *progress, out.get(), parent);
    }
    out.reset();
    GuardedResult result;
    result.child = child;
    result.text = listen(in.get(), *progress, watch);
    int const status = wait_for(child);
    result.item = progress->item;
    if (WIFSIGNALED(status))
        result.death =
            fmt::format("killed by signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0)
        result.death = fmt::format("ended with exit code {}{}{}", WEXITSTATUS(status),
                                   result.text.empty() ? "" : ": ", result.text);
    return result;
}

}  // namespace yoda
