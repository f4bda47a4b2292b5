#include "harvest/history.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

#include "harvest/stage_folder.hpp"
#include "sys/files.hpp"

namespace yoda {

namespace {

constexpr std::uint64_t result_limit_bytes = 256u << 20;

std::string print_time(std::int64_t unix_s)
{
    auto const seconds = static_cast<std::time_t>(unix_s);
    std::tm parts{};
    if (!::gmtime_r(&seconds, &parts)) return std::to_string(unix_s);
    return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", parts);
}

/// An empty object where there is none.
nlohmann::json read_result(RunView const& view, Life life)
{
    auto const text = read_file(view.folder.result(life), result_limit_bytes);
    if (!text) return nlohmann::json::object();
    auto json = nlohmann::json::parse(*text, nullptr, false);
    return json.is_object() ? json : nlohmann::json::object();
}

std::string text_of(nlohmann::json const& json, char const* key)
{
    return json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : std::string();
}

std::int64_t number_of(nlohmann::json const& json, char const* key)
{
    return json.contains(key) && json[key].is_number_integer() ? json[key].get<std::int64_t>() : 0;
}

}  // namespace

std::string tell_lives(RunView const& view)
{
    std::string text;
    for (Life life = 1; life <= view.opened.life; ++life) {
        auto const result = read_result(view, life);
        if (result.empty()) {
            text += fmt::format("life {}: left no result: it was killed, or still runs\n", life);
            continue;
        }
        auto const job = text_of(result, "batch_job"), why = text_of(result, "why_stopped");
        text += fmt::format("life {}: {} to {} on {}{}, exit code {}{}\n", life,
                            print_time(number_of(result, "begun_unix_s")),
                            print_time(number_of(result, "updated_unix_s")), text_of(result, "host"),
                            job.empty() ? "" : " (" + job + ")", number_of(result, "exit_code"),
                            why.empty() ? "" : ": " + why);
    }
    return text;
}

std::string tell_delivery(RunView const& view, std::string_view bundle, Clock const& clock)
{
    auto name = std::string(bundle.substr(0, bundle.find('.'))) + ".tar";
    auto const read = StageFolder(view.folder.path(), clock).read(name);
    if (!read) return {};
    auto const& record = *read;
    std::string text = fmt::format("  delivery: {}, {} bytes, adler32 {:08x}", print_stage(record.stage),
                                   record.bytes, record.adler32);
    text += record.target.empty() ? "\n" : fmt::format(", to {} ({})\n", record.target, record.key);
    auto const event = [&](char const* what, std::int64_t unix_s) {
        if (unix_s > 0) text += fmt::format("    {} {}\n", print_time(unix_s), what);
    };
    event("sealed", record.sealed_unix_s);
    event("verified in the store", record.verified_unix_s);
    event("reported", record.reported_unix_s);
    event("local data removed", record.cleaned_unix_s);
    auto const failures = record.failures.primary_count + record.failures.failover_count;
    if (failures > 0) text += fmt::format("    {} failures since the last step\n", failures);
    if (!record.reason.empty()) text += fmt::format("    last failure: {}\n", record.reason);
    if (record.next_try_unix_s > clock.unix_ns() / 1'000'000'000)
        event("is when it is tried again", record.next_try_unix_s);
    return text;
}

std::string tell_range_history(RunView const& view, std::string_view range_id, Clock const& clock)
{
    std::string text;
    for (Life life = 1; life <= view.opened.life; ++life) {
        auto const result = read_result(view, life);
        if (!result.contains("failures") || !result["failures"].is_array()) continue;
        for (auto const& failure : result["failures"]) {
            if (failure.is_object() && text_of(failure, "eventRangeID") == range_id)
                text += fmt::format("  life {}: {}: {}\n", life, text_of(failure, "state"),
                                    text_of(failure, "why"));
        }
    }
    auto const& table = view.opened.table;
    for (RangeIndex range = 0; range < table.size(); ++range) {
        if (table.range_id(range) != range_id) continue;
        auto const holder = table.progress(range).holder;
        if (table.state(range) == RangeState::finished && holder != none)
            text += tell_delivery(view, bundle_name(table.bundles()[holder].origin), clock);
        break;
    }
    return text;
}

}  // namespace yoda
