// SPDX-License-Identifier: Apache-2.0
#include "droid/athenamp/router.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include <chrono>
#include <set>
#include <thread>

#include "support/scratch_folder.hpp"
#include "support/skip.hpp"
#include "sys/base/files.hpp"

namespace yoda::athenamp {
namespace {

using test::ScratchFolder;

std::string unique_name(unsigned start = 0)
{
    return make_channel_name({"Test", 6001, 1, static_cast<int>(::getpid()), start});
}

/// A client as yampl makes it: no name, infinite linger.
class Client {
  public:
    explicit Client(std::string const& name = {})
        : context_(zmq_ctx_new()), socket_(zmq_socket(context_, ZMQ_DEALER))
    {
        if (!name.empty()) zmq_setsockopt(socket_, ZMQ_IDENTITY, name.data(), name.size());
    }
    ~Client()
    {
        int const none = 0;
        zmq_setsockopt(socket_, ZMQ_LINGER, &none, sizeof none);
        zmq_close(socket_);
        zmq_ctx_term(context_);
    }
    Client(Client const&) = delete;
    Client& operator=(Client const&) = delete;
    void connect(std::string const& path) { ASSERT_EQ(zmq_connect(socket_, ("ipc://" + path).c_str()), 0); }
    void say(std::string_view text) { zmq_send(socket_, text.data(), text.size(), 0); }
    std::string hear()
    {
        char text[1024];
        int const n = zmq_recv(socket_, text, sizeof text, 0);
        return {text, static_cast<std::size_t>(n > 0 ? n : 0)};
    }

  private:
    void* context_;
    void* socket_;
};

bool receive(Router& router, std::string& peer, std::string& body)
{
    return test::eventually([&] { return router.receive(peer, body); });
}

/// A socket file that nobody listens on, as a killed server leaves it.
void leave_socket(std::string const& path)
{
    FileDescriptor const dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<sockaddr const*>(&address), sizeof address), 0);
}

TEST(AthenaRouter, NamesDifferByJobRankProcessAndStartAndFitASocket)
{
    std::set<std::string> const names{
        make_channel_name({"EventRanges", 1, 1, 1, 0}), make_channel_name({"EventRanges", 2, 1, 1, 0}),
        make_channel_name({"EventRanges", 1, 2, 1, 0}), make_channel_name({"EventRanges", 1, 1, 2, 0}),
        make_channel_name({"EventRanges", 1, 1, 1, 1}), make_channel_name({"Prefetcher", 1, 1, 1, 0})};
    EXPECT_EQ(names.size(), 6u);
    EXPECT_LE(make_channel_name({"EventRanges", INT64_MAX, UINT32_MAX, INT32_MAX, UINT32_MAX}).size(),
              max_channel_name);
}

TEST(AthenaRouter, LongestNameBindsAndOneMoreIsRefused)
{
    std::string name(max_channel_name, 'x');
    {
        auto const router = Router::bind(name);
        ASSERT_TRUE(router) << router.error().text();
        EXPECT_EQ(::access(("/tmp/zmq_" + name).c_str(), F_OK), 0);
    }
    EXPECT_NE(::access(("/tmp/zmq_" + name).c_str(), F_OK), 0) << "the file goes with the router";
    auto const refused = Router::bind(name + "x");
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().text().find("98"), std::string::npos);
    EXPECT_FALSE(Router::bind("a/b"));
    EXPECT_FALSE(Router::bind(""));
}

TEST(AthenaRouter, ClientBeforeServerIsHeard)
{
    ScratchFolder const folder;
    Client client;
    client.connect(folder / ("zmq_" + unique_name()));
    client.say("Ready for events");
    auto router = Router::bind(unique_name(), folder.path());
    ASSERT_TRUE(router) << router.error().text();
    std::string peer, body;
    ASSERT_TRUE(receive(*router, peer, body));
    EXPECT_EQ(body, "Ready for events");
    EXPECT_EQ(router->send(peer, "No more events"), Router::Sent::yes);
    EXPECT_EQ(client.hear(), "No more events");
}

/// A client of yampl 1.x byte for byte (docs/reference/athenamp.md §2): its library speaks ZMTP 2.0.
class OldClient {
  public:
    explicit OldClient(std::string const& path) : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))
    {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        timeval const limit{60, 0};
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        connected_ =
            ::connect(socket_.get(), reinterpret_cast<sockaddr const*>(&address), sizeof address) == 0;
    }
    bool connected() const { return connected_; }
    void say(std::string_view bytes) { EXPECT_TRUE(write_all(socket_.get(), bytes, "socket")); }
    std::string hear(std::size_t count)
    {
        std::string bytes(count, '\0');
        ssize_t const n = ::recv(socket_.get(), bytes.data(), count, MSG_WAITALL);
        bytes.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        return bytes;
    }

  private:
    FileDescriptor socket_;
    bool connected_ = false;
};

TEST(AthenaRouter, OldPeerIsSpokenToByteForByteAndAReplyMayBeHeldLong)
{
    using namespace std::string_literals;
    ScratchFolder const folder;
    auto router = Router::bind(unique_name(), folder.path());
    ASSERT_TRUE(router);
    OldClient client(folder / ("zmq_" + unique_name()));
    ASSERT_TRUE(client.connected());
    auto const signature = "\xff\0\0\0\0\0\0\0\x01\x7f"s;
    client.say(signature);
    EXPECT_EQ(client.hear(11), signature + "\x03");
    client.say("\x01\x05"s);  // Revision 1, DEALER.
    EXPECT_EQ(client.hear(1), "\x06");
    client.say("\0\0"s);  // No identity.
    EXPECT_EQ(client.hear(2), "\0\0"s);
    client.say("\0\x10Ready for events"s);
    std::string peer, body;
    ASSERT_TRUE(receive(*router, peer, body));
    EXPECT_EQ(body, "Ready for events");
    // libzmq 4.3.4 cuts such peers off 30 s after they connect unless it is told not to.
    std::this_thread::sleep_for(std::chrono::seconds(35));
    std::string const range(262, 'r');
    ASSERT_EQ(router->send(peer, range), Router::Sent::yes);
    EXPECT_EQ(client.hear(9 + 262), "\x02\0\0\0\0\0\0\x01\x06"s + range);
    client.say("\0\x10Ready for events"s);
    std::string again;
    ASSERT_TRUE(receive(*router, again, body));
    EXPECT_EQ(again, peer) << "the same connection";
    ASSERT_EQ(router->send(peer, "No more events"), Router::Sent::yes);
    EXPECT_EQ(client.hear(16), "\0\x0eNo more events"s) << "no terminator";
}

TEST(AthenaRouter, NewPeerIsSpokenToByteForByte)
{
    // yampl master's library speaks ZMTP 3.0: greeting, one READY command each way, then frames.
    using namespace std::string_literals;
    ScratchFolder const folder;
    auto router = Router::bind(unique_name(), folder.path());
    ASSERT_TRUE(router);
    OldClient client(folder / ("zmq_" + unique_name()));
    ASSERT_TRUE(client.connected());
    auto const signature = "\xff\0\0\0\0\0\0\0\x01\x7f"s;
    auto const mechanism = "NULL"s + std::string(16, '\0');
    client.say(signature + "\x03\0"s + mechanism + std::string(32, '\0'));
    auto const greeting = client.hear(64);
    ASSERT_EQ(greeting.size(), 64u);
    EXPECT_EQ(greeting.substr(0, 11), signature + "\x03");
    EXPECT_EQ(greeting.substr(12, 20), mechanism);
    auto const ready = [](std::string const& type) {
        return "\x05READY\x0bSocket-Type\0\0\0\x06"s + type + "\x08Identity\0\0\0\0"s;
    };
    client.say("\x04\x29"s + ready("DEALER"));
    EXPECT_EQ(client.hear(2 + 0x29), "\x04\x29"s + ready("ROUTER"));
    client.say("\0\x10Ready for events"s);
    std::string peer, body;
    ASSERT_TRUE(receive(*router, peer, body));
    EXPECT_EQ(body, "Ready for events");
    ASSERT_EQ(router->send(peer, "No more events"), Router::Sent::yes);
    EXPECT_EQ(client.hear(16), "\0\x0eNo more events"s);
}

TEST(AthenaRouter, NamedPeersAreToldApart)
{
    // A named yampl client is known by its name and a NUL.
    ScratchFolder const folder;
    auto router = Router::bind(unique_name(), folder.path());
    ASSERT_TRUE(router);
    using namespace std::string_literals;
    std::vector<std::string> const names{"payload0\0"s, "payload1\0"s};
    Client first(names[0]), second(names[1]);
    for (auto* const client : {&first, &second}) {
        client->connect(folder / ("zmq_" + unique_name()));
        client->say("Ready for events");
    }
    std::set<std::string> peers;
    for (int i = 0; i < 2; ++i) {
        std::string peer, body;
        ASSERT_TRUE(receive(*router, peer, body));
        peers.insert(peer);
        EXPECT_EQ(router->send(peer, "for " + peer.substr(0, 8)), Router::Sent::yes);
    }
    EXPECT_EQ(peers, (std::set<std::string>{names[0], names[1]}));
    EXPECT_EQ(first.hear(), "for payload0");
    EXPECT_EQ(second.hear(), "for payload1");
}

TEST(AthenaRouter, SendingToAPeerThatHasGoneIsTold)
{
    ScratchFolder const folder;
    auto router = Router::bind(unique_name(), folder.path());
    ASSERT_TRUE(router);
    std::string peer, body;
    {
        Client client;
        client.connect(folder / ("zmq_" + unique_name()));
        client.say("Ready for events");
        ASSERT_TRUE(receive(*router, peer, body));
        EXPECT_FALSE(router->all_gone());
    }
    EXPECT_TRUE(test::eventually([&] { return router->all_gone(); }));
    // The socket forgets a peer a moment after its end has been seen.
    EXPECT_TRUE(test::eventually([&] { return router->send(peer, "x") == Router::Sent::peer_gone; }));
    EXPECT_EQ(router->send("nobody", "x"), Router::Sent::peer_gone);
}

TEST(AthenaRouter, OnlyThisUserMayConnect)
{
    ScratchFolder const folder;
    auto const router = Router::bind(unique_name(), folder.path());
    ASSERT_TRUE(router);
    struct stat info {};
    ASSERT_EQ(::stat((folder / ("zmq_" + unique_name())).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0700u);
}

TEST(AthenaRouter, NameOfALivingServerIsNotStolen)
{
    ScratchFolder const folder;
    auto router = Router::bind(unique_name(), folder.path());
    ASSERT_TRUE(router);
    EXPECT_FALSE(Router::bind(unique_name(), folder.path()));
    EXPECT_EQ(remove_stale_channels(folder.path()), 0u);
    Client client;
    client.connect(folder / ("zmq_" + unique_name()));
    client.say("hello");
    std::string peer, body;
    EXPECT_TRUE(receive(*router, peer, body));
}

TEST(AthenaRouter, LeftoverOfADeadServerOfThisUserIsReplaced)
{
    ScratchFolder const folder;
    leave_socket(folder / ("zmq_" + unique_name()));
    auto const router = Router::bind(unique_name(), folder.path());
    EXPECT_TRUE(router) << router.error().text();
}

TEST(AthenaRouter, LeftoversOfDeadServersAreRemovedAndNothingElse)
{
    ScratchFolder const folder;
    for (unsigned start = 0; start < 3; ++start) leave_socket(folder / ("zmq_" + unique_name(start)));
    leave_socket(folder / "zmq_SomebodyElses");
    leave_socket(folder / "zmq_EventService_EventRanges_1234");  // As a pilot names it.
    test::write_text(folder / "zmq_EventService_plain_file", "x");
    EXPECT_EQ(remove_stale_channels(folder.path()), 3u);
    EXPECT_EQ(::access((folder / "zmq_SomebodyElses").c_str(), F_OK), 0);
    EXPECT_EQ(::access((folder / "zmq_EventService_EventRanges_1234").c_str(), F_OK), 0);
    EXPECT_EQ(::access((folder / "zmq_EventService_plain_file").c_str(), F_OK), 0);
}

TEST(AthenaRouter, LeftoverOfAnotherUserIsAnErrorThatNamesIt)
{
    ScratchFolder const folder;
    auto const path = folder / ("zmq_" + unique_name());
    leave_socket(path);
    if (::chown(path.c_str(), 12345, 12345) != 0) YODA_SKIP("only root can make a file another user's");
    auto const refused = Router::bind(unique_name(), folder.path());
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().text().find(path), std::string::npos) << refused.error().text();
    EXPECT_EQ(remove_stale_channels(folder.path()), 0u);
}

TEST(AthenaRouter, FolderThatCannotBeWrittenIsAnErrorThatNamesIt)
{
    auto const refused = Router::bind(unique_name(), "/proc");
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().text().find("/proc/zmq_"), std::string::npos) << refused.error().text();
    ScratchFolder const folder;
    EXPECT_FALSE(Router::bind(unique_name(), folder / "not_there"));
}

}  // namespace
}  // namespace yoda::athenamp
