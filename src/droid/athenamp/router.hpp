// SPDX-License-Identifier: Apache-2.0
// The Droid's end of a yampl channel of context "local": a ZeroMQ ROUTER bound on ipc:///tmp/zmq_<name>
// (docs/reference/athenamp.md §1). One message is one frame; a peer is known by its routing id, which is new
// with each connection.
//
// The socket file is ours alone (mode 0700 before anybody can connect) and is removed with the object. A name
// that has an owner is an error here; libzmq would let the second owner steal it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace yoda::athenamp {

/// What makes a name unique on a node, for all jobs, ranks and starts.
struct ChannelId {
    std::string_view purpose = "EventRanges";
    std::int64_t panda_id = 0;
    unsigned rank = 0;
    int pid = 0;
    unsigned start = 0;
};
/// `EventService_<purpose>_<PandaID>_r<rank>_<pid>_<start>`: at most 98 bytes of [A-Za-z0-9_].
std::string make_channel_name(ChannelId const& id);

/// Longer names do not fit a Unix socket's address.
constexpr std::size_t max_channel_name = 98;

class Router {
  public:
    /// Errors: name too long or with other characters than [A-Za-z0-9_.-]; the folder cannot be written; the
    /// file is somebody else's, or a living server's.
    static Result<Router> bind(std::string const& name, std::string const& folder = "/tmp");
    Router(Router&&) noexcept;
    Router& operator=(Router&&) noexcept;
    ~Router();

    std::string const& name() const;
    /// Becomes readable at a *change* only: after it, and after each send(), ask receive() until it says
    /// false, or look at readable().
    int fd() const;
    bool readable() const;
    bool receive(std::string& peer, std::string& body);
    enum class Sent { yes, peer_gone, full };
    Sent send(std::string_view peer, std::string_view body);
    /// Every peer that ever connected has closed its connection, and all that it said can be received.
    bool all_gone();

  private:
    struct Socket;
    explicit Router(std::unique_ptr<Socket> socket);
    std::unique_ptr<Socket> socket_;
};

/// Removes socket files that dead Droids of this user left in `folder`: ours by name and owner, and nobody
/// listens. Returns how many.
unsigned remove_stale_channels(std::string const& folder = "/tmp");

}  // namespace yoda::athenamp
