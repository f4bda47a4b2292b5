// SPDX-License-Identifier: Apache-2.0
// Rank 0's loop: passes messages to the dispatcher and its effects to journal and Droids, reads the
// inbox, and writes checkpoints and status.json. The loop never waits for the disk of journal or
// checkpoint: both have threads behind bounded queues.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/config/config.hpp"
#include "core/job/inbox_note.hpp"
#include "core/job/job.hpp"
#include "core/journal/recovery.hpp"
#include "core/messages/codec.hpp"
#include "core/messages/input_tree.hpp"
#include "sys/base/clock.hpp"
#include "sys/base/log.hpp"
#include "sys/base/poller.hpp"
#include "sys/base/run_folder.hpp"
#include "sys/journal/file.hpp"
#include "sys/run/event_file_checkpoint.hpp"
#include "sys/transport/nap.hpp"
#include "sys/transport/transport.hpp"
#include "yoda/dispatcher.hpp"
#include "yoda/held_words.hpp"
#include "yoda/status_report.hpp"

namespace yoda {

/// All that rank 0 is made of; composed in src/app.
struct RankZeroParts {
    RunFolder folder{""};
    EventFileInfo info;
    Config config;
    std::vector<Job> jobs;
    std::vector<std::string> documents;   ///< by DocumentKind: what every Droid needs
    std::set<std::string> applied_notes;  ///< inbox notes applied in earlier lives
    std::uint64_t next_sequence = 1;      ///< of the journal
    StatusFacts facts;
    FailureReasons failures;         ///< of earlier lives
    RangeIndex event_file_rows = 0;  ///< ranges that events.h5 has
    bool checkpoint_soon = false;    ///< recovery asks for one
};

class RankZero final : private DispatcherEffects {
  public:
    RankZero(RankZeroParts parts, Dispatcher dispatcher, JournalFile& journal, Transport& transport,
             Poller& poller, Clock const& clock, Log& log);

    /// Writes what recovery found, and that a life has begun.
    void begin(RecoveryRecords const& found);
    /// One round; returns whether there was anything to do.
    bool step();
    /// Waits a moment, after a round without anything to do.
    void rest() { nap_.rest(); }
    /// Of the last round.
    TimePoint now() const { return now_; }
    bool over() const;
    /// Writes the last record; waits until all is durable, at most `limit`, and sends what waited for it;
    /// then ends checkpoints.
    void end(Duration limit);
    /// Of the journal, so far.
    std::uint64_t last_sequence() const { return writer_.next_sequence() - 1; }
    void drain(TimePoint deadline, std::string_view why);

    int exit_code() const;
    std::string why() const;
    Dispatcher const& dispatcher() const { return dispatcher_; }
    bool anybody_lost() const;
    /// The table has rows that events.h5 lacks.
    bool rows_were_added() const { return dispatcher_.table().size() > event_file_rows_; }
    nlohmann::ordered_json status(std::size_t max_failures = 100) const;
    void write_status(bool final_word);

  private:
    void send(Rank to, Message const& message) override;
    void send_grant(Rank to, RangeRun const& run, std::string_view text_id) override;
    void accept(Rank to, std::uint32_t sequence) override;
    void record(journal::Record const& record) override;
    void note(std::string_view event, Rank droid, std::uint64_t count, std::string_view why) override;

    void take_frame(Rank from, std::string_view frame);
    void greet(Rank from, Hello const& hello);
    void welcome(Rank rank);
    void welcome_all_that_wait();
    void add_staged(Rank from, InputsStaged const& staged);
    void commit();
    void send_frames();
    void tick();
    void read_inbox();
    void apply_note(std::string const& name);
    Status apply(inbox::Note const& note);
    void step_checkpoint();
    FrameWriter& frames_to(Rank rank);

    RankZeroParts parts_;
    Dispatcher dispatcher_;
    JournalFile& journal_;
    Transport& transport_;
    Poller& poller_;
    Clock const& clock_;
    Log& log_;
    journal::Writer writer_;
    std::string journal_buffer_;
    HeldWords held_words_;             ///< acceptances and answers whose records are not durable yet
    std::vector<FrameWriter> frames_;  ///< by rank
    std::vector<Rank> touched_;        ///< ranks with something in frames_
    std::vector<bool> is_touched_;
    FrameReader reader_;
    std::string frame_;
    TimePoint now_;
    Nap nap_;

    // Droids that have said their first hello and wait to hear how many share their node.
    std::map<std::string, std::vector<Rank>> by_host_;
    std::vector<bool> greeted_;
    std::vector<Rank> to_welcome_;
    std::uint32_t greeted_count_ = 0;
    InputTree input_tree_;
    TimePoint welcome_at_ = TimePoint::never();

    CheckpointWriter checkpoint_;
    TimePoint next_checkpoint_;
    std::uint64_t journal_bytes_ = 0;  ///< since the last checkpoint
    std::uint64_t keep_segments_from_ = 0;
    RangeIndex event_file_rows_ = 0;
    RangeIndex checkpoint_rows_ = 0;  ///< of the checkpoint that is under way
    TimePoint first_hello_ = TimePoint::never();
    TimePoint last_step_;
    TimePoint last_end_ = TimePoint::never();  ///< when the last range ended
    TimePoint next_tick_;
    TimePoint next_status_;
    TimePoint next_inbox_;
    std::optional<Error> broken_;
};

}  // namespace yoda
