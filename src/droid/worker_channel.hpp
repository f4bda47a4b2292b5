// The worker protocol (docs/payloads.md): a parent that has initialised forks a worker for each socket we
// pass it; the workers speak AthenaMP's dialogue, one line a message.
//
// A worker that dies costs its range and is replaced without initialising again. When the whole payload dies
// its workers' deaths reach us first, in any order: a death is judged only after `judge_delay`.
#pragma once

#include <deque>
#include <map>
#include <optional>

#include "droid/channel.hpp"

namespace yoda {

class WorkerChannel final : public PayloadChannel {
  public:
    WorkerChannel(PayloadSetup setup, Spawner& spawner, Poller& poller, ChannelEvents& events);
    ~WorkerChannel() override;

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
        FileDescriptor socket;
        std::string folder;
        std::string unread;
        pid_t pid = 0;
        bool asked = false;
        bool killed = false;
        bool has_worked = false;  ///< has asked for a range at least once
        RequestId request = 0;
        std::optional<HandOut> range;
        std::string range_id;
        TimePoint heard;
        TimePoint end_by = TimePoint::never();  ///< it has the end word
        FolderSilence silence;                  ///< while it has no range
    };
    struct Death {
        TimePoint judged_at;
        HandOut what;
    };

    void read_control();
    void read_worker(std::uint32_t number);
    void on_line(std::uint32_t number, std::string_view line);
    void on_result(Worker& worker, std::string_view line);
    bool on_error_line(Worker& worker, std::string_view line);
    void fail_and_kill(Worker& worker, std::string reason);
    void lose_worker(std::uint32_t number);
    void lose_ended_workers();
    void end_late_workers();
    void watch_silence();
    void close_all();
    void finish_if_idle();
    bool say(Worker& worker, std::string_view text);

    PayloadSetup setup_;
    Spawner& spawner_;
    Poller& poller_;
    ChannelEvents& events_;
    std::optional<SpawnId> payload_;
    FileDescriptor control_;
    std::string start_folder_;
    unsigned start_count_ = 0;
    std::uint32_t wanted_workers_ = 0;
    bool up_ = false;
    bool stopping_ = false;
    bool said_end_ = false;
    std::string trouble_;  ///< why the payload as a whole is ended, if it is
    std::uint16_t trouble_code_ = 0;
    FolderSilence init_silence_;  ///< while it initialises
    std::uint64_t init_logs_ = 0;
    TimePoint next_silence_look_;
    unsigned stillborn_count_ = 0;
    std::uint32_t unmade_count_ = 0;  ///< workers for which there was no folder or socket
    std::map<std::uint32_t, Worker> workers_;
    std::uint32_t next_worker_ = 0;
    RequestId next_request_ = 0;
    std::map<RequestId, std::uint32_t> requests_;  ///< to worker
    std::deque<Death> deaths_;
    TimePoint now_;
    TimePoint look_at_;
    TimePoint kill_at_ = TimePoint::never();
};

}  // namespace yoda
