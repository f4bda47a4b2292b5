#include "yoda/dispatcher.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace yoda {

namespace {

constexpr Duration help_interval = Duration::from_ms(20);
constexpr Duration ask_again = Duration::from_s(1);
constexpr Duration limits_interval = Duration::from_s(5);
constexpr std::uint32_t max_depth = 1u << 20;
constexpr std::uint32_t max_workers = 1u << 16;  ///< a Droid that claims more is taken for one with so many
constexpr std::size_t max_oldest = 1u << 20;
constexpr std::uint16_t most_copies =
    8;  ///< hand-outs of a range in one life, from which on no copy is replaced

}  // namespace

std::string_view print_droid_state(DroidState state)
{
    switch (state) {
        case DroidState::absent:
            return "absent";
        case DroidState::alive:
            return "alive";
        case DroidState::lost:
            return "lost";
        case DroidState::resetting:
            return "resetting";
        case DroidState::gone:
            return "gone";
    }
    return "unknown";
}

Dispatcher::Dispatcher(EventTable table, std::vector<std::int64_t> panda_ids, std::uint32_t rank_count,
                       DispatchPolicy policy)
    : table_(std::move(table)), panda_ids_(std::move(panda_ids)), policy_(policy), droids_(rank_count)
{
    for (auto& droid : droids_) droid.last_heard = policy_.begin;
    waited_for_count_ = rank_count - 1;
    job_sealed_.resize(panda_ids_.size());
    held_jobs_.resize(panda_ids_.size());
    limits_sent_ = policy_.begin;
    next_help_ = policy_.begin;
}

void Dispatcher::set_state(DroidInfo& droid, DroidState state)
{
    auto const is_waited_for = [](DroidState s) {
        return s == DroidState::absent || s == DroidState::alive || s == DroidState::resetting;
    };
    if (droid.state == DroidState::alive) workers_alive_ -= droid.worker_count;
    if (is_waited_for(droid.state)) --waited_for_count_;
    droid.state = state;
    if (droid.state == DroidState::alive) workers_alive_ += droid.worker_count;
    if (is_waited_for(droid.state)) ++waited_for_count_;
}

// ---- Messages

void Dispatcher::on_message(TimePoint now, Rank from, FrameHeader const& header, Message const& message,
                            DispatcherEffects& effects)
{
    YODA_CHECK(from > 0 && from < droids_.size(), "messages come from Droid ranks only");
    auto& droid = droids_[from];
    // A Droid of an older life: nothing of what it made counts, and an answer would reach the Droid that has
    // its rank now, to which the same sequences and hand-outs mean its own work.
    if (header.life != table_.life()) return;
    droid.last_heard = now;
    bool const is_goodbye = std::holds_alternative<Goodbye>(message);
    if (droid.state == DroidState::lost && !is_goodbye) {
        // It was only silent: it starts anew, but what it finished may count.
        set_state(droid, DroidState::resetting);
        ++droid.generation;
        effects.send(from, Reset{});
        effects.note("droid_back", from, 0, "it was silent and speaks again");
    }
    if (header.generation != droid.generation) {
        // What it held was taken back when it was given up; what is on its disk, and that it ends, is a fact.
        bool const is_fact = is_goodbye || std::holds_alternative<Finished>(message) ||
                             std::holds_alternative<Sealed>(message);
        if (!is_fact) return;
    }
    std::visit(
        [&](auto const& m) {
            if constexpr (requires { this->handle(now, from, m, effects); })
                this->handle(now, from, m, effects);
        },
        message);
}

void Dispatcher::handle(TimePoint now, Rank from, Hello const& hello, DispatcherEffects& effects)
{
    auto& droid = droids_[from];
    if (droid.state == DroidState::alive || droid.state == DroidState::gone) return;
    droid.host = hello.host;
    droid.worker_count = std::clamp(hello.worker_count, 1u, max_workers);
    set_state(droid, DroidState::alive);
    droid.outstanding_count = 0;
    droid.idle_count = 0;
    droid.told_nothing = false;
    droid.depth = 2 * droid.worker_count;
    droid.rate_since = now;
    effects.note("droid_alive", from, droid.worker_count, droid.host);
    if (finishing_) {
        effects.send(from, NothingEver{});
        return;
    }
    for (JobIndex job = 0; job < held_jobs_.size(); ++job) {
        if (job >= droid.blocked_jobs.size() || !droid.blocked_jobs[job]) held_jobs_[job] = false;
    }
    send_limits(now, from, effects);
    if (draining_) {
        auto const left = std::max<std::int64_t>(0, (worker_deadline() - now).ms());
        effects.send(from, Drain{static_cast<std::uint32_t>(left)});
        return;
    }
    make_hungry(from);
}

void Dispatcher::handle(TimePoint now, Rank from, Request const& request, DispatcherEffects&)
{
    auto& droid = droids_[from];
    droid.idle_count = std::min(request.idle_count, droid.worker_count);
    droid.told_nothing = false;
    // It ran dry although it held as much as we thought it needs: let it hold more, but not more than it can
    // work off in two intervals (as far as that has been measured).
    if (droid.outstanding_count == 0 && droid.finished_count > 0) {
        count_rate(droid, now, 0);
        double const cap =
            std::max(2.0 * droid.worker_count, 2 * droid.rate_per_s * policy_.ask_interval.s());
        droid.depth = static_cast<std::uint32_t>(std::min({2.0 * droid.depth, cap, 1.0 * max_depth}));
    }
    make_hungry(from);
}

BundleNumber Dispatcher::find_bundle(Rank from, DroidInfo& droid, JobIndex job, std::uint32_t sequence,
                                     DispatcherEffects& effects)
{
    if (sequence == none) return none;
    if (sequence == droid.last_bundle_sequence && job == droid.last_bundle_job) return droid.last_bundle;
    BundleOrigin const origin{panda_ids_[job], job, table_.life(), from, sequence};
    auto const known = table_.find_bundle(origin);
    droid.last_bundle = known != none ? known : table_.bundle(origin);
    droid.last_bundle_sequence = sequence;
    droid.last_bundle_job = job;
    if (known == none)
        effects.record(journal::BundleChanged{droid.last_bundle, table_.bundles()[droid.last_bundle]});
    return droid.last_bundle;
}

void Dispatcher::handle(TimePoint now, Rank from, Finished const& finished, DispatcherEffects& effects)
{
    if (finished.job >= panda_ids_.size()) return reject_all(from, finished, effects);
    auto& droid = droids_[from];
    auto const bundle = find_bundle(from, droid, finished.job, finished.bundle_sequence, effects);
    accepted_.clear();
    rejected_.clear();
    for (auto const& entry : finished.entries) {
        Epoch const epoch = Epoch::make(table_.life(), entry.hand_out);
        auto const copies = table_.copies(entry.range);
        bool const is_of_job = entry.range < table_.size() && table_.job(entry.range) == finished.job;
        if (!is_of_job ||
            table_.finish(entry.range, epoch, bundle, entry.cpu_ms, entry.wall_ms) != Outcome::accepted) {
            // A repeat of what counts already is acknowledged like the first time.
            if (!is_of_job || !table_.is_winner(entry.range, epoch, bundle))
                rejected_.push_back({entry.range, entry.hand_out});
            continue;
        }
        accepted_.push_back(entry);
        end_copies(entry.range, copies, from, epoch, effects);
        auto const& row = table_.row(entry.range);
        event_times_.add(entry.wall_ms * 1000ull / (row.last - row.first + 1));
    }
    if (!accepted_.empty()) effects.record(journal::RangesFinished{bundle, table_.life(), accepted_});
    if (!rejected_.empty()) {
        effects.send(from, Rejected{rejected_});
        effects.note("duplicates_rejected", from, rejected_.size(),
                     "another copy had finished, or it was given up");
    }
    effects.accept(from, finished.sequence);
    droid.finished_count += accepted_.size();
    count_rate(droid, now, static_cast<std::uint32_t>(accepted_.size()));
    if (!accepted_.empty()) seal_if_done(finished.job, effects);
    if (droid.state == DroidState::alive) make_hungry(from);
}

void Dispatcher::reject_all(Rank from, Finished const& finished, DispatcherEffects& effects)
{
    rejected_.clear();
    for (auto const& entry : finished.entries) rejected_.push_back({entry.range, entry.hand_out});
    if (!rejected_.empty()) effects.send(from, Rejected{rejected_});
    effects.accept(from, finished.sequence);
    effects.note("finished_of_nothing_we_know", from, rejected_.size(), "no such job");
}

/// The range has ended by hand-out `epoch` of rank `from`: nobody holds it any more, other copies must stop.
void Dispatcher::end_copies(RangeIndex range, EventTable::Copies const& copies, Rank from, Epoch epoch,
                            DispatcherEffects& effects)
{
    for (unsigned i = 0; i < copies.count; ++i) {
        --droids_[copies.ranks[i]].outstanding_count;
        if (copies.ranks[i] != from || copies.epochs[i] != epoch)
            revoke(copies.ranks[i], range, copies.epochs[i], effects);
    }
}

void Dispatcher::handle(TimePoint, Rank from, Failed const& failed, DispatcherEffects& effects)
{
    auto const range = failed.what.range;
    auto const epoch = Epoch::make(table_.life(), failed.what.hand_out);
    auto const copies = table_.copies(range);
    auto const outcome = table_.fail(range, epoch, from, failed.kind, failed.error_code);
    if (outcome == Outcome::ignored) return;
    auto& droid = droids_[from];
    bool const is_given_back = failed.kind == FailKind::given_back;
    if (!is_given_back) ++droid.failed_count;
    if (outcome == Outcome::ended)
        end_copies(range, copies, from, epoch, effects);
    else
        --droid.outstanding_count;
    if (!is_given_back || outcome == Outcome::ended) record_failure(range, failed.reason, effects);
    ready_grew_ = true;
    if (outcome == Outcome::ended) seal_if_done(table_.job(range), effects);
    make_hungry(from);
}

void Dispatcher::record_failure(RangeIndex range, std::string_view reason, DispatcherEffects& effects)
{
    auto const& progress = table_.progress(range);
    journal::RangeFailed record;
    record.range = range;
    record.state = progress.state == RangeState::sent ? RangeState::ready : progress.state;
    record.burnt = progress.burnt;
    record.error_code = progress.state != RangeState::sent && progress.holder != none
                            ? static_cast<std::uint16_t>(progress.holder)
                            : std::uint16_t{0};
    record.reason = reason;
    effects.record(record);
    effects.note(is_ended(progress.state) ? "range_gave_up" : "range_failed", 0, range, reason);
}

void Dispatcher::handle(TimePoint, Rank from, GivenBack const& given_back, DispatcherEffects& effects)
{
    for (auto const& what : given_back.entries)
        take_back(from, what.range, Epoch::make(table_.life(), what.hand_out), effects);
    if (given_back.entries.empty()) return;  // It had nothing to give: asking again at once would not help.
    droids_[from].recalled = TimePoint{};
    ready_grew_ = true;
}

void Dispatcher::take_back(Rank rank, RangeIndex range, Epoch epoch, DispatcherEffects& effects)
{
    auto const outcome = table_.give_back(range, epoch, rank);
    if (outcome == Outcome::ignored) return;
    --droids_[rank].outstanding_count;
    if (outcome != Outcome::ended) return;
    record_failure(range, "no try left", effects);  // They were used up while this copy still ran.
    seal_if_done(table_.job(range), effects);
}

void Dispatcher::handle(TimePoint, Rank from, Running const& running, DispatcherEffects&)
{
    for (auto const& entry : running.entries) {
        if (oldest_.size() < max_oldest) oldest_.push_back({entry.what, from, entry.age_ms});
    }
}

void Dispatcher::handle(TimePoint, Rank from, Heartbeat const& heartbeat, DispatcherEffects& effects)
{
    droids_[from].heartbeat = heartbeat;
    effects.send(from, YodaAlive{});
}

void Dispatcher::handle(TimePoint, Rank from, Sealed const& sealed, DispatcherEffects& effects)
{
    if (sealed.job >= panda_ids_.size()) return;
    auto const number =
        table_.find_bundle({panda_ids_[sealed.job], sealed.job, table_.life(), from, sealed.bundle_sequence});
    if (number == none) return;
    table_.seal_bundle(number);
    effects.record(journal::BundleChanged{number, table_.bundles()[number]});
    effects.note("bundle_sealed", from, sealed.entry_count, bundle_name(table_.bundles()[number].origin));
}

void Dispatcher::handle(TimePoint, Rank from, Trouble const& trouble, DispatcherEffects& effects)
{
    if (trouble.job >= panda_ids_.size()) return;
    auto& droid = droids_[from];
    droid.trouble = trouble.reason;
    droid.blocked_jobs.resize(panda_ids_.size());
    droid.blocked_jobs[trouble.job] = true;
    effects.note("droid_in_trouble", from, trouble.error_code, trouble.reason);
    ready_grew_ = true;
    hold_jobs_nobody_can_run(effects);
}

void Dispatcher::handle(TimePoint, Rank from, Goodbye const&, DispatcherEffects& effects)
{
    auto& droid = droids_[from];
    take_back_all(from, effects);
    set_state(droid, DroidState::gone);
    droid.idle_count = 0;
    effects.note("droid_gone", from, droid.finished_count, "it said goodbye");
    ready_grew_ = true;
    hold_jobs_nobody_can_run(effects);
}

// ---- Other inputs

void Dispatcher::on_deaf(TimePoint now)
{
    for (auto& droid : droids_) droid.last_heard = std::max(droid.last_heard, now);
}

void Dispatcher::on_exit(TimePoint, Rank rank, DispatcherEffects& effects)
{
    auto const state = droids_[rank].state;
    if (state != DroidState::gone && state != DroidState::lost)
        lose_droid(rank, "its process has ended", effects);
}

void Dispatcher::lose_droid(Rank rank, std::string_view why, DispatcherEffects& effects)
{
    auto& droid = droids_[rank];
    auto const held_count = droid.outstanding_count;
    take_back_all(rank, effects);
    set_state(droid, DroidState::lost);
    droid.idle_count = 0;
    effects.note("droid_lost", rank, held_count, why);
    ready_grew_ = true;
    hold_jobs_nobody_can_run(effects);
}

/// Every hand-out that this rank still holds goes back, at no cost.
void Dispatcher::take_back_all(Rank rank, DispatcherEffects& effects)
{
    auto& droid = droids_[rank];
    for (auto const& run : droid.runs) {
        for (RangeIndex range = run.begin; range < run.begin + run.count; ++range) {
            auto const copies = table_.copies(range);
            for (unsigned i = 0; i < copies.count; ++i) {
                if (copies.ranks[i] == rank) take_back(rank, range, copies.epochs[i], effects);
            }
        }
    }
    droid.runs.clear();
    YODA_CHECK(droid.outstanding_count == 0, "what a Droid holds is in its runs");
}

void Dispatcher::on_drain(TimePoint now, TimePoint deadline, std::string_view why, DispatcherEffects& effects)
{
    if (over_) return;
    drain_deadline_ = std::min(drain_deadline_, deadline);
    if (!draining_) drain_began_ = now;
    if (finishing_) return check_end(now, effects);  // Droids are leaving already; now there is a deadline.
    if (!draining_) why_stopped_ = why;
    draining_ = true;
    auto const left = std::max<std::int64_t>(0, (worker_deadline() - now).ms());
    effects.note("drain", 0, static_cast<std::uint64_t>(left), why);
    for (Rank rank = 1; rank < droids_.size(); ++rank) {
        if (is_working(rank)) effects.send(rank, Drain{static_cast<std::uint32_t>(left)});
    }
    check_end(now, effects);
}

Status Dispatcher::on_more_ranges(TimePoint now, JobIndex job, std::vector<EventRange> const& ranges,
                                  std::vector<std::string> const& pfns, DispatcherEffects& effects)
{
    // Tried on a copy of nothing but the checks first, so that a bad note changes nothing.
    EventTable trial;
    if (job >= panda_ids_.size())
        return Error{ErrorKind::bad_input, "event ranges for an unknown job", fmt::format("job {}", job), {}};
    if (pfns.size() != ranges.size() || table_.size() + ranges.size() >= none - 1)
        return Error{
            ErrorKind::bad_input,
            "event ranges cannot be taken",
            fmt::format("{} ranges with {} paths, beside {}", ranges.size(), pfns.size(), table_.size()),
            {}};
    for (std::size_t i = 0; i < ranges.size(); ++i) {
        if (auto added = trial.add_range(job, ranges[i], pfns[i]); !added) return added.error();
    }
    if (auto status = trial.check_duplicates(); !status) return status;
    // A crash may have come when a part of them was in the journal: then the note is applied again.
    auto const known = table_.find_known(job, ranges);
    if (!known) return known.error();

    std::size_t file_count = table_.files().size();
    for (std::size_t i = 0; i < ranges.size(); ++i) {
        if ((*known)[i]) continue;
        auto const added = table_.add_range(job, ranges[i], pfns[i]);
        YODA_CHECK(added, "a range that passed the trial can be added");
        for (; file_count < table_.files().size(); ++file_count)
            effects.record(
                journal::FileAdded{static_cast<FileIndex>(file_count), table_.files()[file_count]});
        auto const& row = table_.row(*added);
        std::string_view text;
        if (table_.files()[row.file].text_ids) text = table_.texts()[row.process_id];
        effects.record(journal::RangeAdded{*added, row, text});
    }
    job_sealed_[job] = false;
    ready_grew_ = true;
    effects.note("ranges_added", 0, ranges.size(), "");
    on_batch_end(now, effects);
    return {};
}

void Dispatcher::on_closed(TimePoint now, DispatcherEffects& effects)
{
    if (!policy_.closed) effects.record(journal::Closed{});
    policy_.closed = true;
    for (JobIndex job = 0; job < panda_ids_.size(); ++job) seal_if_done(job, effects);
    check_end(now, effects);
}

void Dispatcher::on_job_killed(TimePoint now, JobIndex job, DispatcherEffects& effects)
{
    if (job >= panda_ids_.size()) return;
    for (RangeIndex range = 0; range < table_.size(); ++range) {
        if (table_.job(range) != job) continue;
        auto const copies = table_.copies(range);
        end_copies(range, copies, 0, {}, effects);
    }
    auto const dropped = table_.drop_job(job);
    effects.record(journal::JobDropped{job});
    effects.note("job_dropped", 0, dropped, fmt::format("PandaID {}", panda_ids_[job]));
    seal_if_done(job, effects);
    check_end(now, effects);
}

void Dispatcher::on_bundle_lost(TimePoint now, BundleOrigin const& origin, DispatcherEffects& effects)
{
    auto const number = table_.find_bundle(origin);
    if (number == none || table_.bundles()[number].lost) return;
    auto const lost = table_.lose_bundle(number);
    effects.record(journal::BundleChanged{number, table_.bundles()[number]});
    effects.note("bundle_lost", 0, lost.size(), bundle_name(origin));
    if (origin.job < job_sealed_.size()) job_sealed_[origin.job] = false;
    ready_grew_ = true;
    // What a killed job has lost is not made again.
    if (table_.job_counts(origin.job)[static_cast<std::size_t>(RangeState::dropped)] > 0)
        on_job_killed(now, origin.job, effects);
}

void Dispatcher::on_tick(TimePoint now, DispatcherEffects& effects)
{
    for (Rank rank = 1; rank < droids_.size(); ++rank) {
        auto const state = droids_[rank].state;
        bool const waited_for =
            state == DroidState::absent || state == DroidState::alive || state == DroidState::resetting;
        if (waited_for && now - droids_[rank].last_heard > policy_.silence)
            lose_droid(rank, state == DroidState::absent ? "it never spoke" : "it fell silent", effects);
    }
    if (!draining_ && !finishing_ && policy_.end != TimePoint::never() && !may_start(now))
        on_drain(now, policy_.end, "the allocation ends", effects);
    if (now - limits_sent_ > limits_interval && policy_.end != TimePoint::never()) {
        limits_sent_ = now;
        for (Rank rank = 1; rank < droids_.size(); ++rank) {
            if (is_working(rank)) send_limits(now, rank, effects);
        }
    }
    on_batch_end(now, effects);
}

void Dispatcher::on_batch_end(TimePoint now, DispatcherEffects& effects)
{
    if (ready_grew_) {
        ready_grew_ = false;
        for (Rank rank = 1; rank < droids_.size(); ++rank) {
            if (is_working(rank)) make_hungry(rank);
        }
    }
    // Idle workers first: what was recalled for them must not go back to where it came from.
    for (bool const idle : {true, false}) {
        for (Rank const rank : hungry_) {
            auto& droid = droids_[rank];
            if (!droid.hungry || (idle && droid.idle_count == 0)) continue;
            droid.hungry = false;
            feed(now, rank, effects);
        }
    }
    hungry_.clear();
    help_idle(now, effects);
    check_end(now, effects);
}

// ---- Handing out

void Dispatcher::make_hungry(Rank rank)
{
    if (droids_[rank].hungry) return;
    droids_[rank].hungry = true;
    hungry_.push_back(rank);
}

void Dispatcher::count_rate(DroidInfo& droid, TimePoint now, std::uint32_t finished_count)
{
    droid.rate_count += finished_count;
    double const elapsed_s = (now - droid.rate_since).s();
    if (elapsed_s < 0.2) return;
    double const rate = droid.rate_count / elapsed_s;
    droid.rate_per_s = droid.rate_per_s == 0 ? rate : 0.5 * (droid.rate_per_s + rate);
    droid.rate_since = now;
    droid.rate_count = 0;
}

/// How many hand-outs this Droid should hold now.
std::uint32_t Dispatcher::depth_wanted(DroidInfo const& droid, TimePoint) const
{
    if (policy_.batch) return policy_.batch * policy_.window;
    double const by_rate = droid.rate_per_s * policy_.ask_interval.s();
    auto const wanted = static_cast<std::uint32_t>(
        std::clamp<double>(std::max<double>(by_rate, droid.depth), 2.0 * droid.worker_count, max_depth));
    // Near the end everybody takes half of a fair share, so that nobody sits on a long queue when the rest is
    // idle.
    auto const share =
        table_.ready_count() * droid.worker_count / (2 * std::max<std::uint64_t>(1, workers_alive_)) + 1;
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, droid.outstanding_count + share));
}

void Dispatcher::feed(TimePoint now, Rank rank, DispatcherEffects& effects)
{
    auto& droid = droids_[rank];
    if (draining_ || finishing_ || droid.state != DroidState::alive) return;
    auto const depth = depth_wanted(droid, now);
    std::uint32_t room = depth > droid.outstanding_count ? depth - droid.outstanding_count : 0;
    if (policy_.batch)
        room -= room % policy_.batch;
    else if (room < std::max(1u, depth / 4) && droid.outstanding_count >= droid.worker_count &&
             droid.idle_count == 0)
        return;  // Rather a larger grant a little later.
    room = std::max(room, droid.idle_count);
    if (room == 0) return;
    runs_.clear();
    std::uint32_t const handed =
        may_start(now) ? table_.hand_out(rank, droid.file, room, runs_, droid.blocked_jobs) : 0;
    droid.idle_count -= std::min(droid.idle_count, handed);
    if (handed > 0) {
        droid.told_nothing = false;
        send_runs(rank, effects);
    }
    if (droid.idle_count > 0 && !droid.told_nothing) {
        droid.told_nothing = true;
        effects.send(rank, NothingNow{});
    }
}

void Dispatcher::send_runs(Rank rank, DispatcherEffects& effects)
{
    auto& droid = droids_[rank];
    for (auto const& run : runs_) {
        tell_file(droid, rank, run.file, effects);
        bool const text = table_.files()[run.file].text_ids;
        effects.send_grant(rank, run,
                           text ? std::string_view(table_.texts()[run.process_id]) : std::string_view{});
        droid.outstanding_count += run.count;
        droid.runs.push_back({run.begin, run.count});
        usual_events_ = run.events;
    }
    // Forget runs that have ended from the front; what stays is bounded by what it holds.
    while (!droid.runs.empty()) {
        auto& run = droid.runs.front();
        while (run.count > 0) {
            auto const copies = table_.copies(run.begin);
            if ((copies.count > 0 && copies.ranks[0] == rank) ||
                (copies.count > 1 && copies.ranks[1] == rank))
                break;
            ++run.begin;
            --run.count;
        }
        if (run.count > 0) break;
        droid.runs.pop_front();
    }
    if (droid.runs.size() > 64 && droid.runs.size() > 4ull * droid.outstanding_count) {
        // A long range at the front keeps ended ones behind it: sift once.
        std::deque<DroidInfo::HandedRun> kept;
        for (auto const& run : droid.runs) {
            for (RangeIndex range = run.begin; range < run.begin + run.count; ++range) {
                auto const copies = table_.copies(range);
                if ((copies.count > 0 && copies.ranks[0] == rank) ||
                    (copies.count > 1 && copies.ranks[1] == rank))
                    kept.push_back({range, 1});
            }
        }
        droid.runs = std::move(kept);
    }
}

void Dispatcher::tell_file(DroidInfo& droid, Rank rank, FileIndex file, DispatcherEffects& effects)
{
    if (file < droid.known_files.size() && droid.known_files[file]) return;
    if (file >= droid.known_files.size()) droid.known_files.resize(table_.files().size());
    droid.known_files[file] = true;
    auto const& entry = table_.files()[file];
    effects.send(rank, FileInfo{file, entry.job, entry.task_id, entry.panda_id, entry.file_id, entry.lfn,
                                entry.guid, entry.scope, entry.pfn});
}

void Dispatcher::revoke(Rank rank, RangeIndex range, Epoch epoch, DispatcherEffects& effects)
{
    HandOut const what{range, epoch.hand_out()};
    effects.send(rank, Revoke{{&what, 1}});
}

// ---- The tail

void Dispatcher::help_idle(TimePoint now, DispatcherEffects& effects)
{
    if (draining_ || finishing_ || now < next_help_ || table_.counts()[1] == 0 || !may_start(now)) return;
    next_help_ = now + help_interval;
    std::uint32_t idle = 0;
    std::uint32_t idle_for_all = 0;  // Of Droids that can run every job: what is recalled will suit them.
    for (auto const& droid : droids_) {
        if (droid.state != DroidState::alive || !droid.told_nothing) continue;
        idle += droid.idle_count;
        if (droid.blocked_jobs.empty()) idle_for_all += droid.idle_count;
    }
    if (idle == 0) {
        oldest_.clear();
        return;
    }
    recall_queued(now, idle_for_all, effects);
    if (policy_.second_copies) copy_oldest(now, effects);
}

/// Unstarted ranges come back from the longest queues, as many as there are idle workers elsewhere.
void Dispatcher::recall_queued(TimePoint now, std::uint32_t wanted, DispatcherEffects& effects)
{
    std::vector<std::pair<std::uint32_t, Rank>> queues;
    for (Rank rank = 1; rank < droids_.size(); ++rank) {
        auto const& droid = droids_[rank];
        bool const asked = droid.recalled.ns != 0 && now - droid.recalled < ask_again;
        if (droid.state == DroidState::alive && !asked && droid.outstanding_count > droid.worker_count)
            queues.push_back({droid.outstanding_count - droid.worker_count, rank});
    }
    std::sort(queues.begin(), queues.end(), std::greater<>());
    for (auto const& [excess, rank] : queues) {
        if (wanted == 0) break;
        auto const count = std::min(wanted, (excess + 1) / 2);
        droids_[rank].recalled = now;
        effects.send(rank, Recall{count});
        wanted -= count;
    }
}

/// Idle workers get a second copy of the ranges that have been running longest elsewhere.
void Dispatcher::copy_oldest(TimePoint now, DispatcherEffects& effects)
{
    for (Rank rank = 1; rank < droids_.size(); ++rank) {
        auto& droid = droids_[rank];
        if (!is_working(rank) || droid.outstanding_count == 0 || now - droid.asked_running < ask_again)
            continue;
        droid.asked_running = now;
        effects.send(rank, AskRunning{});
    }
    if (oldest_.empty()) return;
    std::sort(oldest_.begin(), oldest_.end(),
              [](OldRange const& a, OldRange const& b) { return a.age_ms > b.age_ms; });
    Rank helper = 1;
    for (auto const& old : oldest_) {
        // It may have ended, or been handed out anew, since its Droid told.
        auto const copies = table_.copies(old.what.range);
        if (copies.count == 0) continue;
        auto const last = copies.count - 1;
        if (copies.ranks[last] != old.rank || copies.epochs[last].hand_out() != old.what.hand_out) continue;
        auto const& row = table_.row(old.what.range);
        // A copy pays only if it would probably be done before the first: that one must be slower than usual.
        // A second one that is among the slowest itself makes room for a third.
        bool const is_second = copies.count == 2;
        auto const usual_ms =
            (is_second ? slow_event_us() : event_times_.quantile_us(0.5)) * (row.last - row.first + 1) / 1000;
        if (event_times_.count() == 0 || old.age_ms <= usual_ms) continue;
        if (is_second && old.what.hand_out >= most_copies) continue;
        while (helper < droids_.size() && !has_idle(helper)) ++helper;
        if (helper == droids_.size()) break;
        auto const job = table_.job(old.what.range);
        Rank other = helper;
        while (other < droids_.size() &&
               (other == old.rank || other == copies.ranks[0] || !has_idle(other) || is_blocked(other, job)))
            ++other;
        if (other == droids_.size()) continue;
        if (is_second) {
            take_back(old.rank, old.what.range, copies.epochs[last], effects);
            revoke(old.rank, old.what.range, copies.epochs[last], effects);
        }
        runs_.clear();
        if (!table_.copy_out(old.what.range, other, runs_)) continue;
        --droids_[other].idle_count;
        send_runs(other, effects);
        effects.note("second_copy", other, old.what.range, "its first copy has been running for long");
    }
    oldest_.clear();
}

// ---- Walltime

TimePoint Dispatcher::worker_deadline() const
{
    auto const end = std::min(policy_.end, drain_deadline_);
    if (end == TimePoint::never()) return end;
    auto const whole = std::min(policy_.walltime, end - policy_.begin);
    // Sealing takes a moment even where 2 % of the walltime is next to nothing.
    return end -
           std::max(std::min(policy_.seal_lead, whole * 0.02), std::min(Duration::from_s(1), whole * 0.1));
}

std::uint64_t Dispatcher::slow_event_us() const
{
    return event_times_.quantile_us(0.99);
}

/// Whether a usual range started now would still finish in time.
bool Dispatcher::may_start(TimePoint now) const
{
    if (policy_.end == TimePoint::never()) return true;
    auto const left = worker_deadline() - now;
    if (event_times_.count() == 0) return left > std::min(policy_.drain_lead, policy_.walltime * 0.1);
    return left.s() > static_cast<double>(slow_event_us()) * 1e-6 * usual_events_;
}

/// When rank 0 waits for nobody any more: a little before the end, as it has a journal to close.
TimePoint Dispatcher::last_moment() const
{
    auto const end = std::min(policy_.end, drain_deadline_);
    if (end == TimePoint::never()) return end;
    auto lead = std::max(Duration{}, end - worker_deadline());
    if (drain_deadline_ != TimePoint::never()) lead = std::clamp(end - drain_began_, Duration{}, lead);
    return end - lead * 0.1;
}

void Dispatcher::send_limits(TimePoint now, Rank rank, DispatcherEffects& effects) const
{
    Limits limits;
    if (worker_deadline() != TimePoint::never())
        limits.time_left_ms =
            static_cast<std::uint32_t>(std::clamp<std::int64_t>((worker_deadline() - now).ms(), 0, none - 1));
    if (event_times_.count() > 0)
        limits.event_time_us = static_cast<std::uint32_t>(std::min<std::uint64_t>(slow_event_us(), none - 1));
    effects.send(rank, limits);
}

// ---- The end

void Dispatcher::seal_if_done(JobIndex job, DispatcherEffects& effects)
{
    if (job >= job_sealed_.size() || job_sealed_[job] || !policy_.closed || table_.unended_in_job(job) > 0)
        return;
    job_sealed_[job] = true;
    for (Rank rank = 1; rank < droids_.size(); ++rank) {
        if (is_working(rank)) effects.send(rank, SealJob{job});
    }
}

/// A job that no living Droid can run waits for a better day: its ranges stay ready, the run ends without
/// them.
void Dispatcher::hold_jobs_nobody_can_run(DispatcherEffects& effects)
{
    for (JobIndex job = 0; job < panda_ids_.size(); ++job) {
        bool any_blocked = false;
        bool any_able = false;
        for (Rank rank = 1; rank < droids_.size(); ++rank) {
            auto const state = droids_[rank].state;
            bool const there =
                state == DroidState::alive || state == DroidState::resetting || state == DroidState::absent;
            any_blocked |= is_blocked(rank, job);
            any_able |= there && !is_blocked(rank, job);
        }
        if (!any_blocked || any_able || held_jobs_[job]) continue;
        held_jobs_[job] = true;
        for (auto const& droid : droids_) {
            if (!droid.trouble.empty()) why_stopped_ = droid.trouble;
        }
        effects.note("job_held", 0, table_.unended_in_job(job), why_stopped_);
    }
}

/// Ranges that have not ended and that some Droid could run.
std::uint64_t Dispatcher::workable_count() const
{
    std::uint64_t count = table_.unended_count();
    for (JobIndex job = 0; job < held_jobs_.size(); ++job) {
        if (held_jobs_[job]) count -= table_.unended_in_job(job);
    }
    return count;
}

void Dispatcher::check_end(TimePoint now, DispatcherEffects& effects)
{
    if (over_) return;
    bool const all_held =
        !held_jobs_.empty() && std::find(held_jobs_.begin(), held_jobs_.end(), false) == held_jobs_.end();
    if (!finishing_ && (policy_.closed || all_held) && workable_count() == 0) {
        finishing_ = true;
        for (Rank rank = 1; rank < droids_.size(); ++rank) {
            if (is_working(rank)) effects.send(rank, NothingEver{});
        }
    }
    bool const too_late = (draining_ || finishing_) && now > last_moment();
    if (waited_for_count_ > 0 && !too_late) return;
    over_ = true;
    if (table_.unended_count() > 0 && why_stopped_.empty())
        why_stopped_ = finishing_ ? "outputs were lost when the Droids had left" : "no Droid is left";
    effects.note("over", 0, table_.unended_count(), why_stopped_);
}

int Dispatcher::exit_code() const
{
    auto const& counts = table_.counts();
    if (table_.unended_count() == 0 && policy_.closed)
        return counts[static_cast<std::size_t>(RangeState::failed)] +
                   counts[static_cast<std::size_t>(RangeState::fatal)] >
               0;
    bool const is_held = workable_count() < table_.unended_count();
    return is_held && !draining_ ? 4 : 3;
}

}  // namespace yoda
