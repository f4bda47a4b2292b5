// SPDX-License-Identifier: Apache-2.0
#include "sys/process/spawn_child.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <string>

namespace yoda {

namespace {

/// All that the child needs, made ready before it exists: it shares our memory until it runs its program, so
/// it makes system calls and nothing else. It answers in the last two.
struct Launch {
    SpawnOrder const* order = nullptr;
    std::vector<char const*> programs;  ///< paths to try, in turn; a null pointer ends it
    int stdout_fd = 1;
    int stderr_fd = 2;
    int extra_fd = -1;
    pid_t server = 0;
    cpu_set_t const* cores = nullptr;
    std::size_t cores_bytes = 0;

    SpawnStage stage = SpawnStage::ready;
    int errno_value = 0;
};

// Sanitizers keep notes about stack frames that a stack shared by two processes would spoil.
#if defined(__clang__)
#define YODA_PLAIN_CODE __attribute__((noinline, no_sanitize("address", "undefined", "thread")))
#else
#define YODA_PLAIN_CODE \
    __attribute__((noinline, no_sanitize("address"), no_sanitize("undefined"), no_sanitize("thread")))
#endif

YODA_PLAIN_CODE bool limit_resource(__rlimit_resource_t resource, rlim_t value)
{
    rlimit const limit{value, value};
    return ::setrlimit(resource, &limit) == 0;
}

YODA_PLAIN_CODE bool set_up(Launch& launch)
{
    SpawnOrder const& order = *launch.order;
    launch.stage = SpawnStage::fork;
    if (::setsid() < 0) return false;
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return false;
    if (::getppid() != launch.server) return false;  // it died before the line above

    launch.stage = SpawnStage::limits;
    if (!limit_resource(RLIMIT_CORE, 0)) return false;
    if (order.address_space_limit_bytes && !limit_resource(RLIMIT_AS, *order.address_space_limit_bytes))
        return false;
    if (order.file_size_limit_bytes && !limit_resource(RLIMIT_FSIZE, *order.file_size_limit_bytes))
        return false;

    launch.stage = SpawnStage::nice;
    if (order.niceness != 0) {
        errno = 0;
        int const before = ::getpriority(PRIO_PROCESS, 0);
        if (errno != 0 || ::setpriority(PRIO_PROCESS, 0, before + order.niceness) != 0) return false;
    }

    launch.stage = SpawnStage::cores;
    if (launch.cores != nullptr && ::sched_setaffinity(0, launch.cores_bytes, launch.cores) != 0)
        return false;

    launch.stage = SpawnStage::folder;
    if (*order.folder != '\0' && ::chdir(order.folder) != 0) return false;

    launch.stage = SpawnStage::files;
    if (launch.stdout_fd != 1 && ::dup2(launch.stdout_fd, 1) < 0) return false;
    if (launch.stderr_fd != 2 && ::dup2(launch.stderr_fd, 2) < 0) return false;
    if (launch.extra_fd == order.extra_fd_number) {
        if (::fcntl(launch.extra_fd, F_SETFD, 0) != 0) return false;
    } else if (launch.extra_fd >= 0) {
        if (::dup2(launch.extra_fd, order.extra_fd_number) < 0) return false;
    }
    return true;
}

YODA_PLAIN_CODE int run_child(void* argument)
{
    auto& launch = *static_cast<Launch*>(argument);
    if (!set_up(launch)) {
        launch.errno_value = errno != 0 ? errno : ECHILD;
        ::_exit(127);
    }
    launch.stage = SpawnStage::run;
    // Slurm passes the word to drain on to every process of a step: payloads hear of it from their Droid. One
    // that wants USR1 takes it by a handler of its own.
    ::signal(SIGUSR1, SIG_IGN);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    auto* const arguments = const_cast<char* const*>(launch.order->arguments.data());
    auto* const environment = const_cast<char* const*>(launch.order->environment.data());
    int found = ENOENT;
    for (char const* const* program = launch.programs.data(); *program != nullptr; ++program) {
        ::execve(*program, arguments, environment);
        if (errno == EACCES) found = EACCES;  // as a shell does: look on, but say that
        if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) {
            found = errno;
            break;
        }
    }
    launch.errno_value = found;
    ::_exit(127);
}

std::vector<std::string> find_programs(SpawnOrder const& order)
{
    std::string const name = order.arguments.front();
    if (name.find('/') != std::string::npos) return {name};
    std::string_view path = "/usr/local/bin:/usr/bin:/bin";
    for (char const* entry : order.environment)
        if (entry != nullptr && std::strncmp(entry, "PATH=", 5) == 0) path = entry + 5;
    std::vector<std::string> programs;
    while (!path.empty()) {
        std::string_view const folder = path.substr(0, path.find(':'));
        if (!folder.empty()) programs.push_back(std::string(folder) + "/" + name);
        path.remove_prefix(std::min(folder.size() + 1, path.size()));
    }
    return programs;
}

/// Opens for appending, never through a link, and only what is a file: a
/// FIFO could block us, a device be anything.
int open_output(char const* path)
{
    int const fd =
        ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0640);
    if (fd < 0) return fd;
    struct stat info {};
    if (::fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) return fd;
    ::close(fd);
    errno = EINVAL;
    return -1;
}

struct CoreSet {
    explicit CoreSet(std::vector<unsigned> const& cores)
    {
        if (cores.empty()) return;
        unsigned largest = CPU_SETSIZE - 1;
        for (unsigned core : cores) largest = std::max(largest, core);
        set.reset(CPU_ALLOC(largest + 1));
        bytes = CPU_ALLOC_SIZE(largest + 1);
        CPU_ZERO_S(bytes, set.get());
        for (unsigned core : cores) CPU_SET_S(core, bytes, set.get());
    }
    struct Free {
        void operator()(cpu_set_t* p) const { CPU_FREE(p); }
    };
    std::unique_ptr<cpu_set_t, Free> set;
    std::size_t bytes = 0;
};

}  // namespace

SpawnOutcome start_child(SpawnOrder const& order, int extra_fd)
{
    Launch launch;
    launch.order = &order;
    launch.extra_fd = extra_fd;
    launch.server = ::getpid();

    FileDescriptor stdout_file;
    FileDescriptor stderr_file;
    if (*order.stdout_path != '\0') {
        stdout_file.reset(open_output(order.stdout_path));
        if (!stdout_file) return {0, SpawnStage::output, errno};
        launch.stdout_fd = stdout_file.get();
    }
    if (*order.stderr_path != '\0' && std::strcmp(order.stdout_path, order.stderr_path) == 0) {
        launch.stderr_fd = launch.stdout_fd;
    } else if (*order.stderr_path != '\0') {
        stderr_file.reset(open_output(order.stderr_path));
        if (!stderr_file) return {0, SpawnStage::error_output, errno};
        launch.stderr_fd = stderr_file.get();
    }
    CoreSet const cores(order.cores);
    launch.cores = cores.set.get();
    launch.cores_bytes = cores.bytes;
    std::vector<std::string> const programs = find_programs(order);
    for (auto const& program : programs) launch.programs.push_back(program.c_str());
    launch.programs.push_back(nullptr);

    // As posix_spawn does: no copy of our memory is made, and we stand still until the child runs its program
    // or has ended, so its answer needs no pipe.
    alignas(16) static char stack[64 << 10];
    errno = 0;
    pid_t const pid = ::clone(run_child, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &launch);
    if (pid < 0) return {0, SpawnStage::fork, errno};
    if (launch.errno_value == 0) return {pid, SpawnStage::run, 0};
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return {0, launch.stage, launch.errno_value};
}

}  // namespace yoda
