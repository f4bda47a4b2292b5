// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>

#include "payload/standalone.hpp"
#include "payload/worker_loop.hpp"
#include "payload/yoda_payload.hpp"

namespace yoda::payload {
namespace {

constexpr std::size_t kMaxPacketBytes = 16384;
constexpr std::string_view kNewWorker = "Worker ";
constexpr std::string_view kNoMoreWorkers = "No more workers";

void complain(std::string_view text)
{
    std::cerr << "yoda_payload: " << text << std::endl;
}

std::string system_error(std::string_view what)
{
    return std::string(what) + ": " + std::strerror(errno);
}

bool send_packet(int socket, std::string_view text)
{
    ssize_t count = 0;
    do count = send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    while (count < 0 && errno == EINTR);
    return count >= 0;
}

bool is_packet_socket(int fd)
{
    int type = 0;
    socklen_t size = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

/// "Worker 3 /path with blanks" -> 3, the path.
std::optional<Worker> read_worker(std::string_view text)
{
    if (!text.starts_with(kNewWorker)) return std::nullopt;
    text.remove_prefix(kNewWorker.size());
    Worker worker;
    auto const [stop, error] = std::from_chars(text.data(), text.data() + text.size(), worker.number);
    if (error != std::errc{}) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
    if (!text.starts_with(" /")) return std::nullopt;
    worker.folder = text.substr(1);
    return worker;
}

[[noreturn]] void refuse_to_start(std::string_view why)
{
    complain(why);
    complain("to try it alone: YODA_STANDALONE=FILE:FIRST-LAST[:EVENTS_PER_RANGE] PROGRAM [ARGUMENTS]");
    std::exit(kUsage);
}

}  // namespace

/// Keeps SIGCHLD for a signalfd while the parent serves; workers get the old mask back.
class Kit::ChildSignals {
  public:
    ChildSignals()
    {
        struct sigaction action = {};
        sigaction(SIGCHLD, nullptr, &action);
        if (action.sa_handler == SIG_IGN)
            std::signal(SIGCHLD, SIG_DFL);  // Ignored children cannot be waited for.
        sigset_t child;
        sigemptyset(&child);
        sigaddset(&child, SIGCHLD);
        sigprocmask(SIG_BLOCK, &child, &old_mask_);
        fd_ = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    }
    ~ChildSignals() { stop(); }
    ChildSignals(ChildSignals const&) = delete;
    ChildSignals& operator=(ChildSignals const&) = delete;

    int fd() const { return fd_; }
    void drain() const
    {
        signalfd_siginfo info;
        while (read(fd_, &info, sizeof info) > 0) {
        }
    }
    void stop()
    {
        if (fd_ >= 0) close(fd_);
        fd_ = -1;
        sigprocmask(SIG_SETMASK, &old_mask_, nullptr);
    }

  private:
    int fd_ = -1;
    sigset_t old_mask_{};
};

/// One packet of the control socket and the descriptor that came with it.
struct Kit::Message {
    std::string text;
    int fd = -1;

    /// False at the end of the socket.
    bool receive(int socket);
    ~Message()
    {
        if (fd >= 0) close(fd);
    }
};

bool Kit::Message::receive(int socket)
{
    text.resize(kMaxPacketBytes);
    iovec part{text.data(), text.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))];
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    ssize_t count = 0;
    do count = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
    while (count < 0 && errno == EINTR);
    if (count <= 0) return false;
    text.resize(static_cast<std::size_t>(count));
    for (auto* part_header = CMSG_FIRSTHDR(&header); part_header;
         part_header = CMSG_NXTHDR(&header, part_header)) {
        if (part_header->cmsg_level != SOL_SOCKET || part_header->cmsg_type != SCM_RIGHTS) continue;
        auto const fd_count = (part_header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < fd_count; ++i) {
            if (fd >= 0) close(fd);  // One is agreed on; the last one counts.
            std::memcpy(&fd, CMSG_DATA(part_header) + i * sizeof(int), sizeof fd);
        }
    }
    return true;
}

Kit::Kit()
{
    auto const* text = std::getenv("YODA_CONTROL_FD");
    auto const* standalone = std::getenv("YODA_STANDALONE");
    if (text) {
        char const* end = text + std::strlen(text);
        auto const [stop, error] = std::from_chars(text, end, control_);
        if (error != std::errc{} || stop != end || !is_packet_socket(control_))
            refuse_to_start("YODA_CONTROL_FD=" + std::string(text) + " is no SOCK_SEQPACKET socket");
        fcntl(control_, F_SETFD, FD_CLOEXEC);
        unsetenv("YODA_CONTROL_FD");  // Programs that the payload starts are not payloads.
    } else if (standalone) {
        auto const request = read_standalone(standalone);
        if (!request) refuse_to_start("cannot read YODA_STANDALONE=" + std::string(standalone));
        standalone_ = std::make_unique<StandaloneRequest>(*request);
    } else {
        refuse_to_start("this program is a payload, which yoda's Droid starts (YODA_CONTROL_FD is not set)");
    }
}

Kit::~Kit()
{
    if (control_ >= 0) close(control_);
}

Kit& Kit::at_worker_start(WorkerCallback callback)
{
    worker_start_ = std::move(callback);
    return *this;
}

Kit& Kit::at_worker_end(WorkerCallback callback)
{
    worker_end_ = std::move(callback);
    return *this;
}

void Kit::fail_initialisation(std::string_view text)
{
    std::string message = "ERR_PAYLOAD_INIT ";
    append_one_line(message, text);
    complain(message);
    if (control_ >= 0) send_packet(control_, message);
    std::exit(kInitFailed);
}

int Kit::run(Work const& work)
{
    if (!standalone_) return serve(work);
    Worker worker{0, "."};
    if (char* folder = getcwd(nullptr, 0)) {
        worker.folder = folder;
        std::free(folder);
    }
    return run_as_worker(worker, [&] { return run_standalone(*standalone_, worker.folder, work); });
}

int Kit::run_as_worker(Worker const& worker, std::function<int()> const& serve_ranges) const
{
    try {
        if (worker_start_) worker_start_(worker);
        auto const outcome = serve_ranges();
        if (worker_end_ && (outcome == kDone || outcome == kSomeFailed)) worker_end_(worker);
        return outcome;
    } catch (std::exception const& error) {
        complain("worker " + std::to_string(worker.number) + " failed at its start or end: " + error.what());
    } catch (...) {
        complain("worker " + std::to_string(worker.number) + " failed at its start or end");
    }
    return kWorkerFailed;
}

int Kit::serve(Work const& work)
{
    ChildSignals child_signals;
    if (!send_packet(control_, "Ready for workers")) return kDroidGone;
    for (bool more_workers = true; more_workers || !workers_.empty();) {
        pollfd waits[] = {{control_, POLLIN, 0}, {child_signals.fd(), POLLIN, 0}};
        if (poll(waits, 2, -1) < 0 && errno != EINTR) {
            complain(system_error("poll"));
            kill_workers();
            return kBadDialogue;
        }
        if (waits[1].revents != 0) {
            child_signals.drain();
            reap(false);
        }
        if (waits[0].revents == 0) continue;
        Message message;
        if (!message.receive(control_)) {
            if (!more_workers && workers_.empty()) break;
            complain("the Droid is gone");
            kill_workers();
            return kDroidGone;
        }
        if (message.text == kNoMoreWorkers) {
            more_workers = false;
        } else {
            start_worker(message, child_signals, work);
        }
    }
    return kDone;
}

void Kit::start_worker(Message& message, ChildSignals& child_signals, Work const& work)
{
    auto const worker = read_worker(message.text);
    if (!worker || message.fd < 0) {
        complain("cannot use the Droid's message '" + message.text.substr(0, 200) + "'" +
                 (message.fd < 0 ? " without a socket" : ""));
        return;
    }
    std::fflush(nullptr);  // Or the worker would write the parent's buffered text once more.
    std::cout.flush();
    auto const parent = getpid();
    auto const pid = fork();
    if (pid < 0) complain(system_error("cannot fork worker " + std::to_string(worker->number)));
    if (pid > 0) workers_.push_back(pid);
    if (pid != 0) return;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(kDroidGone);  // It died before the line above.
    close(control_);
    child_signals.stop();
    int outcome = kDroidGone;
    if (send_all(message.fd, std::to_string(getpid()) + "\n")) {
        if (chdir(worker->folder.c_str()) != 0) {
            complain(system_error("cannot enter worker folder " + worker->folder));
            outcome = kWorkerFailed;
        } else {
            Output output(worker->folder);
            outcome = run_as_worker(*worker, [&] { return work_through(message.fd, work, output); });
        }
    }
    std::fflush(nullptr);
    std::cout.flush();
    _exit(outcome);  // Not exit(): what the parent registered for its own end is not the worker's to run.
}

void Kit::reap(bool wait)
{
    std::erase_if(workers_, [wait](pid_t pid) {
        int status = 0;
        pid_t ended = 0;
        do ended = waitpid(pid, &status, wait ? 0 : WNOHANG);
        while (ended < 0 && errno == EINTR);
        if (ended == 0) return false;
        if (ended > 0 && WIFSIGNALED(status))
            complain("worker process " + std::to_string(pid) + " was ended by signal " +
                     std::to_string(WTERMSIG(status)));
        return true;
    });
}

void Kit::kill_workers()
{
    for (auto const pid : workers_) kill(pid, SIGKILL);
    reap(true);
}

}  // namespace yoda::payload
