// SPDX-License-Identifier: Apache-2.0
#include "sys/lease/record.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

namespace yoda {

namespace {

/// Bytes of a text; keeps the record below lease_file_bytes, whatever a site calls its jobs.
constexpr std::size_t text_limit = 200;

std::string shorten(std::string const& text)
{
    std::string plain = text.substr(0, text_limit);
    // One byte stays one byte in JSON.
    std::replace_if(
        plain.begin(), plain.end(), [](char c) { return c < ' ' || c > '~' || c == '"' || c == '\\'; }, '?');
    return plain;
}

bool is_token(std::string_view text)
{
    return text.size() == 32 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string print_utc(std::int64_t unix_s)
{
    std::time_t const time = unix_s;
    std::tm parts{};
    char text[32] = {};
    if (::gmtime_r(&time, &parts) == nullptr ||
        std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        return "an unknown time";
    return text;
}

template <class T>
bool take(nlohmann::json const& json, char const* key, T& value)
{
    auto const found = json.find(key);
    if (found == json.end()) return false;
    if constexpr (std::is_same_v<T, std::string>) {
        if (!found->is_string()) return false;
    } else if constexpr (std::is_same_v<T, bool>) {
        if (!found->is_boolean()) return false;
    } else {
        if (!found->is_number_integer()) return false;
    }
    value = found->template get<T>();
    return true;
}

}  // namespace

std::string print_lease(LeaseRecord const& record)
{
    LeaseHolder const& holder = record.holder;
    nlohmann::ordered_json const json = {{"version", 1},
                                         {"token", record.token},
                                         {"program", shorten(holder.program)},
                                         {"host", shorten(holder.host)},
                                         {"boot_id", shorten(holder.boot_id)},
                                         {"pid_space", shorten(holder.pid_space)},
                                         {"pid", holder.pid},
                                         {"pid_start_ticks", holder.pid_start_ticks},
                                         {"batch_job", shorten(holder.batch_job)},
                                         {"life", holder.life},
                                         {"since_unix_s", holder.since_unix_s},
                                         {"beat", record.beat},
                                         {"is_released", record.is_released}};
    std::string text = json.dump();
    YODA_CHECK(text.size() < lease_file_bytes, "a lease record is too long");
    text.resize(lease_file_bytes - 1, ' ');
    text.push_back('\n');
    return text;
}

std::optional<LeaseRecord> parse_lease(std::string_view text)
{
    auto const json = nlohmann::json::parse(text, nullptr, false);
    if (!json.is_object()) return std::nullopt;
    LeaseRecord record;
    LeaseHolder& holder = record.holder;
    bool const whole = take(json, "token", record.token) && take(json, "program", holder.program) &&
                       take(json, "host", holder.host) && take(json, "boot_id", holder.boot_id) &&
                       take(json, "pid_space", holder.pid_space) && take(json, "pid", holder.pid) &&
                       take(json, "pid_start_ticks", holder.pid_start_ticks) &&
                       take(json, "batch_job", holder.batch_job) && take(json, "life", holder.life) &&
                       take(json, "since_unix_s", holder.since_unix_s) && take(json, "beat", record.beat) &&
                       take(json, "is_released", record.is_released);
    if (!whole || !is_token(record.token)) return std::nullopt;
    return record;
}

LeaseVerdict judge_lease(LeaseSight const& sight, Duration silence_limit)
{
    if (sight.record && sight.record->is_released) return LeaseVerdict::dead;
    if (sight.holder == HolderSight::gone) return LeaseVerdict::dead;
    if (sight.holder == HolderSight::present || sight.has_changed) return LeaseVerdict::alive;
    return sight.unchanged_for >= silence_limit ? LeaseVerdict::dead : LeaseVerdict::unsure;
}

Error explain_busy(std::string_view path, std::optional<LeaseRecord> const& record, Duration silence_limit)
{
    Error error{ErrorKind::busy, fmt::format("somebody else works in this folder, {} says", path), {}, {}};
    if (!record) {
        error.why = "it cannot be read, but it changes";
        error.fix = "find out who writes it";
        return error;
    }
    LeaseHolder const& holder = record->holder;
    error.why = fmt::format("{} on host {}, pid {}", holder.program, holder.host, holder.pid);
    if (!holder.batch_job.empty()) error.why += fmt::format(", batch job {}", holder.batch_job);
    if (holder.life != 0) error.why += fmt::format(", life {}", holder.life);
    error.why += fmt::format(", since {}", print_utc(holder.since_unix_s));
    error.fix = fmt::format(
        "wait for its end, or end it ({}); a crashed holder's lock is free at once on its own host, "
        "elsewhere after {:.0f} s; do not remove the file",
        holder.batch_job.empty() ? fmt::format("kill {} on {}", holder.pid, holder.host)
                                 : "cancel that batch job",
        silence_limit.s());
    return error;
}

}  // namespace yoda
