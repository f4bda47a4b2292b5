// A Droid: the core state machine with its effects. One loop answers messages, payloads and the bundle
// writer; nothing in it waits for a disk: bundles are written, folders walked and removed by threads.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/codec.hpp"
#include "core/config.hpp"
#include "core/job.hpp"
#include "core/payload_config.hpp"
#include "droid/bundle_writer.hpp"
#include "droid/channel.hpp"
#include "droid/droid_core.hpp"
#include "droid/errands.hpp"
#include "droid/folder_meter.hpp"
#include "droid/input_stage.hpp"
#include "droid/memory_log.hpp"
#include "droid/node.hpp"
#include "droid/node_hooks.hpp"
#include "droid/watch.hpp"
#include "sys/clock.hpp"
#include "sys/log.hpp"
#include "sys/nap.hpp"
#include "sys/poller.hpp"
#include "sys/run_folder.hpp"
#include "sys/spawner.hpp"
#include "sys/transport.hpp"

namespace yoda {

class Droid final : private DroidEffects, private ChannelEvents {
  public:
    /// Tests: `before_errand` is called by the threads that walk and tidy folders, before each part of that.
    Droid(RunFolder folder, std::string host, Spawner& spawner, Transport& transport, Poller& poller,
          Clock const& clock, Log& log, std::function<void()> before_errand = {});
    ~Droid() override;

    /// Says hello to rank 0; what follows is in step().
    void begin();
    /// One round; returns whether there was anything to do.
    bool step();
    /// Waits a moment, after a round without anything to do.
    void rest() { nap_.rest(); }
    /// It has said goodbye, or cannot go on: then why() says so.
    bool over() const { return over_; }
    std::string const& why() const { return why_; }
    /// Rank 0 has said its last word to a Droid that was not done, and that MPI may be finalized.
    bool everybody_alive() const { return everybody_alive_; }

  private:
    // DroidEffects
    void send(Message const& message) override;
    void start_payload(JobIndex job, std::uint32_t worker_count) override;
    void add_workers(JobIndex job, std::uint32_t count) override;
    void answer(RequestId request, WorkItem const& item) override;
    void end(JobIndex job, RequestId request) override;
    void kill_range(JobIndex job, HandOut what, bool must_stop) override;
    void stop_payload(JobIndex job, bool at_once) override;
    void store(std::uint32_t sequence, RangeOutput const& output) override;
    void discard(RangeOutput const& output) override;
    void seal(JobIndex job, std::uint32_t sequence, std::vector<HandOut> const& rejected) override;
    void note(std::string_view event, JobIndex job, std::uint64_t count, std::string_view why) override;

    // ChannelEvents
    void payload_up(JobIndex job) override;
    void request(JobIndex job, RequestId request) override;
    bool request_ahead(JobIndex job, RequestId request) override;
    void request_gone(JobIndex job, RequestId request) override;
    void output(RangeOutput output) override;
    void failure(HandOut what, FailKind kind, std::uint16_t error_code, std::string_view reason) override;
    void worker_ended(JobIndex job) override;
    void do_aside(std::function<void()> errand) override;
    void folder_left(std::string const& folder) override;
    void payload_ended(JobIndex job, std::uint16_t error_code, std::string_view reason) override;
    void note(std::string_view event, JobIndex job, std::string_view why) override;
    void inform(std::string_view event, JobIndex job, std::string_view what) override;

    void take_frame(Rank from, std::string_view frame);
    void take_document(Document const& part);
    void be_stopped(Stop const& stop);
    void set_up();
    Status try_set_up();
    Status make_work_folder();
    void say_alive();
    void do_in_set_up(std::function<void()> errand);
    void give_up(std::string why);
    void keep_place(InputPlace const& place);
    void open_inputs();
    void begin_inputs();
    void release_jobs();
    WorkItem with_own_copy(WorkItem const& item) const;
    std::unique_ptr<PayloadChannel> make_channel(PayloadSetup setup);
    void take_news();
    void hurry_if_idle();
    void take_spawn_events();
    void tick();
    void watch();
    void send_frames();
    void write_memory();
    Status set_up_node();
    void end_all();

    RunFolder folder_;
    std::string host_;
    Spawner& spawner_;
    Transport& transport_;
    Poller& poller_;
    Clock const& clock_;
    Log& log_;

    // What rank 0 tells at the start.
    std::string documents_[3];
    bool document_done_[3] = {};
    Welcome welcome_;
    Life life_ = 0;
    Config config_;
    PayloadConfig payload_;
    std::vector<Job> jobs_;

    std::vector<Rank> ancestors_;  ///< whom to ask for inputs
    bool same_node_ = false;

    std::string work_folder_;
    std::unique_ptr<InputStage> inputs_;  ///< nullptr: they are used where they are
    std::vector<bool> waits_for_inputs_;  ///< by job
    bool inputs_told_ = false;
    std::optional<NodeHooks> hooks_;
    std::optional<DroidCore> core_;
    std::unique_ptr<BundleWriter> writer_;
    std::shared_ptr<FolderMeter> meter_;
    std::optional<Watch> watch_;
    std::optional<MemoryLog> memory_;
    std::vector<std::unique_ptr<PayloadChannel>> channels_;  ///< by job; made when first needed
    std::vector<PayloadSetup> setups_;

    FrameWriter frames_;
    FrameReader reader_;
    std::string frame_;
    TimePoint now_;
    TimePoint heard_;
    TimePoint last_step_;
    TimePoint next_tick_;
    TimePoint next_watch_;
    TimePoint next_full_watch_;
    TimePoint next_sign_;  ///< of life, in set-up
    std::function<void()> before_errand_;
    Errands set_up_errands_;
    Nap nap_;
    bool over_ = false;
    bool everybody_alive_ = false;
    std::string why_;
};

}  // namespace yoda
