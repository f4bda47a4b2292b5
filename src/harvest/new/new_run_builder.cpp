// SPDX-License-Identifier: Apache-2.0
#include "harvest/new/new_run_builder.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "sys/base/files.hpp"
#include "sys/run/event_file.hpp"

namespace yoda {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view part_mark = ".part-";

Error taken(std::string const& run)
{
    return {ErrorKind::usage, fmt::format("cannot make run folder {}", run),
            "something of that name is there",
            "choose another name, or remove it if its work is no longer wanted"};
}

/// "RUN/" and "RUN" are the same folder.
std::string without_slash(std::string path)
{
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    return path;
}

std::string parent_of(std::string const& path)
{
    auto const parent = fs::path(path).parent_path().string();
    return parent.empty() ? "." : parent;
}

/// What names of bundles hold of the run's id; never zero.
std::uint32_t short_run_id(std::string_view run_id)
{
    return parse_run_id(run_id.substr(0, 8)).value_or(1);
}

/// Renames a folder to a name that must be free.
Status rename_new(std::string const& from, std::string const& to)
{
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
    if (errno == EEXIST) return taken(to);
    // Some network file systems do not know the flag; there rename() at least refuses a folder with content.
    if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP) return os_error("rename", from, errno);
    if (path_exists(to)) return taken(to);
    if (::rename(from.c_str(), to.c_str()) == 0) return {};
    if (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR) return taken(to);
    return os_error("rename", from, errno);
}

}  // namespace

std::vector<std::string> find_leftovers(std::string const& run)
{
    std::vector<std::string> leftovers;
    std::string const path = without_slash(run);
    std::string const prefix = fs::path(path).filename().string() + std::string(part_mark);
    std::error_code code;
    fs::directory_iterator entries(parent_of(path), code);
    for (; !code && entries != fs::directory_iterator(); entries.increment(code)) {
        if (entries->path().filename().string().starts_with(prefix))
            leftovers.push_back(entries->path().string());
    }
    std::sort(leftovers.begin(), leftovers.end());
    return leftovers;
}

RunBuilder::RunBuilder(std::string run, std::string part) : run_(std::move(run)), part_(std::move(part)) {}

RunBuilder::RunBuilder(RunBuilder&& other) noexcept
    : run_(std::move(other.run_)),
      part_(std::exchange(other.part_, {})),
      jobs_(std::move(other.jobs_)),
      table_(std::move(other.table_)),
      payload_(std::move(other.payload_)),
      options_(std::move(other.options_)),
      files_(std::move(other.files_)),
      last_names_(std::move(other.last_names_))
{}

RunBuilder::~RunBuilder()
{
    if (part_.empty()) return;
    std::error_code ignored;
    fs::remove_all(part_, ignored);
}

Result<RunBuilder> RunBuilder::create(std::string run)
{
    run = without_slash(std::move(run));
    if (run.empty())
        return Error{
            ErrorKind::usage, "the run folder has no name", {}, "give a path that does not exist yet"};
    if (path_exists(run)) return taken(run);
    std::string part = fmt::format("{}{}{}", run, part_mark, ::getpid());
    if (::mkdir(part.c_str(), 0755) != 0) {
        if (errno == EEXIST)
            return Error{ErrorKind::usage, fmt::format("cannot make run folder {}", run),
                         fmt::format("{} is left from an attempt that did not finish", part),
                         "remove that folder"};
        auto error = os_error("make folder", part, errno);
        error.fix = errno == ENOENT ? "make its parent folder first" : "choose a place where you may write";
        return error;
    }
    return RunBuilder(std::move(run), std::move(part));
}

JobIndex RunBuilder::add_job(Job job)
{
    jobs_.push_back(std::move(job));
    return static_cast<JobIndex>(jobs_.size() - 1);
}

Status RunBuilder::add_range(JobIndex job, RangeView const& range, std::string_view pfn)
{
    // Ranges of one file come together, so its names are looked at once.
    if (!last_names_.is_of(range, pfn) || !fits_range_text(range.id)) {
        if (auto const text = print_range_text(range, pfn); !text) return text.error();
        last_names_ = {std::string(range.lfn), std::string(range.guid), std::string(range.scope),
                       std::string(pfn)};
    }
    auto const added = table_.add_range(job, range, pfn);
    return added ? Status() : Status(added.error());
}

Status RunBuilder::check() const
{
    auto const refuse = [&](std::string why, std::string fix) {
        return Error{ErrorKind::bad_input, fmt::format("cannot make run folder {}", run_), std::move(why),
                     std::move(fix)};
    };
    if (jobs_.empty()) return refuse("it has no job", "add one");
    if (table_.size() == 0) return refuse("it has no event range", "add inputs with events");
    if (table_.job_count() > jobs_.size()) return refuse("a range belongs to no job", {});
    return table_.check_duplicates();
}

Status RunBuilder::write_files() const
{
    for (std::string_view const folder : {"journal", "bundles", "logs", "inbox", "outbox", "quarantine"}) {
        if (auto status = make_folders(fmt::format("{}/{}", part_, folder)); !status) return status;
    }
    auto const payload = print_payload_config(payload_);
    // What is written must come back as it was: a value with " #" in it would lose its end.
    if (auto const again = parse_payload_config(payload, "payload.cfg");
        !again || print_payload_config(*again) != payload)
        return Error{ErrorKind::usage, "the payload's settings cannot be kept",
                     "a value holds a line break or ' #', which begins a comment", "rename the file"};
    EventFileInfo const info{make_run_id(), 0};
    auto jobs = jobs_;
    for (auto& job : jobs) job.set_run_id(short_run_id(info.run_id));
    if (auto status = replace_file(part_ + "/job.json", print_jobs(jobs)); !status) return status;
    if (auto status = replace_file(part_ + "/payload.cfg", payload); !status) return status;
    if (auto status = replace_file(part_ + "/yoda.cfg", options_); !status) return status;
    for (auto const& file : files_) {
        auto const path = part_ + "/" + file.path;
        if (auto status = make_folders(path.substr(0, path.rfind('/'))); !status) return status;
        if (auto status = replace_file(path, file.content, file.mode); !status) return status;
    }
    if (auto status = write_state_file(part_, table_, info.run_id, {}); !status) return status;
    return write_event_file(part_, table_, info);
}

Result<NewRunSummary> RunBuilder::commit()
{
    YODA_CHECK(!part_.empty(), "a run is committed once");
    if (auto const status = check(); !status) return status.error();
    if (auto const status = write_files(); !status) return status.error();
    if (auto const status = rename_new(part_, run_); !status) return status.error();
    part_.clear();
    if (auto const status = sync_folder(parent_of(run_)); !status) return status.error();

    NewRunSummary summary;
    summary.run = run_;
    summary.job_count = jobs_.size();
    summary.file_count = table_.files().size();
    summary.range_count = table_.size();
    for (RangeIndex i = 0; i < table_.size(); ++i)
        summary.event_count += table_.row(i).last - table_.row(i).first + 1;
    summary.leftovers = find_leftovers(run_);
    return summary;
}

}  // namespace yoda
