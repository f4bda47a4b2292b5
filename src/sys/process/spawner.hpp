// SPDX-License-Identifier: Apache-2.0
// Starts, signals, kills and reaps payloads by way of a small server process.
//
// The server is forked before MPI_Init and before any thread exists, so payloads inherit nothing of MPI: no
// open files, no mask, no shared memory. It sits in a session of its own and blocks every signal that can be
// blocked: a launcher or batch system that signals our group does not end it before it has cleaned up.
//
// What holds, whoever dies:
//  - A payload ends: PayloadExited is reported when no process of that payload is left.
//    Its strays in other process groups or sessions are found and killed first (payload_forest.hpp).
//    No process of another payload is touched.
//  - This process dies, also by SIGKILL: the server sees the end of file and kills every payload's tree.
//    Then the server ends.
//    All this takes `SpawnServer::end_limit` at most.
//  - The server dies, also by SIGKILL: the kernel kills each payload's first process (PR_SET_PDEATHSIG).
//    poll() then kills what is left of the payloads' trees.
//    From then on poll() returns an Error.
//
// No call blocks, except start() and stop(). Cost of a payload in the common case: one clone(CLONE_VFORK) and
// about ten system calls; /proc is searched only if a payload left something behind.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "sys/base/files.hpp"

namespace yoda {

using SpawnId = std::uint64_t;

/// How to start one payload. No shell: `arguments` reach the program as they are.
struct SpawnRequest {
    std::vector<std::string> arguments;    ///< [0] without '/' is looked up in PATH of `environment`
    std::vector<std::string> environment;  ///< "NAME=value", all of it; YODA_SPAWN_ID is added
    std::string folder;                    ///< working directory; empty: the server's
    /// Appended to, made with mode 0640, never through a link; the same path for both
    /// is fine. Empty: /dev/null.
    std::string stdout_path;
    std::string stderr_path;
    FileDescriptor extra_fd;      ///< one more open file for the payload (a control socket); ours is closed
    int extra_fd_number = 3;      ///< what it is called in the payload; the payload has 0, 1, 2 and this one
    std::vector<unsigned> cores;  ///< may run on these only; empty: as inherited
    std::optional<std::uint64_t> address_space_limit_bytes;  ///< RLIMIT_AS
    std::optional<std::uint64_t> file_size_limit_bytes;      ///< RLIMIT_FSIZE
    int niceness = 0;                                        ///< added to ours
    /// Started when nothing is left of that payload, without a word of ours in
    /// between; 0, or one that has ended: at once.
    SpawnId after = 0;
};

struct PayloadStarted {
    SpawnId id = 0;
    pid_t pid = 0;  ///< also its process group and session
};

struct PayloadStartFailed {
    SpawnId id = 0;
    int errno_value = 0;
    Error error;
};

struct PayloadExited {
    SpawnId id = 0;
    pid_t pid = 0;
    int exit_code = 0;         ///< meaningful if signal is 0
    int signal = 0;            ///< what killed it
    std::int64_t user_us = 0;  ///< CPU, with the children that it waited for
    std::int64_t system_us = 0;
    /// Largest resident set of one process; never below the server's own (a few MB).
    std::uint64_t max_memory_bytes = 0;
    std::uint32_t stray_count = 0;  ///< processes besides its first that had to be killed
    /// How many of these were still there after `SpawnServer::stray_limit` (they are stuck in the kernel).
    std::uint32_t left_count = 0;
};

using SpawnEvent = std::variant<PayloadStarted, PayloadStartFailed, PayloadExited>;

class Spawner {
  public:
    /// Forks the server. Call it while this process has one thread and holds little memory.
    static Result<Spawner> start();
    Spawner(Spawner&&) noexcept = default;
    Spawner& operator=(Spawner&&) = delete;
    /// stop() with a limit of 10 s.
    ~Spawner();

    /// To be polled for reading (and for writing if wants_write()).
    int fd() const { return socket_.get(); }
    bool wants_write() const { return !unsent_.empty(); }
    pid_t server_pid() const { return server_; }

    /// A number never used before; PayloadStarted or PayloadStartFailed follows as an event, and
    /// PayloadExited after a start. Error: the request makes no sense, or the server is dead.
    Result<SpawnId> spawn(SpawnRequest request);
    /// Sends a signal to the payload's process group. A payload that has ended is none's: nothing happens.
    void signal(SpawnId id, int signal_number);
    /// SIGKILL to everything that descends from the payload, also in other groups and sessions. One that
    /// waits for another's end is never started, and exits as if it had been killed.
    void kill_tree(SpawnId id);
    /// SIGKILL to one process of the payload and what descends from it; does nothing if
    /// `pid` is not the payload's.
    void kill_member(SpawnId id, pid_t pid);

    /// Sends and receives what can be without waiting. Error (again and again): the
    /// server is dead, and with it all payloads.
    Status poll();
    /// The oldest event not yet taken.
    std::optional<SpawnEvent> take_event();

    /// Kills all payloads, ends the server, waits for it at most `limit`. Error: it had to be killed itself.
    Status stop(Duration limit);

  private:
    Spawner(FileDescriptor socket, pid_t server, std::string token);
    struct Packet {
        std::string bytes;
        FileDescriptor fds[2];
    };
    struct Payload {
        std::string program;
        pid_t pid = 0;
    };
    void send(Packet packet);
    void send_command(SpawnId id, unsigned char kind, int argument);
    void flush();
    void receive();
    void take_reports(std::string_view bytes);
    void lose_server(std::string_view why);
    void kill_rest();
    bool wait_for_end(Duration limit);

    FileDescriptor socket_;
    pid_t server_ = 0;
    std::string token_;
    SpawnId last_id_ = 0;
    std::deque<Packet> unsent_;
    std::deque<SpawnEvent> events_;
    std::unordered_map<SpawnId, Payload> payloads_;  ///< those that have not ended
    std::optional<Error> broken_;
};

}  // namespace yoda
