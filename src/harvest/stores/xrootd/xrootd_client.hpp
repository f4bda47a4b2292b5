// SPDX-License-Identifier: Apache-2.0
// What the root:// store needs of XRootD's client library. The library sits behind this interface in a
// plug-in of its own (yoda_xrootd.so beside the program), loaded when the first root:// URL is used: its
// static constructors ask the name service who this machine is, which would cost every other command seconds
// whenever an answer is late.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/base/result.hpp"

namespace yoda {

class XrootdClient {
  public:
    /// The library's own waits are minutes. Whole seconds, for the whole process; the first call counts.
    struct Patience {
        int connect_s = 20;
        int stall_s = 30;
    };
    struct Source {
        int fd = -1;
        std::uint64_t offset = 0;
        std::uint64_t bytes = 0;
    };
    /// What goes on beside a transfer; each may be empty.
    struct Flow {
        std::function<std::uint64_t(std::uint64_t wanted_bytes)> allow;  ///< 0: ask again a little later
        std::function<void(std::uint64_t bytes)> moved;
        std::atomic<bool> const* stop = nullptr;
    };
    struct Found {
        std::uint64_t bytes = 0;
        std::optional<std::string> adler32;  ///< as the server prints it; none: it computes no checksums
    };

    virtual ~XrootdClient() = default;
    virtual void set_patience(Patience patience) = 0;
    /// Writes a new file with its folders. What is cut leaves nothing there (persist on successful close).
    virtual Status put(std::string const& url, Source const& source, Flow const& flow) = 0;
    virtual Status get(std::string const& url, int sink_fd, std::atomic<bool> const* stop) = 0;
    /// nullopt: no such file. Makes the server read the whole file, for its checksum.
    virtual Result<std::optional<Found>> look(std::string const& endpoint, std::string const& path) = 0;
    virtual Status rename(std::string const& endpoint, std::string const& from, std::string const& to) = 0;
    /// An absent file is removed already.
    virtual Status remove(std::string const& endpoint, std::string const& path) = 0;
};

/// The plug-in's, loaded once and for the life of the process. Error (usage): it is not there, or the library
/// is not on this machine.
Result<XrootdClient*> load_xrootd_client();

}  // namespace yoda
