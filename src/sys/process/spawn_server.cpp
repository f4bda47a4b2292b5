// SPDX-License-Identifier: Apache-2.0
#include "sys/process/spawn_server.hpp"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "sys/process/detach.hpp"
#include "sys/process/spawn_child.hpp"

namespace yoda {

namespace {

constexpr Duration kill_again_after = Duration::from_ms(20);
/// Between looks at payloads that are being killed, and at what will not die.
constexpr int short_nap_ms = 5;
constexpr int long_nap_ms = 200;
constexpr int commands_a_turn = 64;
constexpr std::size_t reports_a_packet = 64;
constexpr std::uint64_t text_limit_bytes = 256u << 20;

std::string read_text(int fd)
{
    std::string text;
    off_t const size = ::lseek(fd, 0, SEEK_END);
    if (size <= 0 || static_cast<std::uint64_t>(size) > text_limit_bytes) return text;
    text.resize(static_cast<std::size_t>(size));
    std::size_t done = 0;
    while (done < text.size()) {
        ssize_t const n = ::pread(fd, text.data() + done, text.size() - done, static_cast<off_t>(done));
        if (n <= 0) return {};
        done += static_cast<std::size_t>(n);
    }
    return text;
}

std::int64_t to_us(timeval t)
{
    return std::int64_t{t.tv_sec} * 1'000'000 + t.tv_usec;
}

}  // namespace

void SpawnServer::run(int socket, pid_t client, std::string token)
{
    SpawnReport ready;
    ready.kind = SpawnReportKind::ready;
    errno = 0;
    FileDescriptor signals;
    bool const done = ::setsid() >= 0 && keep_only_as_3(socket) && ::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0;
    if (done) signals = take_over_signals();
    // The end of file tells that the client has died, unless somebody else still holds
    // its end; this always does.
    bool const good = done && signals && ::prctl(PR_SET_PDEATHSIG, SIGHUP) == 0 && ::getppid() == client;
    if (!good) ready.value = errno != 0 ? errno : ECHILD;
    ::prctl(PR_SET_NAME, "yoda-spawner");
    ::send(done ? 3 : socket, &ready, sizeof ready, MSG_NOSIGNAL);
    if (!good) ::_exit(1);
    SpawnServer server(FileDescriptor(3), std::move(signals), client, std::move(token));
    server.loop();
}

SpawnServer::SpawnServer(FileDescriptor socket, FileDescriptor signals, pid_t client, std::string token)
    : socket_(std::move(socket)), signals_(std::move(signals)), client_(client), forest_(std::move(token))
{}

void SpawnServer::loop()
{
    for (;;) {
        bool const is_behind = !reports_.empty();
        pollfd fds[] = {{socket_.get(), static_cast<short>(is_behind ? POLLIN | POLLOUT : POLLIN), 0},
                        {signals_.get(), POLLIN, 0}};
        ::poll(fds, 2, nap_ms());
        if (fds[1].revents != 0 && client_died()) end();
        if ((fds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !take_commands()) end();
        reap();
        tidy();
        flush();
    }
}

int SpawnServer::nap_ms() const
{
    if (closing_.empty()) return forest_.has_unowned() ? long_nap_ms : -1;
    TimePoint const now = clock_.now();
    bool const any_young = std::any_of(closing_.begin(), closing_.end(), [&](SpawnId id) {
        return now - payloads_.at(id).close_since <= stray_limit;
    });
    return any_young ? short_nap_ms : long_nap_ms;
}

bool SpawnServer::client_died()
{
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    }
    return ::getppid() != client_;  // a SIGHUP that anybody sent is nothing to us
}

bool SpawnServer::take_commands()
{
    static char buffer[packet_limit_bytes + sizeof(SpawnCommand)];
    for (int turn = 0; turn < commands_a_turn; ++turn) {
        alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))];
        iovec part{buffer, sizeof buffer};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        ssize_t const n = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EAGAIN;
        if (n == 0) return false;
        FileDescriptor fds[2];
        cmsghdr const* const header = CMSG_FIRSTHDR(&message);
        if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
            int numbers[2] = {-1, -1};
            std::size_t const count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            std::memcpy(numbers, CMSG_DATA(header), std::min<std::size_t>(count, 2) * sizeof(int));
            for (int i = 0; i < 2; ++i) fds[i].reset(numbers[i]);
        }
        std::string_view const packet(buffer, static_cast<std::size_t>(n));
        SpawnCommand command;
        if (packet.size() < sizeof command) continue;
        std::memcpy(&command, packet.data(), sizeof command);
        if (command.has_extra_fd == 0) std::swap(fds[0], fds[1]);
        take_command(packet, std::move(fds[0]), std::move(fds[1]));
    }
    return true;
}

void SpawnServer::take_command(std::string_view packet, FileDescriptor extra, FileDescriptor text)
{
    SpawnCommand command;
    std::memcpy(&command, packet.data(), sizeof command);
    if (command.kind == SpawnCommandKind::spawn) {
        std::string const long_text = text ? read_text(text.get()) : std::string();
        bool const is_whole =
            bool(extra) == bool(command.has_extra_fd) && bool(text) == bool(command.has_text_fd);
        std::string_view const order = text ? long_text : packet.substr(sizeof command);
        if (payloads_.contains(command.after) || find_waiting(command.after) != waiting_.end())
            waiting_.emplace(command.after, Waiting{command, std::string(order), std::move(extra), is_whole});
        else
            start(command, order, std::move(extra), is_whole);
        return;
    }
    if (command.kind == SpawnCommandKind::kill_tree) cancel(command.id);
    auto const found = payloads_.find(command.id);
    if (found == payloads_.end() || found->second.has_ended) return;
    switch (command.kind) {
        case SpawnCommandKind::signal:
            ::kill(-found->second.leader, command.argument);  // not reaped, so the group is still its own
            break;
        case SpawnCommandKind::kill_member:
            if (command.argument != found->second.leader) {
                forest_.kill_member(command.id, command.argument);
                break;
            }
            [[fallthrough]];
        case SpawnCommandKind::kill_tree:
            close(command.id);
            break;
        case SpawnCommandKind::spawn:
            break;
    }
}

SpawnServer::WaitingStarts::iterator SpawnServer::find_waiting(SpawnId id)
{
    return std::find_if(waiting_.begin(), waiting_.end(),
                        [id](auto const& one) { return one.second.command.id == id; });
}

/// One that has not been started yet will not be.
void SpawnServer::cancel(SpawnId id)
{
    auto const found = find_waiting(id);
    if (found == waiting_.end()) return;
    SpawnReport answer;
    answer.id = id;
    answer.kind = SpawnReportKind::exited;
    answer.value = SIGKILL;  // a wait status
    waiting_.erase(found);
    report(answer);
    start_waiting(id);
}

void SpawnServer::start(SpawnCommand const& command, std::string_view text, FileDescriptor extra,
                        bool is_whole)
{
    SpawnReport answer;
    answer.id = command.id;
    auto const order = decode_request(text);
    SpawnOutcome outcome{0, SpawnStage::request, is_whole ? EINVAL : EMFILE};
    if (order && is_whole) outcome = start_child(*order, extra.get());
    answer.kind = outcome.pid != 0 ? SpawnReportKind::started : SpawnReportKind::start_failed;
    answer.stage = outcome.stage;
    answer.value = outcome.errno_value;
    answer.pid = outcome.pid;
    report(answer);
    if (outcome.pid == 0) return start_waiting(command.id);
    Payload payload;
    payload.leader = outcome.pid;
    payload.report = answer;
    payload.report.kind = SpawnReportKind::exited;
    payloads_.emplace(command.id, payload);
    by_leader_[outcome.pid] = command.id;
    forest_.add(command.id, outcome.pid);
}

void SpawnServer::reap()
{
    for (;;) {
        siginfo_t info{};
        int const any = ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL);
        if (any != 0 || info.si_pid == 0) return;
        pid_t const pid = info.si_pid;
        auto const leader = by_leader_.find(pid);
        // Its children have become ours by now, and until it is reaped its pid still names its session.
        if (leader != by_leader_.end()) forest_.adopt();
        int status = 0;
        rusage usage{};
        if (::wait4(pid, &status, WNOHANG | __WALL, &usage) != pid) return;
        forest_.forget(pid);
        if (leader == by_leader_.end()) continue;
        SpawnId const id = leader->second;
        by_leader_.erase(leader);
        Payload& payload = payloads_.at(id);
        payload.has_ended = true;
        payload.report.value = status;
        payload.report.user_us = to_us(usage.ru_utime);
        payload.report.system_us = to_us(usage.ru_stime);
        payload.report.max_memory_bytes = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
        if (forest_.has_strays(id)) {
            close(id);
        } else if (std::find(closing_.begin(), closing_.end(), id) == closing_.end()) {
            gone(id);
        }
    }
}

/// Nothing is left of it: that is reported, and what waits for it is started.
void SpawnServer::gone(SpawnId id)
{
    report(payloads_.at(id).report);
    forest_.remove(id);
    payloads_.erase(id);
    start_waiting(id);
}

void SpawnServer::start_waiting(SpawnId ended)
{
    for (auto found = waiting_.find(ended); found != waiting_.end(); found = waiting_.find(ended)) {
        Waiting next = std::move(found->second);
        waiting_.erase(found);
        start(next.command, next.text, std::move(next.extra), next.is_whole);
    }
}

void SpawnServer::close(SpawnId id)
{
    if (std::find(closing_.begin(), closing_.end(), id) != closing_.end()) return;
    payloads_.at(id).close_since = clock_.now();
    closing_.push_back(id);
}

void SpawnServer::tidy()
{
    if (closing_.empty() && !forest_.has_unowned()) return;
    forest_.adopt();
    std::erase_if(closing_, [this](SpawnId id) { return finish(id, payloads_.at(id)); });
    if (forest_.has_unowned()) forest_.kill_unowned();
}

bool SpawnServer::finish(SpawnId id, Payload& payload)
{
    TimePoint const now = clock_.now();
    bool const is_gone = payload.has_ended && !forest_.has_strays(id);
    bool const is_late = now - payload.close_since > stray_limit;
    if (is_gone || (is_late && payload.has_ended)) {
        if (!is_gone) payload.report.left_count = forest_.count(id);
        gone(id);
        return true;
    }
    if (payload.last_kill == TimePoint{} || now - payload.last_kill >= kill_again_after) {
        payload.report.stray_count += forest_.kill(id);
        payload.last_kill = now;
    }
    return false;
}

void SpawnServer::report(SpawnReport const& report)
{
    reports_.append(reinterpret_cast<char const*>(&report), sizeof report);
}

void SpawnServer::flush()
{
    while (!reports_.empty()) {
        std::size_t const size = std::min(reports_.size(), reports_a_packet * sizeof(SpawnReport));
        ssize_t const n = ::send(socket_.get(), reports_.data(), size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) return;  // full: later; gone: the next read says so
        reports_.erase(0, size);
    }
}

void SpawnServer::end()
{
    TimePoint const deadline = clock_.now() + end_limit;
    while (clock_.now() < deadline) {
        forest_.kill_all();
        pid_t pid = 0;
        while ((pid = ::waitpid(-1, nullptr, WNOHANG | __WALL)) > 0) forest_.forget(pid);
        if (pid < 0 && errno == ECHILD) ::_exit(0);
        pollfd fds[] = {{signals_.get(), POLLIN, 0}};
        ::poll(fds, 1, short_nap_ms);
        signalfd_siginfo info{};
        while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
        }
    }
    ::_exit(1);
}

}  // namespace yoda
