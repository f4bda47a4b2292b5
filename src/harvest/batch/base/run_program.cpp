// SPDX-License-Identifier: Apache-2.0
#include "harvest/batch/base/run_program.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "core/config/units.hpp"
#include "harvest/batch/base/batch_job.hpp"
#include "sys/base/files.hpp"
#include "sys/process/environment.hpp"

namespace yoda {

namespace {

constexpr std::size_t output_limit_bytes = 64u << 20;  ///< of each stream; more is dropped
constexpr int look_interval_ms = 50;

struct Pipe {
    FileDescriptor read_end;
    FileDescriptor write_end;
};

Result<Pipe> make_pipe()
{
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return os_error("cannot make a pipe", "", errno);
    return Pipe{FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

/// Reads what is there; closes at the end of file.
void drain(FileDescriptor& fd, std::string& into)
{
    std::array<char, 65536> buffer;
    auto const got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got > 0) {
        if (into.size() < output_limit_bytes) into.append(buffer.data(), static_cast<std::size_t>(got));
    } else if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
        fd.reset();
    }
}

Result<pid_t> start(std::vector<std::string> const& words, Pipe const& out, Pipe const& err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, out.write_end.get(), 1);
    ::posix_spawn_file_actions_adddup2(&actions, err.write_end.get(), 2);
    ::posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    std::vector<char*> argv;
    for (auto const& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    auto environment = clean_environment(current_environment());
    // A user's own choices for Open MPI stay, unless they are those of a launch that we are part of.
    if (std::getenv("OMPI_COMM_WORLD_SIZE") == nullptr) {
        for (auto const& entry : current_environment()) {
            if (entry.starts_with("OMPI_MCA_") || entry.starts_with("OMPI_ALLOW_RUN_AS_ROOT"))
                environment.push_back(entry);
        }
    }
    std::vector<char*> envp;
    for (auto& entry : environment) envp.push_back(entry.data());
    envp.push_back(nullptr);
    pid_t pid = 0;
    int const failed = ::posix_spawnp(&pid, argv[0], &actions, &attributes, argv.data(), envp.data());
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    if (failed == ENOENT)
        return Error{ErrorKind::usage, fmt::format("there is no {} in PATH", words[0]),
                     "is this a login node of the batch system?",
                     "load its module, or choose another --batch"};
    if (failed != 0) return os_error("cannot start", words[0], failed);
    return pid;
}

}  // namespace

std::string ProgramEnd::why() const
{
    auto text = std::string(trim(err.empty() ? out : err));
    if (text.size() > 1000) text = text.substr(0, 1000) + "...";
    if (timed_out) return "no answer in time" + (text.empty() ? "" : ": " + text);
    if (!text.empty()) return text;
    return signal != 0 ? fmt::format("killed by signal {}", signal) : fmt::format("exit code {}", exit_code);
}

Result<ProgramEnd> run_program(std::vector<std::string> const& words, Duration limit, Clock const& clock)
{
    auto out = make_pipe();
    if (!out) return out.error();
    auto err = make_pipe();
    if (!err) return err.error();
    auto const pid = start(words, *out, *err);
    if (!pid) return pid.error();
    out->write_end.reset();
    err->write_end.reset();

    ProgramEnd end;
    TimePoint const deadline = clock.now() + limit;
    int status = 0;
    bool ended = false;
    // A grandchild may keep the pipes open: the end of the program itself is enough.
    while (true) {
        std::array<pollfd, 2> fds{pollfd{out->read_end.get(), POLLIN, 0},
                                  pollfd{err->read_end.get(), POLLIN, 0}};
        ::poll(fds.data(), fds.size(), ended ? 0 : look_interval_ms);
        bool const some = fds[0].revents != 0 || fds[1].revents != 0;
        if (fds[0].revents != 0) drain(out->read_end, end.out);
        if (fds[1].revents != 0) drain(err->read_end, end.err);
        if (!ended) ended = ::waitpid(*pid, &status, WNOHANG) == *pid;
        if (ended && !some) break;
        if (!ended && clock.now() > deadline) {
            end.timed_out = true;
            ::kill(-*pid, SIGKILL);
            while (::waitpid(*pid, &status, 0) < 0 && errno == EINTR) {
            }
            ended = true;
        }
    }
    if (WIFEXITED(status)) end.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) end.signal = WTERMSIG(status);
    return end;
}

bool is_in_path(std::string const& name)
{
    char const* const path = std::getenv("PATH");
    std::string_view rest = path != nullptr ? path : "";
    while (!rest.empty()) {
        auto const folder = rest.substr(0, rest.find(':'));
        if (::access((std::string(folder) + "/" + name).c_str(), X_OK) == 0) return true;
        rest.remove_prefix(std::min(rest.size(), folder.size() + 1));
    }
    return false;
}

}  // namespace yoda
