// SPDX-License-Identifier: Apache-2.0
// Rank 0's process: the real dispatcher and journal format, the journal's thread, checkpoints, the inbox.
// In a world, this does what yoda/rank_zero.cpp does around the dispatcher.
#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "journal_thread.hpp"
#include "links.hpp"
#include "recovering.hpp"
#include "sim.hpp"
#include "yoda/dispatcher.hpp"
#include "yoda/held_words.hpp"

namespace yoda::sim {

/// A note as it lies in the inbox.
struct InboxNote {
    std::string name;
    std::size_t number = 0;  ///< in the plan
    std::string bundle;      ///< lose_bundle: which
};

/// Who a rank is, for rank 0 to send to.
struct Peer {
    Link* link = nullptr;
    ProcessId process = 0;
    std::uint64_t link_number = 0;
};

class Chief final : private DispatcherEffects {
  public:
    /// `from_links`: where frames come from, by link number. `inbox` and `outbox` are folders on the disk.
    Chief(Sim& sim, Ledger& ledger, ProcessId self, Recovered recovered, std::vector<Peer> peers,
          TimePoint end, std::vector<InboxNote> const& inbox, std::set<std::string>& outbox);

    bool begin();
    void on_event(Event const& event);
    /// A frame has come in; the loop will read it.
    void receive(Rank from, std::string const& frame);
    void freeze(TimePoint until) { frozen_until_ = std::max(frozen_until_, until); }
    bool is_frozen() const { return sim_.now < frozen_until_; }
    void on_exit(Rank rank);
    void drain(TimePoint deadline);

    bool over() const { return dispatcher_.over() || broken_; }
    bool broken() const { return broken_; }
    /// Over, and all of it is durable (or never will be).
    bool settled() const
    {
        return over() && (journal_.failed() || journal_.durable() == journal_.appended());
    }
    /// Its last words, when it is settled.
    void end() { commit(), send_frames(); }
    Dispatcher const& dispatcher() const { return dispatcher_; }
    Life life() const { return life_; }
    ProcessId self() const { return self_; }
    /// Compares the table with what a replay of checkpoint and journal would give.
    void check_replay() const;
    void check_queues() const;

  private:
    void send(Rank to, Message const& message) override;
    void send_grant(Rank to, RangeRun const& run, std::string_view text_id) override;
    void accept(Rank to, std::uint32_t sequence) override;
    void record(journal::Record const& record) override;
    void note(std::string_view event, Rank droid, std::uint64_t count, std::string_view why) override;

    void wake();
    void round();
    void listen_or_forgive();
    void take_frame(Rank from, std::string const& frame);
    void commit();
    void send_frames();
    void tick();
    void read_inbox();
    void apply(InboxNote const& note);
    void step_checkpoint();
    FrameWriter& frames_to(Rank rank);

    Sim& sim_;
    Ledger& ledger_;
    ProcessId self_;
    Life life_;
    std::vector<Peer> peers_;
    Dispatcher dispatcher_;
    JournalThread journal_;
    journal::Writer writer_;
    std::string journal_buffer_;
    HeldWords held_words_;
    std::vector<FrameWriter> frames_;
    std::vector<Rank> touched_;
    std::vector<bool> is_touched_;
    FrameReader reader_;
    struct Arrived {
        Rank from;
        std::string frame;
    };
    std::deque<Arrived> arrived_;
    std::vector<std::string> spare_;
    bool round_coming_ = false;
    TimePoint frozen_until_;

    std::vector<InboxNote> const& inbox_;
    std::set<std::string> applied_notes_;
    std::set<std::string>& outbox_;

    TimePoint last_step_;
    TimePoint next_checkpoint_;
    std::shared_ptr<CheckpointData> checkpoint_;  ///< being made
    std::set<std::size_t> checkpoint_feeds_;
    RangeIndex checkpoint_next_ = 0;
    TimePoint checkpoint_done_;
    std::uint64_t keep_segments_from_ = 0;
    bool rows_added_ = false;
    bool broken_ = false;
};

}  // namespace yoda::sim
