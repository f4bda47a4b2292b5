// SPDX-License-Identifier: Apache-2.0
#include "chief.hpp"

#include "bundle_names.hpp"
#include "ledger.hpp"
#include "ranges.hpp"

namespace yoda::sim {

namespace {

constexpr unsigned frames_a_round = 256;
constexpr Duration longest_step = Duration::from_s(1);
constexpr RangeIndex checkpoint_chunk = 1000;

DispatchPolicy make_policy(Plan const& plan, TimePoint begin, TimePoint end, bool closed)
{
    DispatchPolicy policy;
    policy.batch = plan.batch;
    policy.window = plan.window;
    policy.ask_interval = plan.ask_interval;
    policy.silence = plan.silence;
    policy.begin = begin;
    policy.end = end;
    policy.walltime = plan.walltime;
    policy.second_copies = plan.second_copies;
    policy.closed = closed;
    return policy;
}

}  // namespace

Chief::Chief(Sim& sim, Ledger& ledger, ProcessId self, Recovered recovered, std::vector<Peer> peers,
             TimePoint end, std::vector<InboxNote> const& inbox, std::set<std::string>& outbox)
    : sim_(sim),
      ledger_(ledger),
      self_(self),
      life_(recovered.life),
      peers_(std::move(peers)),
      dispatcher_(std::move(recovered.table), panda_ids(sim.plan), static_cast<std::uint32_t>(peers_.size()),
                  make_policy(sim.plan, sim.now, end, recovered.closed || !sim.plan.open)),
      journal_(sim, self, recovered.life),
      writer_(recovered.life, recovered.next_sequence),
      journal_buffer_(std::move(recovered.records)),
      frames_(peers_.size()),
      is_touched_(peers_.size()),
      inbox_(inbox),
      applied_notes_(std::move(recovered.applied_notes)),
      outbox_(outbox),
      last_step_(sim.now),
      next_checkpoint_(sim.now + sim.plan.checkpoint_interval),
      rows_added_(recovered.rows_added)
{
    for (auto& frames : frames_) frames.set_header({life_, 0});
}

bool Chief::begin()
{
    if (!journal_.open()) return false;
    record(journal::LifeStarted{0, "node0", "batch"});
    for (auto const& name : applied_notes_) {
        if (!outbox_.contains(name)) held_words_.answer(name);
    }
    read_inbox();  // Before anybody has spoken: what has come since the last life may undo that all is done.
    commit();
    sim_.at(sim_.now + sim_.plan.tick * sim_.machine.unit(), self_, EventKind::tick);
    return true;
}

void Chief::on_event(Event const& event)
{
    if (is_frozen()) {
        auto const late = event.kind == EventKind::tick ? Duration::from_ms(1) : Duration{};
        sim_.at(frozen_until_ + late, self_, event.kind, event.data, event.detail);
        return;
    }
    if (event.kind == EventKind::round) round();
    if (event.kind == EventKind::tick) tick();
    if (event.kind == EventKind::journal && journal_.step()) wake();
}

void Chief::receive(Rank from, std::string const& frame)
{
    if (spare_.empty()) {
        arrived_.push_back({from, frame});
    } else {
        arrived_.push_back({from, std::move(spare_.back())});
        spare_.pop_back();
        arrived_.back().frame = frame;
    }
    wake();
}

void Chief::on_exit(Rank rank)
{
    dispatcher_.on_exit(sim_.now, rank, *this);
    wake();
}

void Chief::drain(TimePoint deadline)
{
    dispatcher_.on_drain(sim_.now, std::min(dispatcher_.policy().end, deadline), "a signal", *this);
    wake();
}

void Chief::wake()
{
    if (round_coming_) return;
    round_coming_ = true;
    sim_.at(sim_.now + sim_.loop_time(), self_, EventKind::round);
}

void Chief::round()
{
    round_coming_ = false;
    listen_or_forgive();
    if (!journal_.full() && !broken_) {
        bool busy = false;
        for (unsigned i = 0; i < frames_a_round && !arrived_.empty(); ++i) {
            busy = true;
            take_frame(arrived_.front().from, arrived_.front().frame);
            spare_.push_back(std::move(arrived_.front().frame));
            arrived_.pop_front();
        }
        if (busy) dispatcher_.on_batch_end(sim_.now, *this);
    }
    commit();
    step_checkpoint();
    send_frames();
    if (!arrived_.empty() && !broken_) wake();
}

/// As RankZero::step(): what it could not hear does not count as silence of the Droids.
void Chief::listen_or_forgive()
{
    bool const listens = !journal_.full() && !broken_;
    if (!listens || sim_.now - last_step_ > longest_step + sim_.plan.tick) dispatcher_.on_deaf(sim_.now);
    last_step_ = sim_.now;
}

void Chief::take_frame(Rank from, std::string const& frame)
{
    if (auto const opened = reader_.open(frame); !opened) throw Violation{"codec", opened.error().text()};
    while (auto const message = reader_.next()) {
        if (auto const* finished = std::get_if<Finished>(&*message);
            finished && reader_.header().life == life_)
            ledger_.on_finished_received(from, *finished);
        dispatcher_.on_message(sim_.now, from, reader_.header(), *message, *this);
    }
    if (!reader_.error()) throw Violation{"codec", reader_.error().error().text()};
}

void Chief::tick()
{
    sim_.at(sim_.now + sim_.plan.tick, self_, EventKind::tick);
    if (!arrived_.empty())
        round();
    else
        listen_or_forgive();
    dispatcher_.on_tick(sim_.now, *this);
    read_inbox();
    commit();
    step_checkpoint();
    send_frames();
}

/// Commits what has been recorded, and lets go what has become durable.
void Chief::commit()
{
    if (!journal_buffer_.empty()) {
        ledger_.on_appended(journal_.append(journal_buffer_));
        journal_buffer_.clear();
    }
    held_words_.place(journal_.appended());
    auto const durable = journal_.durable();
    ledger_.on_journal_synced(durable);
    auto const& released = held_words_.release(durable);
    for (auto const& [to, sequence] : released.acceptances) {
        ledger_.on_accepted_sent(to, sequence);
        send(to, Accepted{sequence});
    }
    outbox_.insert(released.answers.begin(), released.answers.end());
    if (journal_.failed() && !broken_) {
        broken_ = true;
        sim_.tell("the journal has failed");
        dispatcher_.on_drain(sim_.now, sim_.now, "the journal cannot be written", *this);
        for (Rank rank = 1; rank < peers_.size(); ++rank) send(rank, Stop{});
        send_frames();
    }
}

// ---- Effects

FrameWriter& Chief::frames_to(Rank rank)
{
    if (!is_touched_[rank]) {
        is_touched_[rank] = true;
        touched_.push_back(rank);
    }
    return frames_[rank];
}

void Chief::send(Rank to, Message const& message)
{
    frames_to(to).put(message);
}

void Chief::send_grant(Rank to, RangeRun const& run, std::string_view text_id)
{
    frames_to(to).put_grant(run, text_id);
}

void Chief::accept(Rank to, std::uint32_t sequence)
{
    held_words_.accept(to, sequence);
}

void Chief::record(journal::Record const& record)
{
    writer_.append(record, journal_buffer_);
    ledger_.on_record(record, dispatcher_.table());
}

void Chief::note(std::string_view event, Rank droid, std::uint64_t count, std::string_view why)
{
    sim_.tell("yoda.{} {} droid {} count {} {}", life_, event, droid, count, why);
}

void Chief::send_frames()
{
    for (Rank const rank : touched_) {
        auto& frames = frames_[rank];
        auto const& peer = peers_[rank];
        for (std::size_t i = 0; i < frames.count(); ++i)
            peer.link->send(sim_, peer.process, peer.link_number, frames.frame(i));
        frames.clear();
        is_touched_[rank] = false;
    }
    touched_.clear();
}

// ---- Inbox

void Chief::read_inbox()
{
    for (auto const& note : inbox_) {
        // The outbox remembers what a checkpoint has made the journal forget.
        if (applied_notes_.contains(note.name) || outbox_.contains(note.name)) continue;
        apply(note);
        applied_notes_.insert(note.name);
        record(journal::InboxApplied{note.name});
        held_words_.answer(note.name);
    }
}

void Chief::apply(InboxNote const& note)
{
    auto const& planned = sim_.plan.notes[note.number];
    sim_.tell("yoda.{} applies {}", life_, note.name);
    switch (planned.kind) {
        case NoteKind::closed:
            dispatcher_.on_closed(sim_.now, *this);
            return;
        case NoteKind::kill_job:
            dispatcher_.on_job_killed(sim_.now, planned.job, *this);
            return;
        case NoteKind::lose_bundle:
            for (auto const& bundle : dispatcher_.table().bundles()) {
                if (bundle_name(bundle.origin) != note.bundle) continue;
                BundleOrigin const origin = bundle.origin;
                dispatcher_.on_bundle_lost(sim_.now, origin, *this);
                return;
            }
            return;
        case NoteKind::more_ranges: {
            auto const ranges = make_feed(sim_.plan, note.number);
            std::vector<std::string> const pfns(ranges.size(), input_pfn(planned.job, 0));
            if (auto const status = dispatcher_.on_more_ranges(sim_.now, planned.job, ranges, pfns, *this);
                !status)
                throw Violation{"feed", status.error().text()};
            rows_added_ = true;
            return;
        }
    }
}

// ---- Checkpoint

/// Rows are copied while the table changes, some a round; the file is durable some time after the last.
void Chief::step_checkpoint()
{
    auto const& table = dispatcher_.table();
    if (!checkpoint_) {
        if (sim_.now < next_checkpoint_ || over()) return;
        commit();
        keep_segments_from_ = journal_.rotate();
        next_checkpoint_ = sim_.now + sim_.plan.checkpoint_interval;
        if (keep_segments_from_ == 0) return;
        checkpoint_ = std::make_shared<CheckpointData>();
        checkpoint_->journal_sequence = writer_.next_sequence() - 1;
        checkpoint_->life = life_;
        checkpoint_->progress.resize(table.size());
        checkpoint_->winners.resize(table.size());
        auto const feeds = find_feeds(table);
        checkpoint_feeds_ = {feeds.begin(), feeds.end()};
        checkpoint_next_ = 0;
        checkpoint_done_ = TimePoint::never();
        return;
    }
    auto const rows = static_cast<RangeIndex>(checkpoint_->progress.size());
    if (checkpoint_done_ == TimePoint::never()) {
        auto const until = std::min(rows, checkpoint_next_ + checkpoint_chunk);
        for (; checkpoint_next_ < until; ++checkpoint_next_) {
            checkpoint_->progress[checkpoint_next_] = table.progress(checkpoint_next_);
            checkpoint_->winners[checkpoint_next_] = table.row(checkpoint_next_).winner;
        }
        if (checkpoint_next_ < rows) return;
        checkpoint_->bundles = table.bundles();
        checkpoint_done_ = sim_.now + sim_.sync_time();
        return;
    }
    if (sim_.now < checkpoint_done_) return;
    sim_.tell("yoda.{} checkpoint up to record {}", life_, checkpoint_->journal_sequence);
    if (rows_added_) {
        // events.h5 first, which then has rows that state.h5 lacks: that is allowed,
        // the other way round is not.
        auto feeds = find_feeds(table);
        std::erase_if(feeds, [&](std::size_t feed) { return !checkpoint_feeds_.contains(feed); });
        sim_.disk.feeds = feeds;
        rows_added_ = find_feeds(table).size() > feeds.size();
    }
    sim_.disk.checkpoint = std::move(checkpoint_);
    checkpoint_.reset();
    journal_.remove_before(keep_segments_from_);
}

// ---- Checks

void Chief::check_replay() const
{
    auto const read = read_table(sim_.plan, sim_.disk, journal_.queued());
    auto const& table = dispatcher_.table();
    if (read.table.size() != table.size())
        throw Violation{"replay", fmt::format("{} ranges, {} in memory", read.table.size(), table.size())};
    for (RangeIndex range = 0; range < table.size(); ++range) {
        auto const& now = table.progress(range);
        auto const& then = read.table.progress(range);
        auto const state = now.state == RangeState::sent ? RangeState::ready : now.state;
        bool same = state == then.state && now.burnt == then.burnt;
        if (state == RangeState::finished)
            same =
                same && now.holder == then.holder && table.row(range).winner == read.table.row(range).winner;
        if (same) continue;
        throw Violation{
            "replay",
            fmt::format("range {} is {} (burnt {:#x}, holder {}, winner {}) in memory, {} (burnt {:#x}, "
                        "holder {}, winner {}) after replay",
                        range, print_state(now.state), now.burnt, now.holder, table.row(range).winner,
                        print_state(then.state), then.burnt, then.holder, read.table.row(range).winner)};
    }
    if (read.table.bundles() != table.bundles())
        throw Violation{"replay", "the bundles are not those in memory"};
    if (read.next_sequence != writer_.next_sequence())
        throw Violation{"replay", fmt::format("next record {}, {} in memory", read.next_sequence,
                                              writer_.next_sequence())};
}

void Chief::check_queues() const
{
    auto const& table = dispatcher_.table();
    std::vector<std::uint32_t> held(dispatcher_.rank_count());
    for (RangeIndex range = 0; range < table.size(); ++range) {
        auto const copies = table.copies(range);
        for (unsigned i = 0; i < copies.count; ++i) ++held[copies.ranks[i]];
    }
    for (Rank rank = 1; rank < held.size(); ++rank) {
        auto const& droid = dispatcher_.droid(rank);
        if (droid.outstanding_count != held[rank])
            throw Violation{"queues", fmt::format("Droid {} holds {} hand-outs, rank 0 thinks {}", rank,
                                                  held[rank], droid.outstanding_count)};
    }
    // Each stands for a record that is not durable yet, of which the journal's queue holds so many bytes.
    constexpr std::size_t smallest_record_bytes = 32;
    if (held_words_.acceptance_count() > JournalThread::queue_limit_bytes / smallest_record_bytes)
        throw Violation{"queues", "too many acceptances wait"};
}

}  // namespace yoda::sim
