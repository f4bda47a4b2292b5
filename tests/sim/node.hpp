// SPDX-License-Identifier: Apache-2.0
// A Droid's process with all that belongs to it: the real Droid core, its bundle thread, its payloads. In a
// world, this does what droid/droid.cpp does around the core.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bundle_thread.hpp"
#include "droid/core/droid_core.hpp"
#include "links.hpp"
#include "payload.hpp"
#include "sim.hpp"

namespace yoda::sim {

class Node final : private DroidEffects, private BundleListener {
  public:
    Node(Sim& sim, Ledger& ledger, ProcessId self, Life life, Rank rank, Link& to_yoda, Link& from_yoda,
         ProcessId yoda);

    /// Its first words.
    void begin();
    void on_event(Event const& event);
    /// Nothing happens in it until then.
    void freeze(TimePoint until) { frozen_until_ = std::max(frozen_until_, until); }
    void freeze_disk(TimePoint until) { bundles_.freeze(until); }
    bool is_frozen() const { return sim_.now < frozen_until_; }
    TimePoint frozen_until() const { return frozen_until_; }
    /// It is gone without a word.
    void die();

    bool is_over() const { return over_; }
    bool has_begun() const { return core_ != nullptr; }
    Rank rank() const { return rank_; }
    Life life() const { return life_; }
    DroidCore const& core() const { return *core_; }
    /// Workers that could work and have nothing to do, since when; never() if there is none.
    bool is_idle() const { return !over_ && core_->running_count() == 0 && core_->queued_count() == 0; }

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

    // BundleListener
    void stored(JobIndex job, std::uint32_t sequence, std::vector<DroidCore::Stored> const& entries) override;
    void output_bad(HandOut what) override;
    void sealed(JobIndex job, std::uint32_t sequence, std::uint64_t bytes,
                std::uint32_t entry_count) override;
    void bundle_failed(JobIndex job, std::uint32_t sequence, std::string const& why) override;

    Payload& payload(JobIndex job) { return *payloads_[job]; }
    void wake();
    void round();
    void tick();
    void hurry_if_idle();
    void send_frames();
    void check_queues() const;

    Sim& sim_;
    Ledger& ledger_;
    ProcessId self_;
    Life life_;
    Rank rank_;
    Link& to_yoda_;
    Link& from_yoda_;
    ProcessId yoda_;
    std::string host_;
    std::unique_ptr<DroidCore> core_;
    BundleThread bundles_;
    std::vector<std::unique_ptr<Payload>> payloads_;
    FrameWriter frames_;
    FrameReader reader_;
    std::string frame_;
    std::uint32_t arrived_ = 0;  ///< frames to be read
    bool round_coming_ = false;
    TimePoint heard_;
    TimePoint frozen_until_;
    bool over_ = false;
};

}  // namespace yoda::sim
