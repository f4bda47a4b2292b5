// SPDX-License-Identifier: Apache-2.0
#include "sys/process/spawner.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <unordered_set>

#include "sys/base/clock.hpp"
#include "sys/process/process_tree.hpp"
#include "sys/process/spawn_report.hpp"
#include "sys/process/spawn_server.hpp"
#include "sys/process/spawn_wire.hpp"

namespace yoda {

namespace {

constexpr int receive_buffer_bytes = 8 << 10;
constexpr int start_limit_ms = 10'000;
constexpr int sweep_limit = 20;

Result<std::string> make_token()
{
    std::uint64_t random[2] = {};
    if (::getrandom(random, sizeof random, 0) != sizeof random) return os_error("get", "random bytes", errno);
    return fmt::format("{:016x}{:016x}", random[0], random[1]);
}

bool has_nul(std::string const& text)
{
    return text.find('\0') != std::string::npos;
}

Status check_request(SpawnRequest const& request)
{
    auto const refuse = [](std::string_view why) {
        return Error{ErrorKind::usage, "cannot start a payload", std::string(why),
                     "correct the payload's configuration"};
    };
    if (request.arguments.empty() || request.arguments.front().empty()) return refuse("no program is given");
    bool const nul = std::any_of(request.arguments.begin(), request.arguments.end(), has_nul) ||
                     std::any_of(request.environment.begin(), request.environment.end(), has_nul) ||
                     has_nul(request.folder) || has_nul(request.stdout_path) || has_nul(request.stderr_path);
    if (nul) return refuse("an argument, variable or path holds a NUL byte");
    if (request.extra_fd && (request.extra_fd_number < 3 || request.extra_fd_number > 255))
        return refuse(fmt::format("a file cannot be passed as number {}", request.extra_fd_number));
    return {};
}

}  // namespace

Spawner::Spawner(FileDescriptor socket, pid_t server, std::string token)
    : socket_(std::move(socket)), server_(server), token_(std::move(token))
{}

Result<Spawner> Spawner::start()
{
    auto token = make_token();
    if (!token) return token.error();
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return os_error("make", "a socket pair", errno);
    FileDescriptor ours(ends[0]);
    FileDescriptor theirs(ends[1]);

    // No handler of ours may run in the server before it has put its own signal state in place.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t const client = ::getpid();
    pid_t const server = ::fork();
    if (server == 0) SpawnServer::run(theirs.get(), client, *token);
    int const fork_errno = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (server < 0) return os_error("fork", "the server that starts payloads", fork_errno);
    theirs.reset();

    Spawner spawner(std::move(ours), server, *token);
    pollfd ready{spawner.fd(), POLLIN, 0};
    int count = 0;
    while ((count = ::poll(&ready, 1, start_limit_ms)) < 0 && errno == EINTR) {
    }
    SpawnReport report;
    bool const answered = count == 1 && ::recv(spawner.fd(), &report, sizeof report, 0) == sizeof report;
    if (answered && report.value == 0) return spawner;
    ::kill(server, SIGKILL);
    return os_error("set up", "the server that starts payloads", answered ? report.value : ETIMEDOUT);
}

Spawner::~Spawner()
{
    if (socket_) (void)bool(stop(Duration::from_ms(10'000)));
}

Result<SpawnId> Spawner::spawn(SpawnRequest request)
{
    if (broken_) return *broken_;
    if (Status const good = check_request(request); !good) return good.error();
    SpawnId const id = last_id_ + 1;
    std::string const text = encode_request(request, print_spawn_marker(token_, id));
    Packet packet;
    SpawnCommand command;
    command.id = id;
    command.kind = SpawnCommandKind::spawn;
    command.after = request.after;
    command.has_extra_fd = request.extra_fd ? 1 : 0;
    if (text.size() > packet_limit_bytes) {
        packet.fds[1].reset(::memfd_create("yoda-spawn", MFD_CLOEXEC));
        if (!packet.fds[1]) return os_error("make", "a memory file for a payload's environment", errno);
        if (Status const written = write_all(packet.fds[1].get(), text, "memory file"); !written)
            return written.error();
        command.has_text_fd = 1;
    }
    packet.fds[0] = std::move(request.extra_fd);
    packet.bytes.assign(reinterpret_cast<char const*>(&command), sizeof command);
    if (command.has_text_fd == 0) packet.bytes += text;
    last_id_ = id;
    payloads_.emplace(id, Payload{request.arguments.front(), 0});
    send(std::move(packet));
    return id;
}

void Spawner::signal(SpawnId id, int signal_number)
{
    send_command(id, static_cast<unsigned char>(SpawnCommandKind::signal), signal_number);
}

void Spawner::kill_tree(SpawnId id)
{
    send_command(id, static_cast<unsigned char>(SpawnCommandKind::kill_tree), 0);
}

void Spawner::kill_member(SpawnId id, pid_t pid)
{
    send_command(id, static_cast<unsigned char>(SpawnCommandKind::kill_member), pid);
}

void Spawner::send_command(SpawnId id, unsigned char kind, int argument)
{
    if (!payloads_.contains(id)) return;
    SpawnCommand command;
    command.id = id;
    command.kind = static_cast<SpawnCommandKind>(kind);
    command.argument = argument;
    Packet packet;
    packet.bytes.assign(reinterpret_cast<char const*>(&command), sizeof command);
    send(std::move(packet));
}

void Spawner::send(Packet packet)
{
    if (broken_) return;
    unsent_.push_back(std::move(packet));
    flush();
}

void Spawner::flush()
{
    while (!unsent_.empty()) {
        Packet& packet = unsent_.front();
        iovec part{packet.bytes.data(), packet.bytes.size()};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = {};
        int numbers[2];
        std::size_t count = 0;
        for (FileDescriptor const& fd : packet.fds)
            if (fd) numbers[count++] = fd.get();
        if (count > 0) {
            message.msg_control = control;
            message.msg_controllen = CMSG_SPACE(count * sizeof(int));
            cmsghdr* const header = CMSG_FIRSTHDR(&message);
            header->cmsg_level = SOL_SOCKET;
            header->cmsg_type = SCM_RIGHTS;
            header->cmsg_len = CMSG_LEN(count * sizeof(int));
            std::memcpy(CMSG_DATA(header), numbers, count * sizeof(int));
        }
        if (::sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
            if (errno == EINTR) continue;
            return;  // full: later; gone: receive() finds out
        }
        unsent_.pop_front();
    }
}

Status Spawner::poll()
{
    if (!broken_) receive();
    if (!broken_) flush();
    if (broken_) return *broken_;
    return {};
}

void Spawner::receive()
{
    char buffer[receive_buffer_bytes];
    for (;;) {
        ssize_t const n = ::recv(socket_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        if (n < 0) return lose_server(std::strerror(errno));
        if (n == 0) return lose_server("it ended");
        take_reports(std::string_view(buffer, static_cast<std::size_t>(n)));
    }
}

void Spawner::take_reports(std::string_view bytes)
{
    for (; bytes.size() >= sizeof(SpawnReport); bytes.remove_prefix(sizeof(SpawnReport))) {
        SpawnReport report;
        std::memcpy(&report, bytes.data(), sizeof report);
        auto const payload = payloads_.find(report.id);
        if (payload == payloads_.end()) continue;
        events_.push_back(to_event(report, payload->second.program));
        if (report.kind == SpawnReportKind::started)
            payload->second.pid = report.pid;
        else
            payloads_.erase(payload);
    }
}

std::optional<SpawnEvent> Spawner::take_event()
{
    if (events_.empty()) return std::nullopt;
    std::optional<SpawnEvent> event(std::move(events_.front()));
    events_.pop_front();
    return event;
}

void Spawner::lose_server(std::string_view why)
{
    std::string reason(why);
    int status = 0;
    // It has closed its end, so it is all but gone: this does not block.
    if (::waitpid(server_, &status, 0) == server_ && WIFSIGNALED(status))
        reason = fmt::format("killed by signal {}", WTERMSIG(status));
    server_ = 0;
    broken_ = Error{ErrorKind::io, "the server that starts payloads is gone", std::move(reason),
                    "all payloads of this node are lost; start the job again"};
    kill_rest();
}

/// The server killed the payloads or, when it died, the kernel killed their first processes. What these had
/// started and nobody caught bears our marker or is still in their sessions.
void Spawner::kill_rest()
{
    std::unordered_set<pid_t> sessions;
    for (auto const& [id, payload] : payloads_)
        if (payload.pid != 0) sessions.insert(payload.pid);
    for (int sweep = 0; sweep < sweep_limit; ++sweep) {
        auto const all = list_processes();
        if (!all) break;
        bool found = false;
        for (ProcessInfo const& process : *all) {
            if (process.is_dead()) continue;
            auto const marker = read_process_variable(process.pid, spawn_marker);
            if (!sessions.contains(process.session) && !(marker && marker->starts_with(token_ + ":")))
                continue;
            signal_process(process, SIGKILL);
            found = true;
        }
        if (!found) break;
    }
    payloads_.clear();
    unsent_.clear();
}

Status Spawner::stop(Duration limit)
{
    Status status;
    if (server_ != 0) {
        ::shutdown(socket_.get(), SHUT_WR);
        if (!wait_for_end(limit)) {
            ::kill(server_, SIGKILL);
            status =
                Error{ErrorKind::io, "the server that starts payloads did not end", "it had to be killed",
                      "look for payload processes stuck in the kernel on this node"};
        }
        while (::waitpid(server_, nullptr, 0) < 0 && errno == EINTR) {
        }
        server_ = 0;
        broken_ =
            Error{ErrorKind::io, "no payload can be started", "the server that starts them was stopped", {}};
        kill_rest();
    }
    socket_.reset();
    return status;
}

/// Reads on, so that the server is never held up by a full socket, until it closes its end.
bool Spawner::wait_for_end(Duration limit)
{
    SystemClock const clock;
    TimePoint const deadline = clock.now() + limit;
    for (;;) {
        std::int64_t const left_ms = std::clamp<std::int64_t>((deadline - clock.now()).ms(), 0, INT32_MAX);
        pollfd end{socket_.get(), POLLIN, 0};
        int const count = ::poll(&end, 1, static_cast<int>(left_ms));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return false;
        char buffer[receive_buffer_bytes];
        if (::recv(socket_.get(), buffer, sizeof buffer, MSG_DONTWAIT) == 0) return true;
        if (errno != EAGAIN && errno != EINTR) return true;
    }
}

}  // namespace yoda
