// SPDX-License-Identifier: Apache-2.0
// AthenaMP (and AthenaMT) as a payload, unmodified: one process tree, which asks for ranges over a yampl
// channel (docs/athenamp.md).
//
//   off -start-> starting -first request-> up -end word-> ending -exit, all heard-> off
//                                          up -fatal error-> stopping -exit-> off
//
// One connection speaks for all workers, and holds back every output while its request is unanswered. So a
// request soon gets either a range or the end word. The payload does not tell which worker has which range;
// limits need this, so it is found by the range's file in the worker's folder.
#pragma once

#include <deque>
#include <map>
#include <optional>

#include "droid/athenamp/dialogue.hpp"
#include "droid/athenamp/launch.hpp"
#include "droid/athenamp/prefetcher.hpp"
#include "droid/athenamp/process_account.hpp"
#include "droid/athenamp/router.hpp"
#include "droid/athenamp/stage_in.hpp"
#include "droid/channel/channel.hpp"

namespace yoda::athenamp {

class Channel final : public PayloadChannel {
  public:
    Channel(PayloadSetup setup, Spawner& spawner, Poller& poller, ChannelEvents& events);
    ~Channel() override;

    void start(TimePoint now, std::uint32_t worker_count) override;
    void add_workers(TimePoint, std::uint32_t) override {}  // Their number is fixed when it starts.
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
    struct Flight {
        HandOut what;
        TimePoint begun;
        bool wanted = true;  ///< false: revoked; what comes of it is thrown away
    };
    struct Refused {
        HandOut what;
        FailKind kind;
        std::uint16_t error_code;
        std::string peer;
        std::string reason;
        bool asks_again;  ///< the peer still waits for an answer
    };
    /// A range that waits for its file; its peer waits with it.
    using Held = PrefetchOrder;
    using Flights = std::multimap<std::string, Flight, std::less<>>;

    Status open_stage();
    bool stage_first_inputs();
    void start_when_staged();
    Status open_router();
    Status try_start();
    Status start_companions(Launch const& launch);
    Result<SpawnId> spawn_companion(Words arguments, std::vector<std::string> environment, std::string folder,
                                    std::string_view log_name);
    bool on_companion_event(SpawnEvent const& event);
    std::vector<std::string_view> running_companions() const;
    void end_companions();
    void start_prefetcher(Router router);
    void remove_own(std::string const& path) const;
    void drop_prefetched(std::string_view range_id);
    void give(std::string const& peer, WorkItem item);
    void hand_over(std::string const& peer, WorkItem const& item);
    bool fetch_file(std::string const& peer, WorkItem& item);
    void give_held();
    void give_unsent();
    std::optional<Held> take_waiting(HandOut what);
    std::vector<Held> take_all_waiting();
    void refuse(std::string const& peer, HandOut what, FailKind kind, std::uint16_t error_code,
                std::string reason, bool asks_again);
    Status list_place(WorkItem const& item);
    InputFile input_of(WorkItem const& item) const;
    void read();
    void hear(std::string const& peer, std::string_view body);
    void hear_request(std::string const& peer);
    void hear_result(ResultLine&& result);
    void discard(ResultLine&& result);
    void hear_failure(Failure const& failure);
    void send_end_word(std::string const& peer);
    void look_again();
    void wake();
    void settle_refused();
    Flights::iterator find_flight(std::string_view id);
    void give_back_flights(std::string_view reason);
    void stop_for(std::uint16_t error_code, std::string reason, Duration grace);
    void kill_payload();
    void finish_if_all_heard();
    void end_payload(PayloadExited const& exited);
    void list_workers(std::vector<BusyWorker>& busy) const;
    void list_threads(std::vector<BusyWorker>& busy) const;
    void watch_silence();
    Duration finish_limit() const;
    void close_channel();

    PayloadSetup setup_;
    Spawner& spawner_;
    Poller& poller_;
    ChannelEvents& events_;

    FileDescriptor wake_;
    bool reading_ = false;
    std::string peer_;  ///< of the message being read
    std::string body_;
    std::optional<Router> router_;
    std::optional<SpawnId> payload_;
    pid_t pid_ = 0;
    std::string start_folder_;
    bool positions_in_file_ = true;
    bool multithreaded_ = false;
    ProcessAccount account_;
    unsigned start_count_ = 0;
    std::uint32_t worker_count_ = 0;

    std::map<RequestId, std::string> requests_;  ///< to peer
    RequestId next_request_ = 0;
    Flights flights_;  ///< by range id
    std::deque<Refused> refused_;
    std::vector<Held> held_;
    std::vector<Held> unsent_;              ///< the peer's queue was full
    std::vector<std::string> unsent_ends_;  ///< peers that have not had the end word for the same reason
    std::unique_ptr<StageIn> stage_;
    std::optional<SpawnId> extractor_;
    std::optional<SpawnId> prefetching_;
    std::unique_ptr<Prefetcher> prefetcher_;
    std::map<std::string, std::string, std::less<>> prefetched_;  ///< local file, by range id
    bool waits_for_files_ = false;                                ///< it starts when its first input is here
    std::vector<InputFile> places_;                               ///< what its catalogues say
    unsigned catalogue_count_ = 0;

    bool up_ = false;
    bool stopping_ = false;
    bool ended_ = false;          ///< the end word has been said
    bool killed_late_ = false;    ///< it did not end in time after the end word
    bool blame_flights_ = false;  ///< what was in flight may be the cause of the trouble
    std::uint16_t trouble_code_ = 0;
    std::string trouble_;
    std::optional<PayloadExited> exited_;
    TimePoint heard_all_by_ = TimePoint::never();
    TimePoint kill_at_ = TimePoint::never();
    Duration longest_{0};
    TimePoint now_;
    FolderSilence silence_;
    TimePoint next_look_;
    TimePoint next_account_;
};

}  // namespace yoda::athenamp
