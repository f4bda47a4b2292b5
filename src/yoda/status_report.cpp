// SPDX-License-Identifier: Apache-2.0
#include "yoda/status_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace yoda {

namespace {

constexpr int status_version = 1;
constexpr std::size_t max_listed_files = 1000;
constexpr std::size_t max_listed_droids = 1000;  ///< making the text holds up rank 0

nlohmann::ordered_json print_counts(StateCounts const& counts)
{
    nlohmann::ordered_json json;
    std::uint64_t total = 0;
    for (unsigned i = 0; i < range_state_count; ++i) {
        json[std::string(print_state(static_cast<RangeState>(i)))] = counts[i];
        total += counts[i];
    }
    json["total"] = total;
    return json;
}

std::uint64_t ended(StateCounts const& counts)
{
    return counts[2] + counts[3] + counts[4] + counts[5];
}

double round3(double value)
{
    return std::round(value * 1000) / 1000;
}

bool is_remarkable(DroidInfo const& droid)
{
    return droid.state != DroidState::alive || !droid.trouble.empty();
}

nlohmann::ordered_json print_droid(Rank rank, DroidInfo const& droid, TimePoint now)
{
    nlohmann::ordered_json entry;
    entry["rank"] = rank;
    entry["state"] = print_droid_state(droid.state);
    entry["host"] = droid.host;
    entry["workers"] = droid.worker_count;
    entry["holds"] = droid.outstanding_count;
    entry["running"] = droid.heartbeat.running_count;
    entry["finished"] = droid.finished_count;
    entry["failed"] = droid.failed_count;
    entry["silent_s"] = round3((now - droid.last_heard).s());
    auto const& beat = droid.heartbeat;
    if (beat.alive_ms > 0)
        entry["utilisation"] = round3(static_cast<double>(beat.busy_ms) / static_cast<double>(beat.alive_ms));
    if (beat.free_bytes > 0) entry["free_bytes"] = beat.free_bytes;
    if (!droid.trouble.empty()) {
        entry["trouble"] = droid.trouble;
        entry["trouble_code"] = droid.trouble_code;
    }
    return entry;
}

}  // namespace

nlohmann::ordered_json make_status(Dispatcher const& dispatcher, TimePoint now, StatusFacts const& facts,
                                   FailureReasons const& failures, std::size_t max_failures)
{
    auto const& table = dispatcher.table();
    nlohmann::ordered_json json;
    json["version"] = status_version;
    json["run"] = facts.run;
    json["life"] = table.life();
    json["state"] = dispatcher.over()        ? "ended"
                    : dispatcher.finishing() ? "finishing"
                    : dispatcher.draining()  ? "draining"
                                             : "running";
    json["host"] = facts.host;
    json["pid"] = facts.pid;
    if (!facts.batch_job.empty()) json["batch_job"] = facts.batch_job;
    json["begun_unix_s"] = facts.begun_unix_s;
    json["updated_unix_s"] = facts.unix_s;
    if (facts.first_range_unix_s > 0) json["first_range_unix_s"] = facts.first_range_unix_s;
    if (auto const end = dispatcher.worker_deadline(); end != TimePoint::never())
        json["work_ends_unix_s"] = facts.unix_s + static_cast<std::int64_t>((end - now).s());
    json["ranges"] = print_counts(table.counts());

    double const elapsed_s = (now - facts.begun).s();
    auto const done = ended(table.counts()) - std::min(ended(table.counts()), facts.finished_before);
    double const rate = elapsed_s > 0 ? static_cast<double>(done) / elapsed_s : 0;
    json["elapsed_s"] = round3(elapsed_s);
    json["dispatch_s"] = round3(facts.dispatch_s);
    json["rate_per_s"] = round3(rate);
    if (rate > 0) json["left_s"] = round3(static_cast<double>(table.unended_count()) / rate);

    std::uint64_t busy_ms = 0, alive_ms = 0, cpu_ms = 0;
    std::size_t unremarkable_count = 0;
    for (Rank rank = 1; rank < dispatcher.rank_count(); ++rank) {
        auto const& droid = dispatcher.droid(rank);
        busy_ms += droid.heartbeat.busy_ms;
        alive_ms += droid.heartbeat.alive_ms;
        cpu_ms += droid.heartbeat.cpu_ms;
        unremarkable_count += !is_remarkable(droid);
    }
    // Those that somebody may ask about come first, if not all can be listed.
    auto const droid_count = dispatcher.rank_count() - 1;
    auto const remarkable_count = std::min(droid_count - unremarkable_count, max_listed_droids);
    auto unremarkable_left = std::min(unremarkable_count, max_listed_droids - remarkable_count);
    auto remarkable_left = remarkable_count;
    auto droids = nlohmann::ordered_json::array();
    for (Rank rank = 1; rank < dispatcher.rank_count(); ++rank) {
        auto const& droid = dispatcher.droid(rank);
        auto& left = is_remarkable(droid) ? remarkable_left : unremarkable_left;
        if (left == 0) continue;
        --left;
        droids.push_back(print_droid(rank, droid, now));
    }
    if (droids.size() < droid_count) json["droids_not_listed"] = droid_count - droids.size();
    if (alive_ms > 0)
        json["utilisation"] = round3(static_cast<double>(busy_ms) / static_cast<double>(alive_ms));
    json["cpu_s"] = round3(static_cast<double>(cpu_ms) * 1e-3);
    if (dispatcher.event_times().count() > 0) {
        json["event_time_s"] = {
            {"mean", dispatcher.event_times().mean_us() * 1e-6},
            {"p50", static_cast<double>(dispatcher.event_times().quantile_us(0.5)) * 1e-6},
            {"p99", static_cast<double>(dispatcher.event_times().quantile_us(0.99)) * 1e-6}};
    }
    json["droids"] = std::move(droids);

    auto files = nlohmann::ordered_json::array();
    for (FileIndex file = 0; file < table.files().size() && file < max_listed_files; ++file) {
        nlohmann::ordered_json entry;
        entry["lfn"] = table.files()[file].lfn;
        entry["job"] = table.files()[file].job;
        entry["ranges"] = print_counts(table.file_counts(file));
        files.push_back(std::move(entry));
    }
    json["files"] = std::move(files);
    if (table.files().size() > max_listed_files)
        json["files_not_listed"] = table.files().size() - max_listed_files;

    auto listed = nlohmann::ordered_json::array();
    for (auto const& [range, why] : failures) {
        if (listed.size() == max_failures || range >= table.size()) break;
        if (!is_ended(table.state(range)) || table.state(range) == RangeState::finished) continue;
        listed.push_back({{"eventRangeID", table.range_id(range)},
                          {"state", print_state(table.state(range))},
                          {"error_code", table.progress(range).holder},
                          {"why", why}});
    }
    json["failures"] = std::move(listed);
    json["journal_sequence"] = facts.journal_sequence;
    json["journal_waiting_bytes"] = facts.journal_waiting_bytes;
    if (facts.staged.droid_count > 0)
        json["inputs_staged"] = {{"droids", facts.staged.droid_count},
                                 {"failed", facts.staged.failed_count},
                                 {"shared_bytes", facts.staged.shared_bytes},
                                 {"passed_bytes", facts.staged.passed_bytes}};
    if (!facts.last_trouble.empty()) json["last_trouble"] = facts.last_trouble;
    if (!dispatcher.why_stopped().empty()) json["why_stopped"] = dispatcher.why_stopped();
    return json;
}

std::string print_seconds(double seconds)
{
    auto const whole = static_cast<std::int64_t>(seconds + 0.5);
    if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
    return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

std::string print_progress(nlohmann::ordered_json const& status)
{
    auto const& ranges = status["ranges"];
    auto const count = [&](char const* state) { return ranges.value(state, std::uint64_t{0}); };
    std::uint64_t running = 0;
    for (auto const& droid : status["droids"]) running += droid.value("running", std::uint64_t{0});
    std::string line = fmt::format("{}/{} done, {} running, {} failed", count("finished") + count("dropped"),
                                   count("total"), running, count("failed") + count("fatal"));
    line += fmt::format(", {:.1f}/s", status.value("rate_per_s", 0.0));
    if (status.contains("left_s"))
        line += fmt::format(", {} left", print_seconds(status["left_s"].get<double>()));
    if (status.contains("utilisation"))
        line += fmt::format(", {:.0f} % busy", 100 * status["utilisation"].get<double>());
    return line;
}

}  // namespace yoda
