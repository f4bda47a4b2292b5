// SPDX-License-Identifier: Apache-2.0
// The process between a Droid and its payloads (spawner.hpp): takes orders, starts, reaps, cleans up,
// reports. One thread, one loop, no logs; what goes wrong goes back as a report.
#pragma once

#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/base/time.hpp"
#include "sys/base/clock.hpp"
#include "sys/process/payload_forest.hpp"
#include "sys/process/spawn_wire.hpp"

namespace yoda {

class SpawnServer {
  public:
    /// How long a payload's strays may take to die before it is reported as ended all the same.
    static constexpr Duration stray_limit = Duration::from_ms(5000);
    /// How long after the end of file the server is gone at the latest.
    static constexpr Duration end_limit = Duration::from_ms(5000);

    /// Makes this freshly forked process a server on `socket` and never returns.
    [[noreturn]] static void run(int socket, pid_t client, std::string token);

  private:
    SpawnServer(FileDescriptor socket, FileDescriptor signals, pid_t client, std::string token);
    struct Payload {
        pid_t leader = 0;
        SpawnReport report;
        bool has_ended = false;
        TimePoint close_since;
        TimePoint last_kill;
    };

    [[noreturn]] void loop();
    int nap_ms() const;
    bool client_died();
    bool take_commands();
    void take_command(std::string_view packet, FileDescriptor extra, FileDescriptor text);
    /// A start that was asked for before the place was free.
    struct Waiting {
        SpawnCommand command;
        std::string text;
        FileDescriptor extra;
        bool is_whole = false;
    };
    using WaitingStarts = std::unordered_multimap<SpawnId, Waiting>;
    WaitingStarts::iterator find_waiting(SpawnId id);
    void cancel(SpawnId id);
    void start(SpawnCommand const& command, std::string_view text, FileDescriptor extra, bool is_whole);
    void reap();
    void gone(SpawnId id);
    void start_waiting(SpawnId ended);
    void close(SpawnId id);
    void tidy();
    bool finish(SpawnId id, Payload& payload);
    void report(SpawnReport const& report);
    void flush();
    [[noreturn]] void end();

    FileDescriptor socket_;
    FileDescriptor signals_;
    pid_t client_;
    PayloadForest forest_;
    SystemClock clock_;
    std::unordered_map<SpawnId, Payload> payloads_;
    std::unordered_map<pid_t, SpawnId> by_leader_;
    WaitingStarts waiting_;         ///< by the payload whose end they wait for
    std::vector<SpawnId> closing_;  ///< ended or being killed, and not reported yet
    std::string reports_;           ///< not sent yet
};

}  // namespace yoda
