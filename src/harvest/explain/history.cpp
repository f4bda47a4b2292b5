// SPDX-License-Identifier: Apache-2.0
#include "harvest/explain/history.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>
#include <utility>

#include "harvest/panda/wire/settings.hpp"
#include "harvest/stage_out/stage_folder.hpp"
#include "sys/base/files.hpp"

namespace yoda {

using nlohmann::ordered_json;

namespace {

constexpr std::uint64_t result_limit_bytes = 256u << 20;

/// Moments of a delivery: their keys, and what people read.
constexpr std::pair<char const*, char const*> moments[] = {{"sealed_unix_s", "sealed"},
                                                           {"verified_unix_s", "verified in the store"},
                                                           {"reported_unix_s", "reported to PanDA"},
                                                           {"cleaned_unix_s", "local data removed"},
                                                           {"next_try_unix_s", "is when it is tried again"}};

std::string print_time(std::int64_t unix_s)
{
    auto const seconds = static_cast<std::time_t>(unix_s);
    std::tm parts{};
    if (!::gmtime_r(&seconds, &parts)) return std::to_string(unix_s);
    return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", parts);
}

}  // namespace

nlohmann::json read_result(RunView const& view, Life life)
{
    auto const text = read_file(view.folder.result(life), result_limit_bytes);
    if (!text) return nlohmann::json::object();
    auto json = nlohmann::json::parse(*text, nullptr, false);
    return json.is_object() ? json : nlohmann::json::object();
}

ordered_json list_lives(RunView const& view)
{
    auto lives = ordered_json::array();
    for (Life life = 1; life <= view.opened.life; ++life) {
        auto const result = read_result(view, life);
        ordered_json entry{{"life", life}};
        for (auto const* const key : {"begun_unix_s", "updated_unix_s", "exit_code"})
            if (auto const found = result.find(key); found != result.end() && found->is_number_integer())
                entry[key] = *found;
        for (auto const* const key : {"host", "batch_job", "why_stopped"})
            if (auto const found = result.find(key); found != result.end() && found->is_string())
                entry[key] = *found;
        lives.push_back(std::move(entry));
    }
    return lives;
}

std::string print_lives(ordered_json const& lives)
{
    std::string text;
    for (auto const& life : lives) {
        if (!life.contains("exit_code")) {
            text +=
                fmt::format("life {}: left no result: it was killed, or still runs\n", life.value("life", 0));
            continue;
        }
        auto const job = life.value("batch_job", ""), why = life.value("why_stopped", "");
        text += fmt::format("life {}: {} to {} on {}{}, exit code {}{}\n", life.value("life", 0),
                            print_time(life.value("begun_unix_s", std::int64_t{0})),
                            print_time(life.value("updated_unix_s", std::int64_t{0})), life.value("host", ""),
                            job.empty() ? "" : " (" + job + ")", life["exit_code"].dump(),
                            why.empty() ? "" : ": " + why);
    }
    return text;
}

ordered_json find_delivery(RunView const& view, std::string_view bundle, Clock const& clock)
{
    auto const read = StageFolder(view.folder.path(), clock).read(std::string(bundle) + ".tar");
    if (!read) return ordered_json::object();
    auto const& record = *read;
    ordered_json out{{"stage", print_stage(record.stage)},
                     {"bytes", record.bytes},
                     {"adler32", fmt::format("{:08x}", record.adler32)}};
    if (!record.target.empty()) {
        out["target"] = record.target;
        out["url"] = record.url;
        out["failover"] = record.target != record.activity;
    }
    // Without PanDA, "reported" only lets the record advance; nobody was told.
    bool const from_panda = PandaFolder(view.folder.path()).is_there();
    std::int64_t const times[] = {
        record.sealed_unix_s, record.verified_unix_s, from_panda ? record.reported_unix_s : 0,
        record.cleaned_unix_s,
        record.next_try_unix_s > clock.unix_ns() / 1'000'000'000 ? record.next_try_unix_s : 0};
    for (std::size_t i = 0; i < std::size(moments); ++i)
        if (times[i] > 0) out[moments[i].first] = times[i];
    out["failures"] = record.failures.primary_count + record.failures.failover_count;
    if (!record.reason.empty()) out["last_failure"] = record.reason;
    return out;
}

std::string print_delivery(ordered_json const& delivery, std::string_view because)
{
    auto text = fmt::format("  delivery: {}, {} bytes, adler32 {}\n", delivery.value("stage", ""),
                            delivery.value("bytes", std::uint64_t{0}), delivery.value("adler32", ""));
    if (delivery.contains("url"))
        text += fmt::format(
            "    to {}{}\n", delivery.value("url", ""),
            delivery.value("failover", false)
                ? fmt::format(" ({} took the place of its own store)", delivery.value("target", ""))
            : because.empty() ? std::string()
                              : fmt::format(", {}", because));
    for (auto const& [key, what] : moments)
        if (delivery.contains(key))
            text += fmt::format("    {} {}\n", print_time(delivery[key].get<std::int64_t>()), what);
    if (auto const count = delivery.value("failures", 0); count > 0)
        text += fmt::format("    {} failures since the last step\n", count);
    if (delivery.contains("last_failure"))
        text += fmt::format("    last failure: {}\n", delivery.value("last_failure", ""));
    return text;
}

}  // namespace yoda
