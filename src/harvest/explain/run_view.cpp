// SPDX-License-Identifier: Apache-2.0
#include "harvest/explain/run_view.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sys/base/files.hpp"
#include "sys/lease/lease.hpp"

namespace yoda {

namespace {

constexpr std::int64_t stale_after_s = 60;
constexpr std::size_t lines_shown = 10;

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

/// Whether whoever holds the run still works: by this machine's process table, else by
/// the age of its last word.
bool is_live(std::optional<LeaseRecord> const& lease, nlohmann::ordered_json const& status,
             std::int64_t now_unix_s)
{
    if (!lease || lease->is_released || status.value("state", "ended") == "ended") return false;
    auto const sight = look_for_holder(lease->holder);
    if (sight != HolderSight::elsewhere) return sight == HolderSight::present;
    return now_unix_s - status.value("updated_unix_s", std::int64_t{0}) < stale_after_s;
}

/// The table does not know what is handed out: of what it has as ready, so many are sent, if somebody works.
void move_to_sent(nlohmann::ordered_json& counts, std::uint64_t told_sent)
{
    auto const ready = counts["ready"].get<std::uint64_t>();
    auto const sent = std::min(ready, told_sent);
    counts["ready"] = ready - sent;
    counts["sent"] = sent;
}

std::uint64_t told_sent(nlohmann::ordered_json const& entry)
{
    auto const ranges = entry.find("ranges");
    return ranges != entry.end() && ranges->is_object() ? ranges->value("sent", std::uint64_t{0}) : 0;
}

/// What the last yoda told; an empty object if none has yet.
nlohmann::ordered_json read_status(RunFolder const& folder)
{
    auto const text = read_file(folder.status(), 64u << 20);
    if (!text) return nlohmann::ordered_json::object();
    auto json = nlohmann::ordered_json::parse(*text, nullptr, false);
    return json.is_object() ? json : nlohmann::ordered_json::object();
}

std::string print_holder(LeaseRecord const& record)
{
    auto const& holder = record.holder;
    return fmt::format("{} pid {} on {}{}", holder.program, holder.pid, holder.host,
                       holder.batch_job.empty() ? "" : " (" + holder.batch_job + ")");
}

/// Reasons of failures whose journal records a checkpoint has replaced: each life's result tells them.
void add_told_failures(RunView& view)
{
    auto& reasons = view.opened.failure_reasons;
    auto const& table = view.opened.table;
    std::map<std::string, std::string> told;
    for (Life life = 1; life <= view.opened.life; ++life) {
        auto const text = read_file(view.folder.result(life), 256u << 20);
        if (!text) continue;
        auto const json = nlohmann::json::parse(*text, nullptr, false);
        if (!json.is_object() || !json.contains("failures")) continue;
        for (auto const& failure : json["failures"])
            told[failure.value("eventRangeID", "")] = failure.value("why", "");
    }
    if (told.empty()) return;
    for (RangeIndex range = 0; range < table.size(); ++range) {
        bool const failed =
            table.state(range) == RangeState::failed || table.state(range) == RangeState::fatal;
        if (!failed || reasons.contains(range)) continue;
        if (auto const why = told.find(table.range_id(range)); why != told.end())
            reasons[range] = why->second;
    }
}

}  // namespace

Result<RunView> read_run(std::string const& run)
{
    RunView view;
    view.folder = RunFolder(run);
    auto opened = open_run(view.folder, {});
    if (!opened) return opened.error();
    view.opened = *std::move(opened);
    add_told_failures(view);
    auto const payload_text = read_payload_text(view.folder);
    if (!payload_text) return payload_text.error();
    auto payload = parse_payload_config(*payload_text, view.folder.payload_config());
    if (!payload) return payload.error();
    view.payload = *std::move(payload);
    return view;
}

nlohmann::ordered_json make_run_status(RunView const& view, std::int64_t now_unix_s)
{
    auto status = read_status(view.folder);
    auto const lease = read_lease(view.folder.lock());
    bool const held = lease && lease->has_value() && !(*lease)->is_released;
    bool const live = lease && is_live(*lease, status, now_unix_s);
    status["live"] = live;
    if (held) status["holder"] = print_holder(**lease);

    auto const& table = view.opened.table;
    if (!status.contains("state"))
        status["state"] = "new";
    else if (!live && status["state"] != "ended")
        status["state"] = "interrupted";
    // What the file told before its writer was killed.
    if (!live && status.contains("droids")) {
        for (auto& droid : status["droids"])
            if (droid.value("state", "") == "alive") droid["state"] = "gone";
    }
    auto counts = print_counts(table.counts());
    if (live) move_to_sent(counts, told_sent(status));
    status["ranges"] = std::move(counts);
    auto const told_files = status.value("files", nlohmann::ordered_json::array());
    auto files = nlohmann::ordered_json::array();
    for (FileIndex file = 0; file < table.files().size(); ++file) {
        auto its = print_counts(table.file_counts(file));
        if (live && file < told_files.size()) move_to_sent(its, told_sent(told_files[file]));
        files.push_back(
            {{"lfn", table.files()[file].lfn}, {"job", table.files()[file].job}, {"ranges", std::move(its)}});
    }
    status["files"] = std::move(files);
    auto failures = nlohmann::ordered_json::array();
    for (auto const& [range, why] : view.opened.failure_reasons) {
        if (table.state(range) != RangeState::failed && table.state(range) != RangeState::fatal) continue;
        failures.push_back({{"eventRangeID", table.range_id(range)},
                            {"state", print_state(table.state(range))},
                            {"error_code", table.progress(range).holder},
                            {"why", why}});
    }
    status["failures"] = std::move(failures);
    if (view.opened.findings.count() > 0)
        status["findings"] = nlohmann::ordered_json::parse(view.opened.findings.print_json());
    return status;
}

std::string print_run_status(nlohmann::ordered_json const& status)
{
    auto const& ranges = status["ranges"];
    auto const count = [&](char const* state) { return ranges.value(state, std::uint64_t{0}); };
    std::string text = fmt::format("{}: {}, {} of {} ranges finished\n", status.value("run", "run"),
                                   status.value("state", "new"), count("finished"), count("total"));
    text += fmt::format("  ready {}  sent {}  finished {}  failed {}  fatal {}  dropped {}\n", count("ready"),
                        count("sent"), count("finished"), count("failed"), count("fatal"), count("dropped"));
    if (status.value("live", false)) {
        text += fmt::format("  {:.1f} ranges/s", status.value("rate_per_s", 0.0));
        if (status.contains("left_s"))
            text += fmt::format(", about {:.0f} s left", status["left_s"].get<double>());
        text += fmt::format("; held by {}\n", status.value("holder", "somebody"));
    }
    if (status.contains("utilisation"))
        text += fmt::format("  workers were busy {:.1f} % of the time, {:.1f} s of CPU\n",
                            100 * status["utilisation"].get<double>(), status.value("cpu_s", 0.0));
    if (status.contains("why_stopped"))
        text += fmt::format("  stopped: {}\n", status.value("why_stopped", ""));
    if (status.contains("exit_code"))
        text += fmt::format("  exit code of the last life: {}\n", status["exit_code"].dump());
    if (status.contains("last_trouble"))
        text += fmt::format("  last trouble: {}\n", status.value("last_trouble", ""));
    auto const list = [&](char const* key, auto print) {
        if (!status.contains(key)) return;
        std::size_t shown = 0;
        for (auto const& entry : status[key]) {
            if (shown++ == lines_shown) {
                text +=
                    fmt::format("  ... and {} more (--json shows all)\n", status[key].size() - lines_shown);
                break;
            }
            text += print(entry);
        }
    };
    list("droids", [](auto const& droid) {
        return fmt::format(
            "  Droid {:>4} {:<9} {:<20} {} workers, {} finished, {} failed{}{}\n", droid.value("rank", 0),
            droid.value("state", ""), droid.value("host", ""), droid.value("workers", 0),
            droid.value("finished", std::uint64_t{0}), droid.value("failed", std::uint64_t{0}),
            droid.contains("utilisation")
                ? fmt::format(", {:.1f} % busy", 100 * droid["utilisation"].template get<double>())
                : std::string{},
            droid.contains("trouble") ? fmt::format(", trouble (code {}): {}", droid.value("trouble_code", 0),
                                                    droid.value("trouble", ""))
                                      : std::string{});
    });
    list("files", [](auto const& file) {
        auto const& its = file["ranges"];
        return fmt::format("  file {}: {} of {} finished, {} failed\n", file.value("lfn", ""),
                           its.value("finished", std::uint64_t{0}), its.value("total", std::uint64_t{0}),
                           its.value("failed", std::uint64_t{0}) + its.value("fatal", std::uint64_t{0}));
    });
    list("failures", [](auto const& failure) {
        return fmt::format("  {} {} (code {}): {}\n", failure.value("eventRangeID", ""),
                           failure.value("state", ""), failure["error_code"].dump(),
                           failure.value("why", ""));
    });
    return text;
}

std::string explain_run(RunView const& view, std::int64_t now_unix_s)
{
    auto const status = make_run_status(view, now_unix_s);
    auto text = print_run_status(status);
    auto const& counts = view.opened.table.counts();
    if (view.opened.findings.count() > 0) text += view.opened.findings.print();
    text += "what to do: ";
    if (status.value("live", false))
        text += "nothing, it is running\n";
    else if (counts[0] + counts[1] > 0)
        text += status.value("exit_code", 0) == 4
                    ? "mend what is said above, then start yoda again on this folder\n"
                    : "start yoda again on this folder: it goes on where it stopped\n";
    else if (counts[3] + counts[4] > 0)
        text += "the failures above are final here; merge the rest with harvest merge --partial\n";
    else
        text += "all is done: harvest merge, or harvest push\n";
    return text;
}

}  // namespace yoda
