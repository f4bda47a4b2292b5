// SPDX-License-Identifier: Apache-2.0
#include "core/table/event_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <unordered_set>

namespace yoda {

namespace {

constexpr unsigned nibble = 15;

std::string origin_key(BundleOrigin const& origin)
{
    return fmt::format("{}.{}.{}.{}", origin.job, origin.life, origin.rank, origin.sequence);
}

constexpr std::size_t at(RangeState state)
{
    return static_cast<std::size_t>(state);
}

/// Names may have blanks, so the length of the first one tells where the second begins.
std::string file_key(JobIndex job, RangeId const* id, std::string_view guid, std::string_view lfn)
{
    return id ? fmt::format("{} {}-{}-{} {} {}{}", job, id->task_id, id->panda_id, id->file_id, guid.size(),
                            guid, lfn)
              : fmt::format("{} text {} {}{}", job, guid.size(), guid, lfn);
}

std::string file_key(FileEntry const& file)
{
    RangeId const id{file.task_id, file.panda_id, file.file_id, 0, 0};
    return file_key(file.job, file.text_ids ? nullptr : &id, file.guid, file.lfn);
}

/// True if no two of these rows have the same process_id; false if some have, or
/// if they lie too far apart for a bit each.
bool have_own_process_ids(std::vector<RangeIndex> const& ranges, std::vector<RangeRow> const& rows)
{
    if (ranges.empty()) return true;
    std::uint32_t least = UINT32_MAX;
    std::uint32_t most = 0;
    for (auto const range : ranges) {
        least = std::min(least, rows[range].process_id);
        most = std::max(most, rows[range].process_id);
    }
    if (most - least > 64 * ranges.size()) return false;
    std::vector<bool> seen(std::size_t{most - least} + 1);
    for (auto const range : ranges) {
        auto bit = seen[rows[range].process_id - least];
        if (bit) return false;
        bit = true;
    }
    return true;
}

}  // namespace

FileIndex EventTable::add_file(FileEntry entry)
{
    while (jobs_.size() <= entry.job) jobs_.emplace_back();
    files_.push_back(std::move(entry));
    file_counts_.emplace_back();
    return static_cast<FileIndex>(files_.size() - 1);
}

std::uint32_t EventTable::add_text(std::string_view id)
{
    texts_.emplace_back(id);
    return static_cast<std::uint32_t>(texts_.size() - 1);
}

RangeIndex EventTable::add_row(RangeRow const& row)
{
    auto const range = static_cast<RangeIndex>(rows_.size());
    rows_.push_back(row);
    progress_.emplace_back();
    auto const& file = files_[row.file];
    ++counts_[0];
    ++file_counts_[row.file][0];
    ++jobs_[file.job][0];
    ready_.add(file.job, row.file, {range, 1}, false);
    return range;
}

FileIndex EventTable::find_file(JobIndex job, RangeView const& range, std::string_view pfn, RangeId const* id)
{
    auto const is_it = [&](FileEntry const& file) {
        return file.job == job && file.lfn == range.lfn && file.guid == range.guid &&
               file.text_ids == (id == nullptr) &&
               (!id || (file.task_id == id->task_id && file.panda_id == id->panda_id &&
                        file.file_id == id->file_id));
    };
    if (last_added_ != none && is_it(files_[last_added_])) return last_added_;
    // Files that were loaded, not found by us, are not in the map yet.
    for (; mapped_file_count_ < files_.size(); ++mapped_file_count_)
        file_numbers_.try_emplace(file_key(files_[mapped_file_count_]), mapped_file_count_);
    auto const [found, fresh] = file_numbers_.try_emplace(file_key(job, id, range.guid, range.lfn), none);
    if (fresh) {
        FileEntry entry;
        entry.job = job;
        entry.text_ids = id == nullptr;
        if (id) {
            entry.task_id = id->task_id;
            entry.panda_id = id->panda_id;
            entry.file_id = id->file_id;
        }
        entry.lfn = range.lfn;
        entry.guid = range.guid;
        entry.scope = range.scope;
        entry.pfn = pfn;
        found->second = add_file(std::move(entry));
    }
    last_added_ = found->second;
    return last_added_;
}

Result<RangeIndex> EventTable::add_range(JobIndex job, RangeView const& range, std::string_view pfn)
{
    constexpr std::int64_t limit = std::numeric_limits<std::uint32_t>::max();
    auto const refuse = [&](std::string why) {
        return Error{ErrorKind::bad_input,
                     fmt::format("event range '{}' cannot be taken", range.id),
                     std::move(why),
                     {}};
    };
    if (range.id.empty()) return refuse("it has no eventRangeID");
    if (range.start_event < 0 || range.last_event < range.start_event)
        return refuse(fmt::format("its events {}..{} are out of order", range.start_event, range.last_event));
    if (range.last_event >= limit)
        return refuse(fmt::format("its event {} is beyond 32 bits", range.last_event));
    if (range.id.size() > 255 || range.lfn.size() > 255 || range.guid.size() > 255 ||
        range.scope.size() > 255)
        return refuse("a name of it is longer than 255 bytes");
    if (pfn.size() > 2048) return refuse("its input's path is longer than 2,048 bytes");
    if (rows_.size() >= none - 1) return refuse("the event table is full (2^32 ranges)");
    auto const id = RangeId::parse(range.id);
    bool const numeric =
        id && id->process_id < limit && id->attempt <= std::numeric_limits<std::uint16_t>::max();
    RangeRow row;
    row.file = find_file(job, range, pfn, numeric ? &*id : nullptr);
    row.first = static_cast<std::uint32_t>(range.start_event);
    row.last = static_cast<std::uint32_t>(range.last_event);
    if (numeric) {
        row.process_id = static_cast<std::uint32_t>(id->process_id);
        row.attempt = static_cast<std::uint16_t>(id->attempt);
    } else {
        row.process_id = add_text(range.id);
    }
    return add_row(row);
}

Status EventTable::check_duplicates() const
{
    // Entries that could hold the same id: one input file under several names or in
    // several jobs, and all texts.
    std::map<std::array<std::int64_t, 3>, std::size_t> group_numbers;
    constexpr std::size_t text_group = 0;
    std::size_t group_count = 1;
    struct FileView {
        std::size_t group = text_group;
        std::uint32_t process_id = 0;
        bool any = false;
        bool ordered = true;
    };
    std::vector<FileView> views(files_.size());
    std::vector<std::uint32_t> entry_counts(1);
    for (FileIndex file = 0; file < files_.size(); ++file) {
        auto const& entry = files_[file];
        if (entry.text_ids) continue;
        auto const [found, fresh] =
            group_numbers.try_emplace({entry.task_id, entry.panda_id, entry.file_id}, group_count);
        if (fresh) ++group_count, entry_counts.push_back(0);
        views[file].group = found->second;
        ++entry_counts[found->second];
    }
    // Most files come with growing ids, or with each process_id once: one pass or two.
    // Only the others are sorted.
    for (auto const& row : rows_) {
        auto& view = views[row.file];
        if (view.any && row.process_id <= view.process_id) view.ordered = false;
        view.process_id = row.process_id;
        view.any = true;
    }
    std::vector<std::vector<RangeIndex>> suspects(group_count);
    for (RangeIndex range = 0; range < size(); ++range) {
        auto const& view = views[rows_[range].file];
        if (view.group == text_group || !view.ordered || entry_counts[view.group] > 1)
            suspects[view.group].push_back(range);
    }
    for (std::size_t group = 0; group < group_count; ++group) {
        auto& ranges = suspects[group];
        if (group != text_group && have_own_process_ids(ranges, rows_)) continue;
        auto const less = [&](RangeIndex a, RangeIndex b) {
            auto const& x = rows_[a];
            auto const& y = rows_[b];
            if (group == text_group) return texts_[x.process_id] < texts_[y.process_id];
            return x.process_id != y.process_id ? x.process_id < y.process_id : x.attempt < y.attempt;
        };
        std::sort(ranges.begin(), ranges.end(), less);
        auto const twice = std::adjacent_find(ranges.begin(), ranges.end(), [&](RangeIndex a, RangeIndex b) {
            return !less(a, b) && !less(b, a);
        });
        if (twice != ranges.end())
            return Error{ErrorKind::bad_input,
                         fmt::format("event range '{}' is there twice", range_id(*twice)),
                         "an eventRangeID names one range", "ask for the ranges anew, or remove the copy"};
    }
    return {};
}

Result<std::vector<bool>> EventTable::find_known(JobIndex job, std::vector<EventRange> const& ranges) const
{
    std::vector<bool> known(ranges.size());
    std::unordered_map<std::string_view, std::size_t> wanted;
    std::unordered_set<std::uint64_t> numbers;  // A cheap sieve: most rows need no text made of them.
    auto const number = [](std::int64_t file_id, std::int64_t process_id) {
        constexpr std::uint64_t spread = 0x9E37'79B9'7F4A'7C15;
        return static_cast<std::uint64_t>(file_id) * spread ^ static_cast<std::uint64_t>(process_id);
    };
    for (std::size_t i = 0; i < ranges.size(); ++i) {
        wanted.emplace(ranges[i].id, i);
        if (auto const id = RangeId::parse(ranges[i].id)) numbers.insert(number(id->file_id, id->process_id));
    }
    for (RangeIndex range = 0; range < size(); ++range) {
        auto const& file = files_[rows_[range].file];
        if (!file.text_ids && !numbers.contains(number(file.file_id, rows_[range].process_id))) continue;
        auto const found = wanted.find(range_id(range));
        if (found == wanted.end()) continue;
        if (this->job(range) != job || event_range(range) != ranges[found->second])
            return Error{ErrorKind::bad_input,
                         fmt::format("event range '{}' is there already", found->first),
                         "an eventRangeID names one range",
                         {}};
        known[found->second] = true;
    }
    return known;
}

std::uint32_t EventTable::hand_out(Rank rank, FileIndex& file, std::uint32_t max_count,
                                   std::vector<RangeRun>& runs, std::vector<bool> const& blocked)
{
    std::uint32_t handed = 0;
    std::size_t const fixed_count = runs.size();
    while (handed < max_count) {
        RangeInterval const interval = ready_.take(file, max_count - handed, blocked);
        if (interval.count == 0) break;
        std::uint32_t moved = 0;
        for (RangeIndex range = interval.begin; range < interval.begin + interval.count; ++range) {
            auto& progress = progress_[range];
            if (progress.state != RangeState::ready)
                continue;  // It ended while it waited: a lost Droid's late finish.
            if (progress.hand_out == UINT16_MAX) {
                progress.burnt = static_cast<std::uint8_t>(policy_.tries);
                progress.state = RangeState::sent;
                --counts_[at(RangeState::ready)], ++counts_[at(RangeState::sent)];
                --file_counts_[file][0], ++file_counts_[file][1];
                --jobs_[files_[file].job][0], ++jobs_[files_[file].job][1];
                leave_sent(range, code::general_error);
                worn_out_.push_back(range);
                continue;
            }
            progress.state = RangeState::sent;
            progress.holder = rank;
            ++progress.hand_out;
            ++moved;
            auto const& row = rows_[range];
            append_run({range, 1, row.file, row.first, 0, row.last - row.first + 1, row.process_id, 0,
                        row.attempt, progress.hand_out},
                       runs, fixed_count, files_[row.file].text_ids ? 1 : max_run_count);
        }
        handed += moved;
        auto& file_counts = file_counts_[file];
        auto& job_counts = jobs_[files_[file].job];
        for (StateCounts* counts : {&counts_, &file_counts, &job_counts}) {
            (*counts)[at(RangeState::ready)] -= moved;
            (*counts)[at(RangeState::sent)] += moved;
        }
    }
    return handed;
}

bool EventTable::copy_out(RangeIndex range, Rank rank, std::vector<RangeRun>& runs)
{
    auto& progress = progress_[range];
    if (progress.state != RangeState::sent || progress.holder == rank || progress.hand_out == UINT16_MAX)
        return false;
    // A copy more would keep a range alive that fails each time, copy after copy.
    if ((progress.burnt & nibble) >= policy_.tries) return false;
    auto const [found, fresh] = second_copies_.try_emplace(range, SecondCopy{progress.hand_out, none, 0});
    auto& second = found->second;
    if (second.rank != none) return false;
    second.rank = rank;
    second.hand_out = ++progress.hand_out;
    auto const& row = rows_[range];
    runs.push_back({range, 1, row.file, row.first, 0, row.last - row.first + 1, row.process_id, 0,
                    row.attempt, progress.hand_out});
    return true;
}

EventTable::Copies EventTable::copies(RangeIndex range) const
{
    Copies copies;
    if (range >= size() || progress_[range].state != RangeState::sent) return copies;
    auto const& progress = progress_[range];
    copies.ranks[0] = progress.holder;
    copies.epochs[0] = Epoch::make(life_, progress.hand_out);
    copies.count = 1;
    if (second_copies_.empty()) return copies;
    auto const second = second_copies_.find(range);
    if (second == second_copies_.end()) return copies;
    copies.epochs[0] = Epoch::make(life_, second->second.first_hand_out);
    if (second->second.rank == none) return copies;
    copies.ranks[1] = second->second.rank;
    copies.epochs[1] = Epoch::make(life_, second->second.hand_out);
    copies.count = 2;
    return copies;
}

void EventTable::move(RangeIndex range, RangeState to)
{
    FileIndex const file = rows_[range].file;
    auto& state = progress_[range].state;
    for (StateCounts* counts : {&counts_, &file_counts_[file], &jobs_[files_[file].job]}) {
        --(*counts)[at(state)];
        ++(*counts)[at(to)];
    }
    state = to;
}

Outcome EventTable::finish(RangeIndex range, Epoch epoch, BundleNumber bundle, std::uint32_t cpu_ms,
                           std::uint32_t wall_ms)
{
    if (range >= size() || epoch.life() != life_) return Outcome::ignored;
    auto& progress = progress_[range];
    if (is_ended(progress.state) || epoch.hand_out() == 0 || epoch.hand_out() > progress.hand_out)
        return Outcome::ignored;
    if (bundle != none && bundles_[bundle].lost) return Outcome::ignored;
    move(range, RangeState::finished);
    if (!second_copies_.empty()) second_copies_.erase(range);
    rows_[range].winner = epoch.hand_out();
    progress.holder = bundle;
    progress.cpu_ms = cpu_ms;
    progress.wall_ms = wall_ms;
    return Outcome::accepted;
}

void EventTable::return_to_ready(RangeIndex range)
{
    move(range, RangeState::ready);
    ready_.add(job(range), rows_[range].file, {range, 1}, true);
}

Outcome EventTable::leave_sent(RangeIndex range, std::uint16_t error_code)
{
    auto& progress = progress_[range];
    progress.holder = error_code ? error_code : none;
    if ((progress.burnt & nibble) >= policy_.tries) {
        // Given back by the last copy, when the other one had used up the tries.
        if (error_code == 0) progress.holder = code::payload_failure;
        move(range, RangeState::failed);
        return Outcome::ended;
    }
    return_to_ready(range);
    return Outcome::retried;
}

Outcome EventTable::fail(RangeIndex range, Epoch epoch, Rank rank, FailKind kind, std::uint16_t error_code)
{
    auto const holders = copies(range);
    unsigned which = 0;
    while (which < holders.count && !(holders.ranks[which] == rank && holders.epochs[which] == epoch))
        ++which;
    if (which == holders.count) return Outcome::ignored;

    auto& progress = progress_[range];
    if (kind == FailKind::fatal) {
        second_copies_.erase(range);
        progress.holder = error_code ? error_code : none;
        move(range, RangeState::fatal);
        return Outcome::ended;
    }
    unsigned burnt = progress.burnt & nibble;
    unsigned deaths = progress.burnt >> 4;
    if (kind == FailKind::failed) ++burnt;
    if (kind == FailKind::payload_death && ++deaths >= policy_.payload_deaths) {
        deaths = 0;
        ++burnt;
    }
    progress.burnt = static_cast<std::uint8_t>(deaths << 4 | std::min(burnt, nibble));
    if (holders.count == 2) {  // The other copy goes on; progress.hand_out stays the highest ever given.
        if (which == 0) {      // The second copy is always the latest hand-out: it needs no entry of its own.
            progress.holder = holders.ranks[1];
            second_copies_.erase(range);
        } else {
            second_copies_.at(range).rank = none;
        }
        return Outcome::retried;
    }
    second_copies_.erase(range);
    return leave_sent(range, error_code);
}

std::uint64_t EventTable::drop_job(JobIndex job)
{
    if (job >= jobs_.size()) return 0;
    ready_.drop_job(job);
    std::uint64_t dropped = 0;
    for (RangeIndex range = 0; range < size(); ++range) {
        if (files_[rows_[range].file].job != job || is_ended(progress_[range].state)) continue;
        second_copies_.erase(range);
        if (progress_[range].state == RangeState::sent) progress_[range].holder = none;
        move(range, RangeState::dropped);
        ++dropped;
    }
    return dropped;
}

void EventTable::set_run_id(std::uint32_t run_id)
{
    run_id_ = run_id;
    for (auto& bundle : bundles_) bundle.origin.run = run_id;
}

BundleNumber EventTable::bundle(BundleOrigin const& origin)
{
    auto const [found, fresh] =
        bundle_numbers_.try_emplace(origin_key(origin), static_cast<BundleNumber>(bundles_.size()));
    if (fresh) bundles_.push_back({origin, static_cast<Life>(origin.life), false, false});
    return found->second;
}

BundleNumber EventTable::find_bundle(BundleOrigin const& origin) const
{
    if (origin.run != run_id_) return none;  // Another run of the same job made it.
    auto const found = bundle_numbers_.find(origin_key(origin));
    return found == bundle_numbers_.end() ? none : found->second;
}

void EventTable::replace_bundle(BundleNumber number, BundleOrigin const& origin)
{
    bundle_numbers_.erase(origin_key(bundles_[number].origin));
    bundles_[number].origin = origin;
    bundles_[number].sealed = true;
    bundles_[number].lost = false;
    bundle_numbers_[origin_key(origin)] = number;
}

void EventTable::set_bundles(std::vector<BundleState> bundles)
{
    bundles_ = std::move(bundles);
    bundle_numbers_.clear();
    for (BundleNumber i = 0; i < bundles_.size(); ++i) bundle_numbers_[origin_key(bundles_[i].origin)] = i;
}

std::vector<RangeIndex> EventTable::lose_bundle(BundleNumber number)
{
    std::vector<RangeIndex> lost;
    bundles_[number].lost = true;
    for (RangeIndex range = 0; range < size(); ++range) {
        if (progress_[range].state != RangeState::finished || progress_[range].holder != number) continue;
        lose_output(range);
        lost.push_back(range);
    }
    return lost;
}

void EventTable::lose_output(RangeIndex range)
{
    if (progress_[range].state != RangeState::finished) return;
    progress_[range].holder = none;
    progress_[range].cpu_ms = progress_[range].wall_ms = 0;
    return_to_ready(range);
}

bool EventTable::is_winner(RangeIndex range, Epoch epoch, BundleNumber bundle) const
{
    if (range >= size() || progress_[range].state != RangeState::finished) return false;
    if (progress_[range].holder != bundle || rows_[range].winner != epoch.hand_out()) return false;
    return epoch.life() == (bundle == none ? life_ : bundles_[bundle].epoch_life);
}

Outcome EventTable::adopt(RangeIndex range, Epoch epoch, BundleNumber bundle, std::uint32_t cpu_ms,
                          std::uint32_t wall_ms)
{
    if (range >= size() || progress_[range].state != RangeState::ready) return Outcome::ignored;
    move(range, RangeState::finished);
    rows_[range].winner = epoch.hand_out();
    progress_[range].holder = bundle;
    progress_[range].cpu_ms = cpu_ms;
    progress_[range].wall_ms = wall_ms;
    return Outcome::accepted;
}

StateCounts EventTable::job_counts(JobIndex job) const
{
    return job < jobs_.size() ? jobs_[job] : StateCounts{};
}

std::string EventTable::range_id(RangeIndex range) const
{
    auto const& row = rows_[range];
    auto const& file = files_[row.file];
    if (file.text_ids) return texts_[row.process_id];
    return RangeId{file.task_id, file.panda_id, file.file_id, row.process_id, row.attempt}.text();
}

EventRange EventTable::event_range(RangeIndex range) const
{
    auto const& row = rows_[range];
    auto const& file = files_[row.file];
    return {range_id(range), row.first, row.last, file.lfn, file.guid, file.scope};
}

void EventTable::rebuild()
{
    counts_ = {};
    std::fill(file_counts_.begin(), file_counts_.end(), StateCounts{});
    std::fill(jobs_.begin(), jobs_.end(), StateCounts{});
    ready_.clear();
    second_copies_.clear();
    for (RangeIndex range = 0; range < size(); ++range) {
        auto& progress = progress_[range];
        FileIndex const file = rows_[range].file;
        JobIndex const job = files_[file].job;
        if (progress.state == RangeState::sent) {
            progress.state = RangeState::ready;
            progress.holder = none;
        }
        progress.hand_out = 0;
        if (progress.state == RangeState::ready) ready_.add(job, file, {range, 1}, false);
        ++counts_[at(progress.state)];
        ++file_counts_[file][at(progress.state)];
        ++jobs_[job][at(progress.state)];
    }
}

}  // namespace yoda
