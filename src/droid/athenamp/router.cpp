// SPDX-License-Identifier: Apache-2.0
#include "droid/athenamp/router.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "sys/base/files.hpp"

namespace yoda::athenamp {

namespace {

constexpr int linger_ms = 1000;
constexpr std::int64_t max_message_bytes = 1 << 20;
constexpr std::string_view file_prefix = "zmq_";
constexpr std::string_view name_prefix = "EventService_";

std::atomic<unsigned> next_socket{0};

Error zmq_error(std::string_view what, std::string const& name)
{
    return {ErrorKind::io, fmt::format("channel {}: cannot {}", name, what), zmq_strerror(zmq_errno()), {}};
}

bool set_option(void* socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

sockaddr_un make_address(std::string const& path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
}

sockaddr const* as_sockaddr(sockaddr_un const& address)
{
    return reinterpret_cast<sockaddr const*>(&address);
}

/// Whether this is a socket file of ours that nobody listens on.
bool is_own_and_dead(std::string const& path)
{
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode) || info.st_uid != ::geteuid())
        return false;
    FileDescriptor const probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    auto const address = make_address(path);
    return probe && ::connect(probe.get(), as_sockaddr(address), sizeof address) != 0 &&
           errno == ECONNREFUSED;
}

/// A name that make_channel_name made. Others' sockets may be bound and not listen yet: they are left alone.
bool is_own_name(std::string const& name)
{
    int length = 0;
    long long job = 0;
    unsigned rank = 0, start = 0;
    int pid = 0;
    int const found = std::sscanf(name.c_str(), "EventService_%*[A-Za-z]_%lld_r%u_%d_%u%n", &job, &rank, &pid,
                                  &start, &length);
    return found == 4 && length == static_cast<int>(name.size());
}

bool is_good_name(std::string_view name)
{
    return std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
               c == '.' || c == '-';
    });
}

/// A listening socket that only this user may connect to. It gets its name when it listens already: whoever
/// looks for dead sockets never meets it half made, and the name of a living one is never taken.
Result<FileDescriptor> listen_on(std::string const& path, std::string const& first_path)
{
    FileDescriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!listener) return os_error("make", "a socket", errno);
    auto const fail = [&](int number) {
        auto error = os_error("make socket", path, number);
        error.fix = "payloads look for it in /tmp: it must be writable, and the name must be free";
        return error;
    };
    auto const address = make_address(first_path);
    ::unlink(first_path.c_str());
    if (::bind(listener.get(), as_sockaddr(address), sizeof address) != 0) return fail(errno);
    bool const listens = ::chmod(first_path.c_str(), 0700) == 0 && ::listen(listener.get(), 128) == 0;
    int number = listens ? 0 : errno;
    auto const name_it = [&] {
        number = ::link(first_path.c_str(), path.c_str()) == 0 ? 0 : errno;
        return number == 0;
    };
    if (listens && !name_it() && number == EEXIST && is_own_and_dead(path) && ::unlink(path.c_str()) == 0)
        name_it();
    ::unlink(first_path.c_str());
    if (number != 0) return fail(number);
    return listener;
}

}  // namespace

std::string make_channel_name(ChannelId const& id)
{
    return fmt::format("{}{}_{}_r{}_{}_{}", name_prefix, id.purpose, id.panda_id, id.rank, id.pid, id.start);
}

struct Router::Socket {
    std::string name;
    std::string path;
    void* context = nullptr;
    void* socket = nullptr;
    void* monitor = nullptr;
    unsigned accepted_count = 0;
    unsigned gone_count = 0;

    Socket() = default;
    Socket(Socket const&) = delete;
    Socket& operator=(Socket const&) = delete;
    ~Socket()
    {
        // What is still unsent nobody reads: whoever closes the channel has seen the
        // payload end, or kills it.
        if (socket) set_option(socket, ZMQ_LINGER, 0);
        if (monitor) zmq_close(monitor);
        if (socket) zmq_close(socket);
        if (context) zmq_ctx_term(context);
        if (!path.empty()) ::unlink(path.c_str());  // libzmq leaves it.
    }
};

Router::Router(std::unique_ptr<Socket> socket) : socket_(std::move(socket)) {}
Router::Router(Router&&) noexcept = default;
Router& Router::operator=(Router&&) noexcept = default;
Router::~Router() = default;

Result<Router> Router::bind(std::string const& name, std::string const& folder)
{
    if (name.empty() || name.size() > max_channel_name || !is_good_name(name))
        return Error{ErrorKind::usage,
                     fmt::format("'{}' cannot be a channel's name", name),
                     fmt::format("it is 1 to {} characters of [A-Za-z0-9_.-]", max_channel_name),
                     {}};
    auto const path = fmt::format("{}/{}{}", folder, file_prefix, name);
    if (path.size() >= sizeof sockaddr_un{}.sun_path)
        return Error{
            ErrorKind::usage, fmt::format("{} cannot be a socket", path), "its path is too long", {}};
    auto listener = listen_on(path, fmt::format("{}/yoda_{}_{}", folder, ::getpid(), next_socket++));
    if (!listener) return listener.error();

    auto made = std::make_unique<Socket>();
    made->name = name;
    made->path = path;
    made->context = zmq_ctx_new();
    if (!made->context) return zmq_error("make a context", name);
    made->socket = zmq_socket(made->context, ZMQ_ROUTER);
    if (!made->socket) return zmq_error("make a socket", name);
    // Without HANDSHAKE_IVL 0 libzmq 4.3.3 and 4.3.4 cut the connections of old yampl after 30 s.
    bool const set =
        set_option(made->socket, ZMQ_HANDSHAKE_IVL, 0) && set_option(made->socket, ZMQ_ROUTER_MANDATORY, 1) &&
        set_option(made->socket, ZMQ_LINGER, linger_ms) &&
        zmq_setsockopt(made->socket, ZMQ_MAXMSGSIZE, &max_message_bytes, sizeof max_message_bytes) == 0 &&
        set_option(made->socket, ZMQ_USE_FD, listener->get());
    if (!set) return zmq_error("set options", name);
    auto const watch = fmt::format("inproc://monitor_{}", name);
    if (zmq_socket_monitor(made->socket, watch.c_str(), ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED) != 0)
        return zmq_error("watch connections", name);
    made->monitor = zmq_socket(made->context, ZMQ_PAIR);
    if (!made->monitor || zmq_connect(made->monitor, watch.c_str()) != 0)
        return zmq_error("watch connections", name);
    if (zmq_bind(made->socket, ("ipc://" + path).c_str()) != 0) return zmq_error("bind", name);
    [[maybe_unused]] int const now_libzmqs = listener->release();
    return Router(std::move(made));
}

std::string const& Router::name() const
{
    return socket_->name;
}

int Router::fd() const
{
    int fd = -1;
    std::size_t size = sizeof fd;
    zmq_getsockopt(socket_->socket, ZMQ_FD, &fd, &size);
    return fd;
}

bool Router::readable() const
{
    int events = 0;
    std::size_t size = sizeof events;
    return zmq_getsockopt(socket_->socket, ZMQ_EVENTS, &events, &size) == 0 && (events & ZMQ_POLLIN) != 0;
}

bool Router::receive(std::string& peer, std::string& body)
{
    bool more = true;
    for (unsigned part = 0; more; ++part) {
        zmq_msg_t message;
        zmq_msg_init(&message);
        int const size = zmq_msg_recv(&message, socket_->socket, ZMQ_DONTWAIT);
        if (size < 0) {
            zmq_msg_close(&message);
            return false;
        }
        // A message is [peer][body]; further parts nobody sends, and they are dropped.
        if (part < 2)
            (part == 0 ? peer : body)
                .assign(static_cast<char const*>(zmq_msg_data(&message)), static_cast<std::size_t>(size));
        more = zmq_msg_more(&message) != 0;
        zmq_msg_close(&message);
    }
    return true;
}

Router::Sent Router::send(std::string_view peer, std::string_view body)
{
    if (zmq_send(socket_->socket, peer.data(), peer.size(), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return zmq_errno() == EAGAIN ? Sent::full : Sent::peer_gone;
    if (zmq_send(socket_->socket, body.data(), body.size(), ZMQ_DONTWAIT) < 0) return Sent::peer_gone;
    return Sent::yes;
}

bool Router::all_gone()
{
    for (;;) {
        char text[256];
        int const size = zmq_recv(socket_->monitor, text, sizeof text, ZMQ_DONTWAIT);
        if (size < 0) break;
        std::uint16_t event = 0;
        if (size < static_cast<int>(sizeof event)) continue;  // The second part: the address.
        std::memcpy(&event, text, sizeof event);
        if (size == 6 && event == ZMQ_EVENT_ACCEPTED) ++socket_->accepted_count;
        if (size == 6 && event == ZMQ_EVENT_DISCONNECTED) ++socket_->gone_count;
    }
    return socket_->gone_count >= socket_->accepted_count;
}

unsigned remove_stale_channels(std::string const& folder)
{
    unsigned count = 0;
    std::error_code code;
    for (std::filesystem::directory_iterator it(folder, code), end; !code && it != end; it.increment(code)) {
        auto const path = it->path().string();
        auto const name = it->path().filename().string();
        if (!name.starts_with(file_prefix) || !is_own_name(name.substr(file_prefix.size()))) continue;
        if (!is_own_and_dead(path)) continue;
        if (::unlink(path.c_str()) == 0) ++count;
    }
    return count;
}

}  // namespace yoda::athenamp
