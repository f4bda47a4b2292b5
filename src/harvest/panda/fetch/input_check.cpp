// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/fetch/input_check.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "core/base/checksum.hpp"
#include "core/table/event_range.hpp"
#include "harvest/panda/wire/error_codes.hpp"
#include "harvest/stores/base/digest.hpp"
#include "harvest/stores/base/file_sums.hpp"
#include "harvest/stores/base/object_key.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace {

constexpr std::chrono::hours leftover_age{
    1};  ///< a living transfer that writes nothing for so long is stalled

bool is_url(std::string_view path)
{
    return path.find("://") != std::string_view::npos;
}

struct WantedSum {
    enum class Kind { none, adler32, md5 } kind = Kind::none;
    std::uint32_t adler32 = 0;
    std::string md5;
};

/// "ad:0cc737eb", "md:...", 32 hex digits, or nothing.
std::optional<WantedSum> parse_sum(std::string_view text)
{
    if (text.empty() || text == "NULL") return WantedSum{};
    auto const is_md5 = [](std::string_view digits) {
        return digits.size() == 32 &&
               digits.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
    };
    auto const lower = [](std::string_view digits) {
        std::string out;
        for (char const c : digits) out += static_cast<char>(c >= 'A' && c <= 'F' ? c + 32 : c);
        return out;
    };
    if (text.starts_with("md:") && is_md5(text.substr(3)))
        return WantedSum{WantedSum::Kind::md5, 0, lower(text.substr(3))};
    if (is_md5(text)) return WantedSum{WantedSum::Kind::md5, 0, lower(text)};
    if (auto const sum = parse_adler32(text)) return WantedSum{WantedSum::Kind::adler32, *sum, {}};
    return std::nullopt;
}

/// The time of the folder's file system, whose clock need not be ours: that of a file that is written now.
std::optional<std::filesystem::file_time_type> time_in(std::string const& folder)
{
    auto const probe = fmt::format("{}/.now.{}", folder, ::getpid());
    if (!replace_file(probe, "")) return std::nullopt;
    std::error_code code;
    auto const now = std::filesystem::last_write_time(probe, code);
    ::unlink(probe.c_str());
    return code ? std::nullopt : std::optional(now);
}

/// What a killed harvest left of this file, if nobody writes it any more: it may have gigabytes.
void remove_leftovers(std::string const& folder, std::string const& lfn)
{
    namespace fs = std::filesystem;
    std::error_code code;
    auto const now = time_in(folder);
    if (!now) return;
    for (fs::directory_iterator it(folder, code), end; !code && it != end; it.increment(code)) {
        auto const& entry = *it;
        auto const name = entry.path().filename().string();
        if (name.find("." + lfn + ".") == std::string::npos || name[0] != '.') continue;
        if (!name.ends_with(".incoming") && !name.ends_with(".part")) continue;
        std::error_code ignored;
        auto const written = fs::last_write_time(entry.path(), ignored);
        if (!ignored && *now - written > leftover_age) fs::remove(entry.path(), ignored);
    }
}

}  // namespace

std::optional<InputChecker::Problem> InputChecker::compare(std::string const& path, InputFile const& input)
{
    auto const fd = open_file(path, O_RDONLY);
    struct stat info {};
    if (!fd) return Problem{pilot_error::no_such_file, fd.error().text()};
    if (::fstat(fd->get(), &info) != 0 || !S_ISREG(info.st_mode))
        return Problem{pilot_error::no_such_file, path + " is no file"};
    auto const bytes = static_cast<std::uint64_t>(info.st_size);
    if (input.bytes != 0 && bytes != input.bytes)
        return Problem{pilot_error::input_wrong_size,
                       fmt::format("{} has {} bytes, PanDA says {}", path, bytes, input.bytes)};
    auto const wanted = parse_sum(input.checksum);
    if (!wanted)
        return Problem{pilot_error::stage_in_failed, "checksum '" + input.checksum + "' is of no known kind"};
    if (wanted->kind == WantedSum::Kind::none || !policy_.checksums) return std::nullopt;
    auto const seen = fmt::format("{} {}", bytes, input.checksum);
    if (auto const found = checked_.find(path); found != checked_.end() && found->second == seen)
        return std::nullopt;
    auto const sums = sum_part(fd->get(), 0, bytes, false);
    if (!sums) return Problem{pilot_error::stage_in_failed, sums.error().text()};
    if (wanted->kind == WantedSum::Kind::adler32 && sums->adler32 != wanted->adler32)
        return Problem{pilot_error::input_adler_mismatch,
                       fmt::format("{} has adler32 {}, PanDA says {}", path, print_adler32(sums->adler32),
                                   print_adler32(wanted->adler32))};
    if (wanted->kind == WantedSum::Kind::md5 && print_hex(sums->md5) != wanted->md5)
        return Problem{pilot_error::input_md5_mismatch,
                       fmt::format("{} has md5 {}, PanDA says {}", path, print_hex(sums->md5), wanted->md5)};
    checked_[path] = seen;
    return std::nullopt;
}

/// In the order of preference: where PanDA says that the file is, then as configured.
std::vector<InputSource const*> InputChecker::sources_for(std::string const& rse) const
{
    std::vector<InputSource const*> order;
    for (auto const& source : sources_) order.push_back(&source);
    std::stable_partition(order.begin(), order.end(),
                          [&rse](InputSource const* source) { return !rse.empty() && source->rse == rse; });
    return order;
}

InputChecker::Found InputChecker::stage_in(Job const& job, InputFile const& input, std::string const& rse,
                                           std::uint64_t& staged_bytes)
{
    auto const scope = input.scope.empty() ? std::string("local") : input.scope;
    if (!is_plain_file_name(scope))
        return Problem{pilot_error::stage_in_failed, "scope '" + scope + "' is no name"};
    if (policy_.direct_access && job.text("transferType") == "direct") {
        for (auto const* source : sources_for(rse))
            if (source->direct_url)
                if (auto url = source->direct_url(scope, input.lfn); !url.empty()) return url;
    }
    if (sources_.empty() || policy_.stage_folder.empty())
        return Problem{pilot_error::no_such_file,
                       fmt::format("{} is in none of {} input folders, and there is nowhere to fetch it from",
                                   input.lfn, policy_.folders.size())};
    staged_bytes += input.bytes;
    if (staged_bytes > policy_.stage_limit_bytes)
        return Problem{pilot_error::stage_in_failed,
                       fmt::format("inputs to be staged in have over {} bytes", policy_.stage_limit_bytes)};
    auto const folder = policy_.stage_folder + "/" + scope;
    auto const path = folder + "/" + input.lfn;
    if (path_exists(path) && !compare(path, input)) return path;
    if (auto const status = make_folders(folder); !status)
        return Problem{pilot_error::no_local_space, status.error().text()};
    remove_leftovers(folder, input.lfn);
    // Its name is for what has been verified.
    auto const incoming = fmt::format("{}/.{}.{}.incoming", folder, input.lfn, ::getpid());
    Problem last{pilot_error::stage_in_failed, "not fetched"};
    for (auto const* const source : sources_for(rse)) {
        for (unsigned attempt = 0; attempt < policy_.tries; ++attempt) {
            auto const [status, timed_out] = source->get(job.panda_id(), scope, input.lfn, incoming);
            if (status) {
                auto problem = compare(incoming, input);
                if (!problem && ::rename(incoming.c_str(), path.c_str()) != 0)
                    problem =
                        Problem{pilot_error::stage_in_failed, os_error("rename", incoming, errno).text()};
                if (!problem) {
                    log_.info("input_staged_in",
                              {{"lfn", input.lfn}, {"from", source->name}, {"bytes", input.bytes}});
                    return path;
                }
                ::unlink(incoming.c_str());
                last = std::move(*problem);
                log_.warning("input_is_wrong",
                             {{"lfn", input.lfn}, {"from", source->name}, {"why", last.why}});
                break;  // The same place would give the same again.
            }
            bool const full = status.error().kind == ErrorKind::no_space;
            last = {full        ? pilot_error::no_local_space
                    : timed_out ? pilot_error::stage_in_timeout
                                : pilot_error::stage_in_failed,
                    status.error().text()};
            log_.warning("input_not_fetched",
                         {{"lfn", input.lfn}, {"from", source->name}, {"why", last.why}});
            if (status.error().kind != ErrorKind::unavailable) break;
        }
    }
    return last;
}

InputChecker::Found InputChecker::find(Job const& job, InputFile const& input, std::string const& rse,
                                       std::uint64_t& staged_bytes)
{
    if (is_url(input.pfn)) return input.pfn;
    if (!input.pfn.empty()) {
        if (input.pfn[0] != '/')
            return Problem{pilot_error::no_such_file, input.pfn + " is no absolute path"};
        if (auto problem = compare(input.pfn, input)) return std::move(*problem);
        return input.pfn;
    }
    std::optional<Problem> first;
    for (auto const& folder : policy_.folders) {
        std::vector<std::string> names{input.lfn};
        if (is_plain_file_name(input.scope)) {
            names.push_back(input.scope + "/" + input.lfn);
            names.push_back(rucio_path(input.scope, input.lfn));
        }
        for (auto const& name : names) {
            auto const path = folder + "/" + name;
            if (!path_exists(path)) continue;
            auto problem = compare(path, input);
            if (!problem) return path;
            if (!first) first = std::move(problem);
        }
    }
    if (!first || (!sources_.empty() && !policy_.stage_folder.empty()))
        return stage_in(job, input, rse, staged_bytes);
    return std::move(*first);
}

std::variant<Job, JobEnd> InputChecker::check(Job const& job)
{
    std::uint64_t staged_bytes = 0;
    std::string paths;
    auto const places = job.list("ddmEndPointIn");
    for (std::size_t i = 0; i < job.inputs().size(); ++i) {
        auto const& input = job.inputs()[i];
        auto found =
            find(job, input, places.size() == job.inputs().size() ? places[i] : std::string{}, staged_bytes);
        if (auto const* const problem = std::get_if<Problem>(&found))
            return JobEnd{job.panda_id(), job.attempt(), problem->code,
                          "input " + input.lfn + ": " + problem->why};
        auto const& path = std::get<std::string>(found);
        if (path.find(',') != std::string::npos)
            return JobEnd{job.panda_id(), job.attempt(), pilot_error::stage_in_failed,
                          "input " + input.lfn + ": its path has a comma"};
        paths += (paths.empty() ? "" : ",") + path;
    }
    auto fields = job.fields();
    fields["inFilePaths"] = paths;
    auto filled = Job::from_json(std::move(fields));
    if (!filled)
        return JobEnd{job.panda_id(), job.attempt(), pilot_error::stage_in_failed, filled.error().text()};
    return std::move(*filled);
}

}  // namespace yoda
