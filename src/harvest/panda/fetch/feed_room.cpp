// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/fetch/feed_room.hpp"

#include <algorithm>
#include <cmath>

#include "harvest/panda/run/batch_facts.hpp"
#include "harvest/panda/wire/json_cursor.hpp"
#include "harvest/panda/wire/range_scanner.hpp"
#include "sys/base/files.hpp"
#include "sys/run/run_opening.hpp"

namespace yoda {

namespace {

constexpr std::uint64_t status_limit_bytes = 64ull << 20;

double number(nlohmann::json const& json, char const* key)
{
    auto const found = json.find(key);
    return found != json.end() && found->is_number() ? found->get<double>() : 0;
}

double measured_time_s(nlohmann::json const& status)
{
    auto const times = status.find("event_time_s");
    return times != status.end() && times->is_object() ? number(*times, "mean") : 0;
}

std::int64_t count_workers(nlohmann::json const& status)
{
    auto const droids = status.find("droids");
    if (droids == status.end() || !droids->is_array() || droids->empty()) return 0;
    double workers = 0;
    for (auto const& droid : *droids)
        if (droid.is_object() && droid.value("state", nlohmann::json()) == "alive")
            workers += number(droid, "workers");
    // A thousand are listed; the others are like them.
    auto const listed = static_cast<double>(droids->size());
    return static_cast<std::int64_t>(workers * (listed + number(status, "droids_not_listed")) / listed);
}

/// Events of ranges in notes that rank 0 has not taken yet.
Result<std::int64_t> count_events_on_their_way(RunFolder const& folder, OpenedRun const& opened)
{
    auto const names = list_folder(folder.inbox());
    if (!names) return names.error();
    std::int64_t events = 0;
    std::string text;
    for (auto const& name : *names) {
        if (name.starts_with('.') || !name.ends_with("-more_ranges.json")) continue;
        // A checkpoint replaces the journal's records; the outbox keeps what was taken before it.
        if (opened.applied_notes.contains(name) || path_exists(folder.outbox() + "/" + name)) continue;
        if (auto const status = read_file_into(text, folder.inbox() + "/" + name); !status)
            return status.error();
        constexpr std::string_view key = R"("ranges":)";
        auto const at = text.find(key);
        if (at == std::string::npos) continue;
        std::string_view list;
        JsonCursor(std::string_view(text).substr(at + key.size())).take_value(list);
        auto const scanned = scan_ranges(list, [&events](RangeView const& range) -> Status {
            events += range.last_event - range.start_event + 1;
            return {};
        });
        if (!scanned) return scanned.error();
    }
    return events;
}

}  // namespace

std::optional<std::int64_t> count_events_left(nlohmann::json const& status, double seconds_per_event,
                                              std::int64_t now_unix_s)
{
    auto const end_unix_s = number(status, "work_ends_unix_s");
    if (end_unix_s <= 0) return std::nullopt;
    JobCapacity left;
    left.walltime_s = std::max(end_unix_s - static_cast<double>(now_unix_s), 1e-9);
    left.cores_per_node = count_workers(status);
    auto const measured_s = measured_time_s(status);
    left.seconds_per_event = measured_s > 0 ? measured_s : seconds_per_event;
    return count_events_that_fit(left);
}

Result<std::optional<FeedRoom>> find_feed_room(std::string const& run, JobCapacity const& to_come,
                                               std::int64_t now_unix_s)
{
    RunFolder const folder(run);
    auto const text = read_file(folder.status(), status_limit_bytes);
    auto const status = text ? nlohmann::json::parse(*text, nullptr, false) : nlohmann::json();
    bool const running =
        status.is_object() && find_batch_facts(run, false, now_unix_s).phase == JobPhase::running;
    auto const fit = running ? count_events_left(status, to_come.seconds_per_event, now_unix_s)
                             : count_events_that_fit(to_come);
    if (!fit) return std::optional<FeedRoom>();
    auto const opened = open_run(folder, {});
    if (!opened) return opened.error();
    auto const on_their_way = count_events_on_their_way(folder, *opened);
    if (!on_their_way) return on_their_way.error();
    auto const& table = opened->table;
    std::int64_t waiting = *on_their_way;
    std::int64_t all = 0;
    for (RangeIndex range = 0; range < table.size(); ++range) {
        auto const& row = table.row(range);
        auto const events = std::int64_t{row.last} - row.first + 1;
        all += events;
        if (!is_ended(table.state(range))) waiting += events;
    }
    FeedRoom room;
    room.event_count = std::max<std::int64_t>(0, *fit - waiting);
    if (table.size() > 0)
        room.events_per_range = static_cast<double>(all) / static_cast<double>(table.size());
    return std::optional(room);
}

}  // namespace yoda
