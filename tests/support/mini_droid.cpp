// SPDX-License-Identifier: Apache-2.0
#include "support/mini_droid.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

namespace yoda::test {
namespace {

constexpr int kPatience_ms = 60'000;

[[noreturn]] void fail(std::string const& what)
{
    throw std::runtime_error(what + ": " + std::strerror(errno));
}

void wait_readable(int fd)
{
    pollfd wait{fd, POLLIN, 0};
    int const count = poll(&wait, 1, kPatience_ms);
    if (count == 0) throw std::runtime_error("the payload said nothing for a minute");
    if (count < 0) fail("poll");
}

std::pair<Descriptor, Descriptor> make_pair_of(int type)
{
    int ends[2];
    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0) fail("socketpair");
    return {Descriptor(ends[0]), Descriptor(ends[1])};
}

/// Forks and runs the program; `prepare` runs in the child.
template <class Prepare>
pid_t start(std::vector<std::string> const& command, std::map<std::string, std::string> const& environment,
            Prepare prepare)
{
    std::vector<char*> arguments;
    for (auto const& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    pid_t const pid = fork();
    if (pid < 0) fail("fork");
    if (pid > 0) return pid;
    for (auto const& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
    prepare();
    execvp(arguments[0], arguments.data());
    _exit(127);
}

void send_outputs_to(std::string const& out, std::string const& errors)
{
    int const out_fd = open(out.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    int const errors_fd = open(errors.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    dup2(out_fd, 1);
    dup2(errors_fd, 2);
}

int exit_code_of(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) fail("waitpid");
    }
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept
{
    std::swap(fd_, other.fd_);
    return *this;
}

void Descriptor::reset()
{
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
}

TempFolder::TempFolder()
{
    auto name = (std::filesystem::temp_directory_path() / "yoda-test-XXXXXX").string();
    if (!mkdtemp(name.data())) fail("mkdtemp");
    path_ = name;
}

TempFolder::~TempFolder()
{
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::string TempFolder::write(std::string const& name, std::string_view content) const
{
    auto path = path_ + "/" + name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
}

std::string read_file(std::string const& path)
{
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::string range_text(std::string const& id, std::int64_t first, std::int64_t last, std::string const& pfn)
{
    std::ostringstream text;
    text << "[{\"eventRangeID\": \"" << id << "\", \"startEvent\": " << first << ", \"lastEvent\": " << last
         << ", \"GUID\": \"BEC5B4E8-EE0D-4E0A-8E1E-5B0C9E7C2C2A\", \"LFN\": \"EVNT.01.pool.root\"";
    if (!pfn.empty()) text << ", \"scope\": \"mc15\", \"PFN\": \"" << pfn << '"';
    text << "}]";
    return text.str();
}

std::optional<std::string> WorkerPeer::line()
{
    for (;;) {
        if (auto const end = buffer_.find('\n'); end != std::string::npos) {
            auto text = buffer_.substr(0, end);
            buffer_.erase(0, end + 1);
            return text;
        }
        wait_readable(socket_.get());
        char bytes[65536];
        auto const count = recv(socket_.get(), bytes, sizeof bytes, 0);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return std::nullopt;
        buffer_.append(bytes, static_cast<std::size_t>(count));
    }
}

void WorkerPeer::send(std::string_view text)
{
    while (!text.empty()) {
        auto const count = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
        if (count < 0) fail("send to worker");
        text.remove_prefix(static_cast<std::size_t>(count));
    }
}

pid_t WorkerPeer::meet()
{
    auto const pid = line();
    auto const request = line();
    if (!pid || request != "Ready for events")
        throw std::runtime_error("the worker did not introduce itself");
    return std::stoi(*pid);
}

std::string WorkerPeer::work(std::string_view range)
{
    send(std::string(range) + "\n");
    auto answer = line();
    if (!answer) throw std::runtime_error("the worker ended in a range");
    if (line() != "Ready for events")
        throw std::runtime_error("the worker did not ask again after " + *answer);
    return *answer;
}

void WorkerPeer::dismiss()
{
    send("No more events\n");
    if (auto const more = line()) throw std::runtime_error("after the end word the worker said " + *more);
}

MiniDroid::MiniDroid(std::vector<std::string> command, std::map<std::string, std::string> environment)
{
    auto [ours, theirs] = make_pair_of(SOCK_SEQPACKET);
    environment["YODA_CONTROL_FD"] = std::to_string(theirs.get());
    int const their_fd = theirs.get();
    pid_ = start(command, environment, [&] {
        setpgid(0, 0);
        fcntl(their_fd, F_SETFD, 0);
        if (chdir(folder_.path().c_str()) != 0) _exit(126);
        send_outputs_to("stdout", "stderr");
    });
    control_ = std::move(ours);
}

MiniDroid::~MiniDroid()
{
    if (pid_ <= 0) return;
    kill(-pid_, SIGKILL);
    kill(pid_, SIGKILL);
    exit_code_of(pid_);
}

std::optional<std::string> MiniDroid::hear()
{
    wait_readable(control_.get());
    char bytes[65536];
    auto const count = recv(control_.get(), bytes, sizeof bytes, 0);
    if (count <= 0) return std::nullopt;
    return std::string(bytes, static_cast<std::size_t>(count));
}

void MiniDroid::tell(std::string_view text)
{
    tell_with(text, {});
}

void MiniDroid::tell_with(std::string_view text, std::vector<int> const& fds)
{
    std::string content(text);
    iovec part{content.data(), content.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))] = {};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (!fds.empty()) {
        auto const bytes = fds.size() * sizeof(int);
        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE(bytes);
        auto* rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(bytes);
        std::memcpy(CMSG_DATA(rights), fds.data(), bytes);
    }
    if (sendmsg(control_.get(), &header, MSG_NOSIGNAL) < 0) fail("send to payload");
}

WorkerPeer MiniDroid::add_worker(int number)
{
    auto const worker_folder = folder() + "/worker_" + std::to_string(number);
    std::filesystem::create_directories(worker_folder);
    return add_worker_in(number, worker_folder);
}

WorkerPeer MiniDroid::add_worker_in(int number, std::string const& worker_folder)
{
    auto [ours, theirs] = make_pair_of(SOCK_STREAM);
    tell_with("Worker " + std::to_string(number) + " " + worker_folder, {theirs.get()});
    return {std::move(ours), worker_folder};
}

int MiniDroid::wait()
{
    siginfo_t ended = {};
    auto const id = static_cast<id_t>(pid_);
    if (!wait_until(
            [&] { return waitid(P_PID, id, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid != 0; }))
        throw std::runtime_error("the payload did not end within a minute");
    return exit_code_of(std::exchange(pid_, -1));
}

std::vector<std::string> work_through(std::vector<WorkerPeer>& workers,
                                      std::vector<std::string> const& ranges)
{
    constexpr auto kNone = static_cast<std::size_t>(-1);
    std::vector<std::string> answers(ranges.size());
    std::vector<std::size_t> in_hand(workers.size(), kNone);
    std::vector<pollfd> waits;
    std::size_t next = 0;
    std::size_t answered_count = 0;
    auto const feed = [&](std::size_t worker) {
        in_hand[worker] = next < ranges.size() ? next++ : kNone;
        if (in_hand[worker] != kNone) workers[worker].send(ranges[in_hand[worker]] + "\n");
    };
    for (std::size_t k = 0; k < workers.size(); ++k) {
        waits.push_back({workers[k].socket(), POLLIN, 0});
        feed(k);
    }
    while (answered_count < ranges.size()) {
        if (poll(waits.data(), waits.size(), kPatience_ms) <= 0)
            throw std::runtime_error("the workers fell silent");
        for (std::size_t k = 0; k < workers.size(); ++k) {
            if (waits[k].revents == 0) continue;
            auto answer = workers[k].line();
            if (!answer || workers[k].line() != "Ready for events")
                throw std::runtime_error("a worker ended early");
            answers[in_hand[k]] = std::move(*answer);
            ++answered_count;
            feed(k);
        }
    }
    for (auto& worker : workers) worker.dismiss();
    return answers;
}

bool is_gone(pid_t pid)
{
    auto const status = read_file("/proc/" + std::to_string(pid) + "/stat");
    auto const end_of_name = status.rfind(')');
    return end_of_name == std::string::npos || status.substr(end_of_name, 3) == ") Z";
}

bool wait_until(std::function<bool()> const& condition)
{
    auto const end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatience_ms);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        poll(nullptr, 0, 1);
    }
    return true;
}

Finished run_program(std::vector<std::string> const& command,
                     std::map<std::string, std::string> const& environment, std::string const& folder)
{
    TempFolder logs;
    auto const log = logs.path() + "/log";
    auto const pid = start(command, environment, [&] {
        if (chdir(folder.c_str()) != 0) _exit(126);
        send_outputs_to(log, log);
    });
    auto const code = exit_code_of(pid);
    return {code, read_file(log)};
}

}  // namespace yoda::test
