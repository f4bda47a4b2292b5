// SPDX-License-Identifier: Apache-2.0
#include "world.hpp"

#include <optional>

#include "bundle_names.hpp"
#include "ranges.hpp"

namespace yoda::sim {

namespace {

constexpr ProcessId nobody = 0;
constexpr unsigned most_lives_in_vain = 200;
/// Larger worlds' disks are not copied at every turn.
constexpr std::uint64_t crash_limit = 20'000;

}  // namespace

World::World(Plan const& plan, Trace* trace) : plan_(plan), sim_(plan, trace), ledger_(sim_)
{
    ledger_.know_ranges(plan.range_count());
    for (std::size_t i = 0; i < plan.faults.size() && !plan.faults_by_progress; ++i)
        sim_.at(TimePoint{} + plan.faults[i].at, nobody, EventKind::fault, i);
    for (std::size_t i = 0; i < plan.notes.size(); ++i)
        sim_.at(TimePoint{} + plan.notes[i].at, nobody, EventKind::note, i);
    sim_.at({}, nobody, EventKind::life);
    sim_.at(TimePoint{} + watch_interval(), nobody, EventKind::watch);
}

World::~World() = default;

Outcome World::run()
{
    while (!complete_) {
        if (sim_.agenda.empty()) throw Violation{"liveness", "nothing will ever happen again"};
        Event const event = sim_.agenda.take();
        sim_.now = event.at;
        // Each process looks at its clock, whatever happens; Droids of lives that
        // ended at once live on a while.
        auto const ticks = static_cast<std::uint64_t>((sim_.now - TimePoint{}).s() / plan_.tick.s()) + 1;
        if (++event_count_ > 1'000'000 + 500 * ledger_.range_count() + 10 * (most_droids_ + 1) * ticks)
            throw Violation{"liveness", "it goes on and on"};
        handle(event);
        if (plan_.faults_by_progress) do_due_fault();
    }
    auto& outcome = outcome_;
    outcome.last_finish_s = (ledger_.last_finish() - TimePoint{}).s();
    outcome.payload_fault_count = ledger_.payload_failure_count();
    outcome.range_count = ledger_.range_count();
    outcome.finished_count = ledger_.finish_count();
    outcome.execution_count = ledger_.execution_count();
    outcome.event_count = event_count_;
    outcome.life_count = lives_;
    outcome.virtual_s = (sim_.now - TimePoint{}).s();
    return outcome;
}

void World::do_due_fault()
{
    if (next_fault_ == plan_.faults.size()) return;
    auto const& fault = plan_.faults[next_fault_];
    auto const share = fault.at.s() / (1.2 * plan_.expected.s());
    if (static_cast<double>(ledger_.progress_count()) < share * static_cast<double>(plan_.range_count()))
        return;
    ++next_fault_;
    do_fault(fault);
}

void World::handle(Event const& event)
{
    switch (event.kind) {
        case EventKind::frame:
            return take_frame(event);
        case EventKind::fault:
            return do_fault(plan_.faults[event.data]);
        case EventKind::note:
            return do_note(event.data);
        case EventKind::life:
            return begin_life();
        case EventKind::kill_life:
            return kill_life(static_cast<Life>(event.data));
        case EventKind::watch:
            return watch();
        case EventKind::calm:
            if (event.data == 0) sim_.slow_frames = {};
            if (event.data == 1) sim_.slow_syncs = {};
            if (event.data == 2) sim_.disk.full = false;
            return;
        case EventKind::round:
        case EventKind::tick:
        case EventKind::journal:
        case EventKind::writer:
        case EventKind::payload:
            break;
    }
    if (chief_ && event.process == chief_->self()) {
        chief_->on_event(event);
        check_life();
    } else if (auto* const droid = find_droid(event.process)) {
        droid->node->on_event(event);
    }
}

/// Up links have even numbers, down links odd ones.
void World::take_frame(Event const& event)
{
    auto* const droid = find_droid(static_cast<ProcessId>(event.data / 2));
    if (!droid) return;
    if (event.data % 2 == 1) return droid->node->on_event(event);
    std::string frame;
    if (!droid->up->take(frame)) return;
    // A zombie's frames find a new rank 0 only where the transport would let them.
    if (chief_ && (droid->life == chief_->life() || plan_.zombies_speak)) chief_->receive(droid->rank, frame);
}

World::DroidProcess* World::find_droid(ProcessId process)
{
    return process < by_process_.size() ? by_process_[process] : nullptr;
}

std::vector<World::DroidProcess*> World::living()
{
    std::vector<DroidProcess*> found;
    for (auto const& droid : droids_) {
        if (!droid->node->is_over()) found.push_back(droid.get());
    }
    return found;
}

// ---- Lives

void World::begin_life()
{
    // While the disk is full none can do anything, however often they are started.
    bool const in_vain = ledger_.progress_count() == progress_of_lives_;
    progress_of_lives_ = ledger_.progress_count();
    if (!in_vain) lives_in_vain_ = 0;
    if (!sim_.disk.full && ++lives_in_vain_ > most_lives_in_vain)
        throw Violation{"liveness", "too many lives without any progress"};
    ++lives_;
    ProcessId const self = next_process_++;
    if (sim_.crashes.chance(0.05)) {  // Recovery itself is killed.
        sim_.disk.interrupted = self;
        sim_.disk.interrupted_in = static_cast<std::uint32_t>(sim_.crashes.log_pick(1, 100) - 1);
    }
    std::optional<Recovered> opened;
    try {
        opened = recover(plan_, sim_.disk, self);
    } catch (CannotOpen const&) {
        sim_.tell("the run cannot be opened");
    } catch (Interrupted const&) {
        sim_.tell("recovery is killed");
        sim_.disk.crash(self, sim_.crashes);
    }
    sim_.disk.interrupted = Disk::no_process;
    if (!opened) {
        sim_.at(sim_.now + plan_.life_gap * sim_.machine.unit() + Duration::from_s(1), nobody,
                EventKind::life);
        return;
    }
    auto& recovered = *opened;
    sim_.tell("life {} begins; {}", recovered.life, recovered.findings.print());
    ledger_.check_recovered(recovered.table, sim_.disk);
    ledger_.adopt_recovered(recovered.table);
    ledger_.begin_life(recovered.life);
    for (auto const& note : inbox_) {
        if (plan_.notes[note.number].kind == NoteKind::closed && outbox_.contains(note.name))
            recovered.closed = true;
    }
    nothing_left_ = false;
    TimePoint const end = plan_.walltime < Duration::max() ? sim_.now + plan_.walltime : TimePoint::never();
    Life const life = recovered.life;

    std::vector<Peer> peers(1);
    by_process_.resize(next_process_ + plan_.droid_count, nullptr);
    for (Rank rank = 1; rank <= plan_.droid_count; ++rank) {
        auto droid = std::make_unique<DroidProcess>();
        droid->process = next_process_++;
        droid->rank = rank;
        droid->life = life;
        droid->up = std::make_unique<Link>();
        droid->down = std::make_unique<Link>();
        droid->node =
            std::make_unique<Node>(sim_, ledger_, droid->process, life, rank, *droid->up, *droid->down, self);
        peers.push_back({droid->down.get(), droid->process, 2ull * droid->process + 1});
        by_process_[droid->process] = droid.get();
        sim_.at(sim_.now + plan_.loop_time * (1 + 100 * sim_.machine.unit()), droid->process,
                EventKind::tick);
        droids_.push_back(std::move(droid));
    }
    most_droids_ = std::max(most_droids_, droids_.size());
    chief_ = std::make_unique<Chief>(sim_, ledger_, self, std::move(recovered), std::move(peers), end, inbox_,
                                     outbox_);
    life_end_ = end;
    drain_begun_ = TimePoint::never();
    if (end != TimePoint::never()) sim_.at(end, nobody, EventKind::kill_life, life);
    if (!chief_->begin()) {
        cannot_begin_ = true;
        kill_rank_zero();
    }
}

/// Whether the life is over by its own decision.
void World::check_life()
{
    if (!chief_ || !chief_->settled()) return;
    chief_->end();
    sim_.tell("life {} is over, exit code {}: {}", chief_->life(), chief_->dispatcher().exit_code(),
              chief_->dispatcher().why_stopped());
    if (!chief_->broken()) {
        if (!ledger_.records_lost()) chief_->check_replay();
        ledger_.check_counts(chief_->dispatcher().table());
    }
    bool const all_notes = outbox_.size() == plan_.notes.size();
    nothing_left_ = !chief_->broken() && chief_->dispatcher().table().unended_count() == 0;
    if (nothing_left_ && all_notes) {
        auto const& table = chief_->dispatcher().table();
        auto wanted = plan_.range_count();
        for (auto const& note : plan_.notes) wanted += note.count;
        if (table.size() != wanted && !ledger_.records_lost())
            throw Violation{"feed", fmt::format("{} ranges, {} have been fed", table.size(), wanted)};
        ledger_.check_complete(table);
        ledger_.check_outputs(table, sim_.disk);
        check_poison();
        complete_ = true;
    }
    end_life(false);
}

void World::end_life(bool all_die)
{
    // The disk keeps what was written: the machine goes on, only the process has ended.
    Life const life = chief_->life();
    chief_.reset();
    ledger_.end_life();
    for (auto* const droid : living()) {
        if (droid->life != life) continue;
        if (all_die) kill_droid(*droid, false, false);
        // Others live on until they notice the silence.
    }
    if (complete_) return;
    auto next = sim_.now + plan_.life_gap * sim_.machine.unit();
    if (std::exchange(cannot_begin_, false))
        next = next + Duration::from_s(1);  // A full disk stays full a while.
    // With nothing left to do but a note to come, nobody would start another life before it is there.
    if (nothing_left_ && inbox_.size() < plan_.notes.size())
        next = std::max(next, TimePoint{} + plan_.notes[inbox_.size()].at + Duration::from_ms(1));
    sim_.at(next, nobody, EventKind::life);
}

void World::kill_rank_zero()
{
    if (!chief_) return;
    sim_.tell("rank 0 dies");
    try_crash();
    sim_.disk.crash(chief_->self(), sim_.crashes);
    for (auto* const droid : living()) {
        if (droid->life != chief_->life()) continue;
        droid->down->cut(sim_.crashes.pick(0, droid->down->under_way()));
        if (!plan_.zombies_speak) droid->up->cut(0);
    }
    // Often the launcher ends the job's other processes too.
    end_life(sim_.crashes.chance(0.5));
}

void World::kill_life(Life life)
{
    if (!chief_ || chief_->life() != life) return;
    bool const excused = sim_.now < trouble_until_ || chief_->is_frozen();
    if (!excused) {
        if (!chief_->over())
            throw Violation{"drain", fmt::format("life {} had not ended at the end of its allocation", life)};
    }
    kill_rank_zero();
    for (auto* const droid : living()) {
        if (droid->life == life) kill_droid(*droid, true, false);
    }
}

void World::kill_droid(DroidProcess& droid, bool with_node, bool told)
{
    droid.node->die();
    droid.up->cut(sim_.crashes.pick(0, droid.up->under_way()));
    droid.down->cut(0);
    if (with_node) sim_.disk.crash(droid.process, sim_.crashes);
    if (told && chief_ && chief_->life() == droid.life) chief_->on_exit(droid.rank);
}

// ---- Faults and notes

void World::do_fault(Fault const& fault)
{
    sim_.tell("FAULT {}", print_fault(fault));
    ++outcome_.faults[static_cast<std::size_t>(fault.kind)];
    if (ledger_.range_count() <= crash_limit) try_crash();
    auto const alive = living();
    auto* const droid = alive.empty() ? nullptr : alive[fault.target % alive.size()];
    auto const excuse = [&](Duration time) { trouble_until_ = std::max(trouble_until_, sim_.now + time); };
    switch (fault.kind) {
        case FaultKind::kill_droid:
        case FaultKind::lose_node:
            if (droid) kill_droid(*droid, fault.kind == FaultKind::lose_node, fault.told);
            return;
        case FaultKind::freeze_droid:
            if (droid) droid->node->freeze(sim_.now + fault.length);
            excuse(fault.length + plan_.silence);
            return;
        case FaultKind::freeze_disk:
            if (droid) droid->node->freeze_disk(sim_.now + fault.length);
            excuse(fault.length + plan_.silence);
            return;
        case FaultKind::kill_rank_zero:
            return kill_rank_zero();
        case FaultKind::freeze_rank_zero:
            if (chief_) chief_->freeze(sim_.now + fault.length);
            excuse(fault.length + plan_.silence);
            return;
        case FaultKind::slow_network:
            if (sim_.slow_frames.ns > 0) return;
            sim_.slow_frames = fault.length;
            excuse(fault.length * 3 + plan_.silence);
            sim_.at(sim_.now + fault.length * 3, nobody, EventKind::calm, 0);
            return;
        case FaultKind::slow_disk:
            if (sim_.slow_syncs.ns > 0) return;
            sim_.slow_syncs = fault.length;
            excuse(fault.length * 8 + plan_.silence);
            sim_.at(sim_.now + fault.length * 3, nobody, EventKind::calm, 1);
            return;
        case FaultKind::full_disk:
            sim_.disk.full = true;
            excuse(fault.length * 2);
            sim_.at(sim_.now + fault.length, nobody, EventKind::calm, 2);
            return;
        case FaultKind::bundle_error:
            if (droid) sim_.disk.broken_for = droid->process;
            return;
        case FaultKind::journal_error:
            if (chief_) sim_.disk.broken_for = chief_->self();
            return;
        case FaultKind::bad_block:
            return damage_journal(fault);
        case FaultKind::drain:
            if (chief_) chief_->drain(sim_.now + plan_.patience() * 0.1);
            return;
    }
}

/// A block that was durable can be read no more: what it said is found in the bundles.
void World::damage_journal(Fault const& fault)
{
    constexpr std::uint64_t block_bytes = 512;
    auto const& names = sim_.disk.names(Folder::journal);
    if (names.empty()) return;
    auto const& [name, id] =
        *std::next(names.begin(), static_cast<std::ptrdiff_t>(fault.target % names.size()));
    auto& file = sim_.disk.change(id);
    if (file.synced < block_bytes) return;
    auto const block = mix(plan_.seed, fault.target) % (file.synced / block_bytes);
    std::fill_n(file.bytes.begin() + static_cast<std::ptrdiff_t>(block * block_bytes), block_bytes, '\0');
    ledger_.allow_lost_records();
    sim_.tell("block {} of {} is zeros", block, name);
}

void World::do_note(std::size_t number)
{
    if (plan_.notes[number].kind == NoteKind::lose_bundle) return lose_bundle(number);
    inbox_.push_back({fmt::format("{:06}", number), number, {}});
}

/// Harvest finds a sealed bundle damaged.
void World::lose_bundle(std::size_t number)
{
    std::vector<std::string> sealed;
    for (auto const& [name, id] : sim_.disk.names(Folder::bundles)) {
        if (name.ends_with(".manifest.json")) sealed.push_back(name.substr(0, name.find('.')));
    }
    InboxNote note{fmt::format("{:06}", number), number, {}};
    if (!sealed.empty()) {
        note.bundle = sealed[mix(plan_.seed, number) % sealed.size()];
        if (auto const* const index = sim_.disk.find(Folder::bundles, note.bundle + ".index")) {
            if (auto const decoded = decode_index(index->bytes)) ledger_.on_bundle_damaged(decoded->origin);
        }
        auto const& names = sim_.disk.names(Folder::bundles);
        if (auto const tar = names.find(note.bundle + ".tar"); tar != names.end()) {
            for (auto& extent : sim_.disk.change(tar->second).extents) extent.good = false;
        }
    }
    inbox_.push_back(std::move(note));
}

// ---- Watching

void World::watch()
{
    sim_.at(sim_.now + watch_interval(), nobody, EventKind::watch);
    if (auto const progress = ledger_.progress_count() + outbox_.size(); progress != last_progress_) {
        last_progress_ = progress;
        progress_at_ = sim_.now;
    }
    if (sim_.now - progress_at_ > plan_.patience())
        throw Violation{"liveness",
                        fmt::format("nothing has been done for {:.1f} s", (sim_.now - progress_at_).s())};
    if (chief_) chief_->check_queues();
    if (chief_ && ledger_.range_count() <= crash_limit) try_crash();
    check_poison();
    check_revoked();
    // Old Droids need not be kept for ever.
    while (droids_.size() > plan_.droid_count && droids_.front()->node->is_over() &&
           droids_.front()->life != ledger_.life()) {
        by_process_[droids_.front()->process] = nullptr;
        droids_.erase(droids_.begin());
    }
}

/// Nobody may go on for long with a range that has ended: two looks at a quiet time.
void World::check_revoked()
{
    std::set<std::pair<ProcessId, RangeIndex>> now;
    bool const quiet = chief_ && !chief_->broken() && sim_.now >= trouble_until_ && !chief_->is_frozen();
    for (auto const* const droid : quiet ? living() : std::vector<DroidProcess*>{}) {
        if (droid->life != chief_->life() || droid->node->is_frozen() || !droid->node->has_begun()) continue;
        // One that is silent (its disk is stuck) is told nothing until it speaks again.
        if (chief_->dispatcher().droid(droid->rank).state != DroidState::alive) continue;
        droid->node->core().visit_running([&](HandOut what, JobIndex, TimePoint) {
            if (is_ended(chief_->dispatcher().table().state(what.range)))
                now.emplace(droid->process, what.range);
        });
    }
    for (auto const& [process, range] : now) {
        if (running_in_vain_.contains({process, range}))
            throw Violation{"revoke",
                            fmt::format("range {} has ended, and process {} still runs it", range, process)};
    }
    running_in_vain_ = std::move(now);
}

/// Recovery after a crash at this very moment, on a copy of the disk, keeps all promises.
void World::try_crash()
{
    ++outcome_.crash_count;
    Disk disk = sim_.disk;
    Random random(mix(plan_.seed, event_count_));
    disk.full = false;
    for (auto const& droid : droids_) disk.crash(droid->process, random);
    if (chief_) disk.crash(chief_->self(), random);
    auto const recovered = recover(plan_, disk, 0);
    ledger_.check_recovered(recovered.table, disk);
}

/// Poison must not be run for ever.
void World::check_poison() const
{
    auto const losses = plan_.faults.size() * 2 + lives_ * 2 + plan_.notes.size();
    auto const bound = plan_.tries * plan_.payload_deaths * 2 + losses * 4 + 8 + 8 * lives_;
    for (RangeIndex range = 0; range < ledger_.range_count(); ++range) ledger_.check_executions(range, bound);
}

}  // namespace yoda::sim
