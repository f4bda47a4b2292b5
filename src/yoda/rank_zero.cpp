// SPDX-License-Identifier: Apache-2.0
#include "yoda/rank_zero.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sys/base/files.hpp"

namespace yoda {

namespace {

constexpr Duration tick_interval = Duration::from_ms(50);
constexpr Duration inbox_interval = Duration::from_s(1);
/// Longer than this only when the process was stopped or a disk held it up.
constexpr Duration longest_step = Duration::from_s(1);
constexpr unsigned frames_a_round = 256;
/// After reading so many bytes of reports rank 0 answers, so that Droids have something to do meanwhile.
constexpr std::size_t bytes_a_round = 2 * max_frame_bytes;
/// Writing status.json may take at most 1/status_share of the time.
constexpr double status_share = 250;
constexpr Duration longest_status_interval = Duration::from_s(20);
/// A Droid that takes nothing for so long that this piles up is as good as dead.
constexpr std::size_t max_unsent_frames = 1 << 16;
constexpr std::size_t max_failures_kept = 10'000;
constexpr std::uint64_t max_note_bytes = 1ull << 30;

}  // namespace

RankZero::RankZero(RankZeroParts parts, Dispatcher dispatcher, JournalFile& journal, Transport& transport,
                   Poller& poller, Clock const& clock, Log& log)
    : parts_(std::move(parts)),
      dispatcher_(std::move(dispatcher)),
      journal_(journal),
      transport_(transport),
      poller_(poller),
      clock_(clock),
      log_(log),
      writer_(dispatcher_.table().life(), parts_.next_sequence),
      frames_(transport.rank_count()),
      is_touched_(transport.rank_count()),
      now_(clock.now()),
      nap_(transport, poller),
      greeted_(transport.rank_count()),
      event_file_rows_(parts_.event_file_rows)
{
    for (auto& frames : frames_) frames.set_header({dispatcher_.table().life(), 0});
    next_tick_ = next_status_ = next_inbox_ = last_step_ = now_;
    next_checkpoint_ = now_ + Duration::from_s(parts_.config.journal_checkpoint_interval_s);
    if (transport_.fd() >= 0) poller_.add(transport_.fd(), [] {});
    poller_.add(journal_.event_fd(), [this] { journal_.clear_event(); });
}

// ---- Effects

FrameWriter& RankZero::frames_to(Rank rank)
{
    if (!is_touched_[rank]) {
        is_touched_[rank] = true;
        touched_.push_back(rank);
    }
    return frames_[rank];
}

void RankZero::send(Rank to, Message const& message)
{
    frames_to(to).put(message);
}

void RankZero::send_grant(Rank to, RangeRun const& run, std::string_view text_id)
{
    frames_to(to).put_grant(run, text_id);
}

void RankZero::accept(Rank to, std::uint32_t sequence)
{
    held_words_.accept(to, sequence);
}

void RankZero::record(journal::Record const& record)
{
    writer_.append(record, journal_buffer_);
    if (parts_.facts.first_range_unix_s > 0) return;
    auto const* const finished = std::get_if<journal::RangesFinished>(&record);
    if (!finished) return;
    std::uint32_t longest_ms = 0;
    for (auto const& entry : finished->entries) longest_ms = std::max(longest_ms, entry.wall_ms);
    parts_.facts.first_range_unix_s = (clock_.unix_ns() / 1'000'000 - longest_ms) / 1000;
}

void RankZero::note(std::string_view event, Rank droid, std::uint64_t count, std::string_view why)
{
    if (event == "range_gave_up" || event == "range_failed") {
        auto const range = static_cast<RangeIndex>(count);
        if (parts_.failures.size() < max_failures_kept || parts_.failures.contains(range))
            parts_.failures[range] = why;
        log_.info(event, {{"eventRangeID", dispatcher_.table().range_id(range)},
                          {"state", print_state(dispatcher_.table().state(range))},
                          {"tries_burnt", dispatcher_.table().tries_burnt(range)},
                          {"why", why}});
        return;
    }
    if (event == "droid_lost") transport_.give_up(droid);
    if (event == "droid_lost" || event == "droid_in_trouble" || event == "job_held" ||
        event == "bundle_lost") {
        parts_.facts.last_trouble = fmt::format("{} (rank {}): {}", event, droid, why);
        log_.warning(event, {{"rank", droid}, {"count", count}, {"why", why}});
        return;
    }
    log_.info(event, {{"rank", droid}, {"count", count}, {"why", why}});
}

// ---- A round

void RankZero::begin(RecoveryRecords const& found)
{
    if (!found.empty()) journal_buffer_ += found.encode(writer_);
    record(journal::LifeStarted{parts_.facts.begun_unix_s, parts_.facts.host, parts_.facts.batch_job});
    // A life may have ended between the record and the answer: nobody else would give it.
    for (auto const& name : parts_.applied_notes) {
        if (!path_exists(parts_.folder.outbox() + "/" + name)) held_words_.answer(name);
    }
    if (parts_.checkpoint_soon) next_checkpoint_ = now_;
    // Before anybody is told that there is nothing to do: perhaps this life was begun for what lies there.
    read_inbox();
    next_inbox_ = now_ + inbox_interval;
    write_status(false);
}

bool RankZero::step()
{
    now_ = clock_.now();
    bool busy = false;
    bool const listens = !journal_.full() && !broken_;
    if (!listens || now_ - last_step_ > longest_step) dispatcher_.on_deaf(now_);
    last_step_ = now_;
    if (listens) {
        Rank from = 0;
        std::size_t bytes = 0;
        for (unsigned i = 0; i < frames_a_round && bytes < bytes_a_round; ++i) {
            if (!transport_.receive(from, frame_)) break;
            busy = true;
            bytes += frame_.size();
            take_frame(from, frame_);
        }
        if (busy) dispatcher_.on_batch_end(now_, *this);
        if (dispatcher_.table().unended_count() > 0)
            last_end_ = TimePoint::never();
        else if (last_end_ == TimePoint::never())
            last_end_ = now_;
    }
    if (now_ >= next_tick_) tick();
    send_frames();  // What waits for nothing first: a Droid works while this commits.
    commit();
    step_checkpoint();
    send_frames();
    if (busy) nap_.had_traffic();
    return busy;
}

void RankZero::take_frame(Rank from, std::string_view frame)
{
    if (from == 0 || from >= frames_.size()) return;
    if (auto opened = reader_.open(frame); !opened) {
        log_.warning("bad_frame", {{"rank", from}, {"why", opened.error().text()}});
        return;
    }
    while (auto const message = reader_.next()) {
        auto const* hello = std::get_if<Hello>(&*message);
        if (hello && hello->worker_count == 0)
            greet(from, *hello);
        else if (auto const* staged = std::get_if<InputsStaged>(&*message))
            add_staged(from, *staged);
        else
            dispatcher_.on_message(now_, from, reader_.header(), *message, *this);
    }
    if (!reader_.error())
        log_.warning("bad_message", {{"rank", from}, {"why", reader_.error().error().text()}});
}

/// Commits what has been recorded, and lets go what has become durable.
void RankZero::commit()
{
    if (!journal_buffer_.empty()) {
        journal_.append(journal_buffer_);
        journal_bytes_ += journal_buffer_.size();
        journal_buffer_.clear();
    }
    held_words_.place(journal_.appended());
    auto const& released = held_words_.release(journal_.durable());
    for (auto const& [to, sequence] : released.acceptances) send(to, Accepted{sequence});
    for (auto const& note : released.answers) {
        auto const path = parts_.folder.outbox() + "/" + note;
        if (auto written = replace_file(path, "{\"version\": 1, \"applied\": true}\n"); !written)
            log_.warning("no_outbox", written.error());
    }
    if (auto const status = journal_.error(); !status && !broken_) {
        broken_ = status.error();
        log_.error("journal_failed", status.error());
        dispatcher_.on_drain(now_, now_, "the journal cannot be written: " + status.error().text(), *this);
        for (Rank rank = 1; rank < frames_.size(); ++rank) send(rank, Stop{});
    }
}

void RankZero::send_frames()
{
    for (Rank const rank : touched_) {
        auto& frames = frames_[rank];
        for (std::size_t i = 0; i < frames.count(); ++i) transport_.send(rank, frames.frame(i));
        frames.clear();
        is_touched_[rank] = false;
        if (transport_.unsent_count(rank) > max_unsent_frames) dispatcher_.on_exit(now_, rank, *this);
    }
    touched_.clear();
}

void RankZero::tick()
{
    next_tick_ = now_ + tick_interval;
    if (now_ >= welcome_at_) welcome_all_that_wait();
    dispatcher_.on_tick(now_, *this);
    if (now_ >= next_inbox_) {
        next_inbox_ = now_ + inbox_interval;
        read_inbox();
    }
    if (now_ >= next_status_) {
        TimePoint const begin = clock_.now();
        write_status(false);
        // With ten thousand Droids it takes some time, in which nobody is answered: rather seldom, then. But
        // not so seldom that those who watch the file take a stall of the disk for our death.
        auto const seldom = std::min((clock_.now() - begin) * status_share, longest_status_interval);
        next_status_ = now_ + std::max(Duration::from_s(parts_.config.status_interval_s), seldom);
    }
}

bool RankZero::over() const
{
    return dispatcher_.over() || broken_.has_value();
}

void RankZero::end(Duration limit)
{
    record(journal::LifeEnded{static_cast<std::uint8_t>(exit_code()), why()});
    TimePoint const deadline = clock_.now() + limit;
    commit();
    while (journal_.durable() < journal_.appended() && journal_.error() && clock_.now() < deadline)
        poller_.wait(Duration::from_ms(10));
    commit();
    send_frames();
    checkpoint_.stop();  // The last state.h5 is the caller's to write; this may wait for a disk.
}

void RankZero::drain(TimePoint deadline, std::string_view why)
{
    dispatcher_.on_drain(now_, deadline, why, *this);
}

int RankZero::exit_code() const
{
    return broken_ ? 4 : dispatcher_.exit_code();
}

std::string RankZero::why() const
{
    return broken_ ? broken_->text() : dispatcher_.why_stopped();
}

bool RankZero::anybody_lost() const
{
    for (Rank rank = 1; rank < dispatcher_.rank_count(); ++rank) {
        if (dispatcher_.droid(rank).state != DroidState::gone) return true;
    }
    return false;
}

// ---- Inbox

void RankZero::read_inbox()
{
    auto const listed = list_folder(parts_.folder.inbox());
    if (!listed) return log_.warning("inbox_unreadable", listed.error());  // It is tried again.
    std::vector<std::string> names;
    for (auto const& name : *listed) {
        if (name.starts_with('.') || !name.ends_with(".json") || parts_.applied_notes.contains(name))
            continue;
        // Answered in an earlier life whose records a checkpoint has replaced.
        if (path_exists(parts_.folder.outbox() + "/" + name))
            parts_.applied_notes.insert(name);
        else
            names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    for (auto const& name : names) apply_note(name);
}

void RankZero::apply_note(std::string const& name)
{
    Status status;
    auto const text = read_file(parts_.folder.inbox() + "/" + name, max_note_bytes);
    if (!text) {
        log_.warning("inbox_unreadable", text.error());
        return;  // Perhaps only now: it is tried again.
    }
    auto const note = inbox::parse(*text);
    status = note ? apply(*note) : Status(note.error());
    parts_.applied_notes.insert(name);
    record(journal::InboxApplied{name});
    if (status) {
        log_.info("inbox_applied", {{"note", name}});
        held_words_.answer(name);
        return;
    }
    log_.error("inbox_refused", {{"note", name}, {"why", status.error().text()}});
    parts_.facts.last_trouble = fmt::format("inbox note {} refused: {}", name, status.error().text());
    nlohmann::json const answer{{"version", 1}, {"applied", false}, {"why", status.error().text()}};
    if (auto written = replace_file(parts_.folder.outbox() + "/" + name, answer.dump() + "\n"); !written)
        log_.warning("no_outbox", written.error());
}

Status RankZero::apply(inbox::Note const& note)
{
    auto const find_job = [&](std::int64_t panda_id) -> Result<JobIndex> {
        for (JobIndex job = 0; job < parts_.jobs.size(); ++job) {
            if (parts_.jobs[job].panda_id() == panda_id) return job;
        }
        return Error{ErrorKind::bad_input, fmt::format("PandaID {} is no job of this run", panda_id), {}, {}};
    };
    if (std::holds_alternative<inbox::Closed>(note)) {
        dispatcher_.on_closed(now_, *this);
    } else if (std::holds_alternative<inbox::Drain>(note)) {
        dispatcher_.on_drain(
            now_,
            std::min(dispatcher_.policy().end, now_ + Duration::from_s(parts_.config.walltime_notice_s)),
            "asked to by harvest", *this);
    } else if (auto const* killed = std::get_if<inbox::JobKilled>(&note)) {
        auto const job = find_job(killed->panda_id);
        if (!job) return job.error();
        dispatcher_.on_job_killed(now_, *job, *this);
    } else if (auto const* lost = std::get_if<inbox::BundleLost>(&note)) {
        for (auto const& bundle : dispatcher_.table().bundles()) {
            if (bundle_name(bundle.origin) != lost->bundle) continue;
            BundleOrigin const origin = bundle.origin;
            dispatcher_.on_bundle_lost(now_, origin, *this);
            return {};
        }
        return Error{ErrorKind::bad_input, fmt::format("{} is no bundle of this run", lost->bundle), {}, {}};
    } else if (auto const* more = std::get_if<inbox::MoreRanges>(&note)) {
        auto const job = find_job(more->panda_id);
        if (!job) return job.error();
        std::vector<std::string> pfns;
        for (auto const& range : more->ranges) {
            auto const& inputs = parts_.jobs[*job].inputs();
            auto const input = std::find_if(inputs.begin(), inputs.end(),
                                            [&](InputFile const& file) { return file.lfn == range.lfn; });
            if (input == inputs.end())
                return Error{ErrorKind::bad_input,
                             fmt::format("range {} is of an unknown file", range.id),
                             range.lfn,
                             {}};
            pfns.push_back(input->pfn);
        }
        return dispatcher_.on_more_ranges(now_, *job, more->ranges, pfns, *this);
    }
    return {};
}

// ---- Checkpoint and status

void RankZero::step_checkpoint()
{
    if (checkpoint_.busy()) {
        checkpoint_.feed(dispatcher_.table());
        auto const done = checkpoint_.take_result();
        if (!done) return;
        next_checkpoint_ = now_ + Duration::from_s(parts_.config.journal_checkpoint_interval_s);
        if (!*done) {
            log_.warning("checkpoint_failed", done->error());
            return;
        }
        log_.info("checkpoint", {{"sequence", (*done)->journal_sequence}});
        event_file_rows_ = std::max(event_file_rows_, checkpoint_rows_);
        journal_.remove_before(keep_segments_from_);
        return;
    }
    bool const due = now_ >= next_checkpoint_ || journal_bytes_ >= parts_.config.journal_checkpoint_bytes;
    if (!due || over()) return;
    commit();
    auto const segment = journal_.rotate();
    if (!segment) {
        log_.warning("journal_rotation_failed", segment.error());
        next_checkpoint_ = now_ + Duration::from_s(parts_.config.journal_checkpoint_interval_s);
        return;
    }
    keep_segments_from_ = *segment;
    journal_bytes_ = 0;
    checkpoint_rows_ = dispatcher_.table().size();
    checkpoint_.begin(parts_.folder.path(), parts_.info,
                      {writer_.next_sequence() - 1, dispatcher_.table().life()}, checkpoint_rows_,
                      rows_were_added());
}

nlohmann::ordered_json RankZero::status(std::size_t max_failures) const
{
    auto facts = parts_.facts;
    facts.unix_s = clock_.unix_ns() / 1'000'000'000;
    if (first_hello_ != TimePoint::never()) facts.dispatch_s = (std::min(now_, last_end_) - first_hello_).s();
    facts.journal_sequence = writer_.next_sequence() - 1;
    facts.journal_waiting_bytes = journal_.appended() - journal_.durable();
    return make_status(dispatcher_, now_, facts, parts_.failures, max_failures);
}

void RankZero::write_status(bool final_word)
{
    // The result of a life keeps all reasons: later checkpoints replace the records that told them.
    auto json = status(final_word ? max_failures_kept : 100);
    if (final_word) {
        json["state"] = "ended";
        json["exit_code"] = exit_code();
        if (!why().empty()) json["why_stopped"] = why();
    }
    auto const text = json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
    if (auto written = replace_file(parts_.folder.status(), text, 0644, final_word); !written)
        log_.warning("no_status", written.error());
    if (!final_word) return;
    if (auto written = replace_file(parts_.folder.result(dispatcher_.table().life()), text); !written)
        log_.error("no_result", written.error());
}

}  // namespace yoda
