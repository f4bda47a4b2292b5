// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/report/job_logs.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <vector>

#include "sys/base/files.hpp"

namespace yoda {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::uint64_t report_limit_bytes = 1'000'000;
constexpr std::uint64_t searched_bytes = 1u << 20;

/// The last bytes of a plain file; empty if it cannot be read.
std::string read_end(std::string const& path, std::uint64_t limit_bytes)
{
    auto const file = open_file(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    struct stat info {};
    if (!file || ::fstat(file->get(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
    auto const bytes = static_cast<std::uint64_t>(info.st_size);
    std::string text(std::min(bytes, limit_bytes), '\0');
    ssize_t const n = ::pread(file->get(), text.data(), text.size(), static_cast<off_t>(bytes - text.size()));
    text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return text;
}

/// Of the job's files that `wanted` takes, the one that was written last.
std::string find_newest(std::string const& logs, std::size_t job,
                        std::function<bool(std::string_view name)> const& wanted)
{
    std::string newest;
    fs::file_time_type newest_time{};
    std::error_code code;
    auto const options = fs::directory_options::skip_permission_denied;
    for (fs::recursive_directory_iterator it(logs, options, code), end; !code && it != end;
         it.increment(code)) {
        std::error_code ignored;
        auto const below = it->path().lexically_relative(logs).string();
        if (!below.starts_with("payload_") || !is_log_of_job(below, job)) continue;
        if (it->is_symlink(ignored) || !it->is_regular_file(ignored)) continue;
        if (!wanted(it->path().filename().string())) continue;
        auto const time = it->last_write_time(ignored);
        if (!newest.empty() && (ignored || time <= newest_time)) continue;
        newest = it->path().string();
        newest_time = time;
    }
    return newest;
}

/// Of a memory monitor's numbers, in kB; its two dialects name them "rss" and "maxRSS".
std::int64_t memory_of(Json const& memory, char const* group, std::initializer_list<char const*> names)
{
    auto const found = memory.find(group);
    if (found == memory.end() || !found->is_object()) return 0;
    for (auto const* name : names)
        if (auto const value = found->find(name); value != found->end() && value->is_number())
            return static_cast<std::int64_t>(value->get<double>());
    return 0;
}

/// Some ranges failed, or their outputs were looked for in vain: no failure of an event-service job
/// (docs/reference/panda.md §9).
bool means_little(int code, std::string_view acronym)
{
    return (code == 65 && acronym == "TRF_EXEC_FAIL") || (code == 68 && acronym == "TRF_EXEC_LOGERROR") ||
           (code == 66 && acronym == "TRF_EXEC_VALIDATION_FAIL") ||
           (code == 11 && acronym == "TRF_OUTPUT_FILE_ERROR");
}

std::string words(Json const& object, char const* name)
{
    auto const found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

}  // namespace

bool is_log_of_job(std::string_view path, std::size_t job)
{
    constexpr std::string_view prefix = "payload_";
    if (!path.starts_with(prefix)) return true;
    auto const head = path.substr(0, path.find_first_of("./", prefix.size()));
    return head.ends_with(fmt::format("_{}", job));
}

std::optional<TransformReport> parse_transform_report(std::string_view text)
{
    auto const json = Json::parse(text, nullptr, false);
    if (!json.is_object()) return std::nullopt;
    TransformReport report;
    if (auto const code = json.find("exitCode"); code != json.end() && code->is_number_integer()) {
        auto const value = code->get<std::int64_t>();
        if (value >= 0 && value <= 255) report.exit_code = static_cast<int>(value);
    }
    if (means_little(report.exit_code, words(json, "exitAcronym"))) report.exit_code = 0;
    if (report.exit_code != 0) {
        report.exit_text = words(json, "exitAcronym");
        if (auto const message = words(json, "exitMsg"); !message.empty())
            report.exit_text += (report.exit_text.empty() ? "" : ": ") + message;
    }
    auto const resource = json.find("resource");
    if (resource == json.end() || !resource->is_object()) return report;
    auto const executors = resource->find("executor");
    if (executors == resource->end() || !executors->is_object()) return report;
    for (auto const& [name, executor] : executors->items()) {
        if (!executor.is_object()) continue;
        auto const memory = executor.find("memory");
        if (memory == executor.end() || !memory->is_object()) continue;
        auto const keep = [](std::int64_t& most, std::int64_t value) { most = std::max(most, value); };
        keep(report.max_rss_kb, memory_of(*memory, "Max", {"rss", "maxRSS"}));
        keep(report.max_vmem_kb, memory_of(*memory, "Max", {"vmem", "maxVMEM"}));
        keep(report.max_pss_kb, memory_of(*memory, "Max", {"pss", "maxPSS"}));
        keep(report.avg_rss_kb, memory_of(*memory, "Avg", {"rss", "avgRSS"}));
    }
    return report;
}

std::string find_transform_report(std::string const& logs, std::size_t job)
{
    auto const path =
        find_newest(logs, job, [](std::string_view name) { return name.ends_with("jobReport.json"); });
    if (path.empty()) return {};
    auto text = read_end(path, report_limit_bytes + 1);
    // The end of a longer one would be no JSON.
    if (text.size() > report_limit_bytes || !Json::accept(text)) return {};
    return text;
}

MemoryUse read_memory_use(std::string const& logs, std::size_t job)
{
    MemoryUse most;
    std::error_code code;
    for (fs::directory_iterator it(logs, code), end; !code && it != end; it.increment(code)) {
        auto const name = it->path().filename().string();
        if (!name.starts_with("memory_") || !name.ends_with(".json")) continue;
        auto const json = Json::parse(read_end(it->path().string(), searched_bytes), nullptr, false);
        auto const jobs = json.is_object() ? json.find("jobs") : json.end();
        if (!json.is_object() || jobs == json.end() || !jobs->is_array()) continue;
        for (auto const& use : *jobs) {
            if (!use.is_object() || !use.contains("job") || use["job"] != job) continue;
            auto const number = [&use](char const* key) {
                auto const found = use.find(key);
                return found != use.end() && found->is_number_integer() ? found->get<std::int64_t>()
                                                                        : std::int64_t{0};
            };
            most.max_rss_kb = std::max(most.max_rss_kb, number("max_rss_kb"));
            most.avg_rss_kb = std::max(most.avg_rss_kb, number("avg_rss_kb"));
        }
    }
    return most;
}

std::string read_run_warnings(std::string const& logs, std::size_t limit_bytes)
{
    auto const text = read_end(logs + "/yoda.log", searched_bytes);
    std::vector<std::string_view> lines;
    std::size_t bytes = 0;
    std::string_view rest = text;
    while (!rest.empty()) {
        if (rest.ends_with('\n')) rest.remove_suffix(1);
        auto const begin = rest.rfind('\n');
        auto const line = begin == std::string_view::npos ? rest : rest.substr(begin + 1);
        rest = begin == std::string_view::npos ? std::string_view{} : rest.substr(0, begin + 1);
        // "2026-01-01T12:00:00.123Z warning event ..."
        auto const blank = line.find(' ');
        auto const level = blank == std::string_view::npos ? std::string_view{} : line.substr(blank + 1);
        if (!level.starts_with("warning ") && !level.starts_with("error ")) continue;
        if (bytes + line.size() + 1 > limit_bytes) break;
        bytes += line.size() + 1;
        lines.push_back(line);
    }
    std::string out;
    for (auto line = lines.rbegin(); line != lines.rend(); ++line) out.append(*line) += '\n';
    return out;
}

std::string read_payload_tail(std::string const& logs, std::size_t job, std::size_t limit_bytes)
{
    auto const path = find_newest(
        logs, job, [](std::string_view name) { return !name.ends_with(".json") && !name.ends_with(".xml"); });
    return path.empty() ? std::string{} : read_end(path, limit_bytes);
}

}  // namespace yoda
