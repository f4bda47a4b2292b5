// SPDX-License-Identifier: Apache-2.0
// The command channel: one process per range, its arguments made from the range, no shell. Each worker is a
// place for one process; it asks for the next range when the last one's process and all that it left behind
// are gone. Where processes are short, the next one is ordered while the last one runs (the spawner starts it
// when the place is free), so that a core does not wait for three processes to talk to each other.
#pragma once

#include <map>
#include <optional>
#include <unordered_map>

#include "droid/channel/channel.hpp"

namespace yoda {

class CommandChannel final : public PayloadChannel {
  public:
    CommandChannel(PayloadSetup setup, Spawner& spawner, ChannelEvents& events);

    void start(TimePoint now, std::uint32_t worker_count) override;
    void add_workers(TimePoint now, std::uint32_t count) override;
    void answer(TimePoint now, RequestId request, WorkItem const& item) override;
    void end(RequestId request) override;
    void kill_range(HandOut what, bool must_stop) override;
    void stop(TimePoint now, bool at_once) override;
    void fail(TimePoint now, std::uint16_t error_code, std::string reason) override;
    bool on_spawn_event(TimePoint now, SpawnEvent const& event) override;
    void on_tick(TimePoint now) override;
    void list_busy(std::vector<BusyWorker>& busy) const override;
    std::vector<std::string> log_paths() const override;

  private:
    struct Worker {
        std::uint32_t number = 0;
        std::string folder;
        SpawnId running = 0;
        SpawnId waiting = 0;              ///< ordered, starts when `running` is gone
        Duration last = Duration::max();  ///< how long its last process took
    };
    struct Process {
        std::uint32_t worker = 0;
        std::optional<HandOut> range;  ///< none: its exit is of no interest
        std::string range_id;
        std::vector<std::string> outputs;  ///< one for each output.NAME, or the only one
        pid_t pid = 0;
        TimePoint begun;
    };
    void ask(std::uint32_t number);
    void ask_ahead(Worker const& worker);
    static std::string own_folder(Worker const& worker);
    Result<SpawnRequest> make_request(Worker const& worker, WorkItem const& item,
                                      std::vector<std::string> const& outputs) const;
    void take_back_waiting(Worker const& worker);
    void end_worker(std::uint32_t number);
    void finish_if_idle();
    void on_start_failed(Error const& error);
    void on_exit(Process const& process, PayloadExited const& exited);

    PayloadSetup setup_;
    Spawner& spawner_;
    ChannelEvents& events_;
    std::map<std::uint32_t, Worker> workers_;
    std::unordered_map<RequestId, std::uint32_t> requests_;  ///< to worker
    std::unordered_map<SpawnId, Process> processes_;
    std::uint32_t next_worker_ = 0;
    RequestId next_request_ = 0;
    bool running_ = false;
    bool stopping_ = false;
    std::uint16_t trouble_code_ = 0;  ///< why it is ended as a whole, if it is
    std::string trouble_;
    TimePoint now_;
};

}  // namespace yoda
