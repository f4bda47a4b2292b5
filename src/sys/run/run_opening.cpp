// SPDX-License-Identifier: Apache-2.0
#include "sys/run/run_opening.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "sys/base/files.hpp"
#include "sys/hdf5/reader.hpp"
#include "sys/hdf5/seal.hpp"
#include "sys/journal/file.hpp"
#include "sys/run/bundle_repair.hpp"
#include "sys/run/bundle_scan.hpp"
#include "sys/run/event_file_format.hpp"
#include "sys/run/event_file_state.hpp"
#include "sys/run/run_replay.hpp"

namespace yoda {

namespace {

constexpr unsigned looks = 50;

/// Fails now where the first write of a life would fail: read-only or full.
Status check_writable(RunFolder const& run)
{
    if (auto status = run.make_folders(); !status) return status;
    std::string const probe = fmt::format("{}/probe.{}", run.journal(), ::getpid());
    auto file = open_file(probe, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (!file) return file.error();
    auto status = write_all(file->get(), std::string(1u << 16, '\0'), probe);
    if (status && ::fsync(file->get()) != 0) status = os_error("sync", probe, errno);
    ::unlink(probe.c_str());
    return status;
}

Result<std::vector<Job>> load_jobs(RunFolder const& run)
{
    auto const text = read_file(run.jobs());
    if (!text) return text.error();
    auto jobs = parse_jobs(*text);
    if (jobs) return jobs;
    auto error = jobs.error();
    error.what = fmt::format("{}: {}", run.jobs(), error.what);
    return error;
}

/// Table and journal must be those of the jobs in job.json.
Status check_jobs(RunFolder const& run, EventTable const& table, std::vector<Job> const& jobs)
{
    auto const refuse = [&](std::string what, std::string why) {
        return Error{ErrorKind::bad_input, std::move(what), std::move(why),
                     "put back the files that belong to this run"};
    };
    for (auto const& file : table.files()) {
        if (file.job >= jobs.size())
            return refuse(
                fmt::format("{} is of another run", run.events()),
                fmt::format("it has ranges of job {}, job.json has {} jobs", file.job, jobs.size()));
    }
    for (auto const& bundle : table.bundles()) {
        if (bundle.origin.life == 0) continue;  // Of a bundle whose record is missing.
        if (bundle.origin.job < jobs.size() && jobs[bundle.origin.job].panda_id() == bundle.origin.panda_id)
            continue;
        return refuse(
            fmt::format("journal or state.h5 in {} are of another run", run.path()),
            fmt::format("they name bundle {}, job.json has no such PandaID", bundle_name(bundle.origin)));
    }
    return {};
}

/// A state.h5 that says nothing: all ranges ready, no checkpoint ever.
Status make_empty_state(RunFolder const& run)
{
    hdf5::Reader events(run.events(), "put events.h5 back");
    auto const run_id = events.get_text("/", "run_id");
    if (!events.ok()) return events.status();
    if (path_exists(run.state())) {
        if (auto status = set_aside(run, run.state()); !status) return status;
    }
    return event_file::StateFile(run.path(), run_id, {}, 0).commit({});
}

/// Programs that open a file read-write and write nothing change a few bytes of it. Old seals cover these.
Status renew_seals(RunFolder const& run, OpenMode mode, Findings& findings)
{
    for (auto const& path : {run.events(), run.state()}) {
        if (!hdf5::wants_renewal(path)) continue;
        findings.add(FindingKind::leftover,
                     "another program opened it read-write and changed HDF5's own marks, nothing else", path,
                     "it is sealed anew, and such an opening changes nothing any more");
        if (mode != OpenMode::take_over) continue;
        if (auto status = hdf5::renew_seal(path); !status) return status;
    }
    return {};
}

Result<LoadedTable> load_table(RunFolder const& run, OpenOptions const& options, OpenedRun& opened)
{
    auto loaded = load_event_file(run.path(), options.policy);
    bool const is_state = !loaded && loaded.error().text().find(run.state()) != std::string::npos;
    if (loaded || !is_state || !options.rebuild_state || options.mode != OpenMode::take_over) return loaded;
    opened.findings.add(FindingKind::damage, loaded.error().text(), run.state(),
                        "it is made anew from journal and bundles; ranges that had failed are run again");
    opened.wants_checkpoint = true;
    if (auto status = make_empty_state(run); !status) return status.error();
    return load_event_file(run.path(), options.policy);
}

/// Tells a file from the one that is renamed to its place.
struct FileVersion {
    ino_t inode = 0;
    timespec changed{};

    explicit FileVersion(std::string const& path)
    {
        struct stat info {};
        if (::stat(path.c_str(), &info) != 0) return;
        inode = info.st_ino;
        changed = info.st_mtim;
    }
    bool operator==(FileVersion const& other) const
    {
        return inode == other.inode && changed.tv_sec == other.changed.tv_sec &&
               changed.tv_nsec == other.changed.tv_nsec;
    }
};

/// Tells one checkpoint from the next. Where ranges were added events.h5 is new as well, a moment before.
struct CheckpointFiles {
    FileVersion events;
    FileVersion state;

    explicit CheckpointFiles(RunFolder const& run) : events(run.events()), state(run.state()) {}
    bool operator==(CheckpointFiles const&) const = default;
};

/// Checkpoint and journal. Beside a running yoda a new checkpoint may take the place of the one that was just
/// read, and the segments in between go; or state.h5 was read with the ranges of the older events.h5: then
/// all is read again.
Status load_and_replay(RunFolder const& run, OpenOptions const& options, OpenedRun& opened, bool& incomplete)
{
    for (unsigned look = 1;; ++look) {
        CheckpointFiles const before(run);
        bool const take_over = options.mode == OpenMode::take_over;
        auto const is_torn = [&] { return !take_over && look < looks && !(before == CheckpointFiles(run)); };
        auto loaded = load_table(run, options, opened);
        if (!loaded && is_torn()) continue;
        if (!loaded) return loaded.error();
        opened.event_file_rows = loaded->table.size();
        ReplayedJournal replayed;
        auto status = replay_journal(run, take_over, loaded->checkpoint, loaded->table, replayed);
        if (is_torn()) continue;
        if (!status) return status;
        opened.table = std::move(loaded->table);
        opened.info = loaded->info;
        opened.life = replayed.life;
        opened.next_sequence = replayed.next_sequence;
        opened.closed = replayed.closed;
        opened.applied_notes = std::move(replayed.applied_notes);
        opened.failure_reasons = std::move(replayed.failure_reasons);
        opened.record_count = replayed.record_count;
        opened.findings.append(replayed.findings);
        incomplete = replayed.incomplete;
        return {};
    }
}

/// Lives of sealed copies count too: their recovery may have ended before it could write its journal.
Result<Life> next_life(RunFolder const& run, std::uint32_t newest)
{
    auto const names = list_folder(run.quarantine());
    if (!names) return names.error();
    for (auto const& name : *names) {
        BundleOrigin origin;
        std::string_view suffix;
        if (parse_bundle_name(name, origin, suffix)) newest = std::max(newest, origin.life);
    }
    if (newest >= UINT16_MAX)
        return Error{ErrorKind::refused, fmt::format("run {} cannot be taken up again", run.path()),
                     fmt::format("it has had {} lives", newest), "make a run of what is left"};
    return static_cast<Life>(newest + 1);
}

}  // namespace

Status check_run_folder(RunFolder const& run)
{
    bool const has_jobs = path_exists(run.jobs());
    bool const has_events = path_exists(run.events());
    if (has_jobs && has_events) return {};
    std::string const fix = "make a run with harvest new or harvest fetch";
    if (!path_exists(run.path()))
        return Error{ErrorKind::usage, fmt::format("there is no run folder {}", run.path()), {}, fix};
    if (!has_jobs && !has_events)
        return Error{ErrorKind::usage, fmt::format("{} is not a run folder", run.path()),
                     "it has neither job.json nor events.h5", fix};
    return Error{ErrorKind::bad_input, fmt::format("run folder {} is not whole", run.path()),
                 fmt::format("it has no {}", has_jobs ? "events.h5" : "job.json"),
                 "remove it and make the run anew; a run that has worked needs both files back"};
}

Result<OpenedRun> open_run(RunFolder const& run, OpenOptions const& options)
{
    OpenedRun opened;
    bool const take_over = options.mode == OpenMode::take_over;
    if (auto status = check_run_folder(run); !status) return status.error();
    if (take_over) {
        if (auto status = check_writable(run); !status) return status.error();
    }
    auto jobs = load_jobs(run);
    if (!jobs) return jobs.error();
    opened.jobs = std::move(*jobs);
    bool incomplete = false;
    if (options.mode != OpenMode::look) {
        if (auto status = renew_seals(run, options.mode, opened.findings); !status) return status.error();
    }
    if (auto status = load_and_replay(run, options, opened, incomplete); !status) return status.error();
    opened.table.set_run_id(opened.jobs.front().run_id());
    if (auto status = check_jobs(run, opened.table, opened.jobs); !status) return status.error();
    opened.wants_checkpoint |= incomplete;
    if (options.mode == OpenMode::look) return opened;

    ScanOptions scanning;
    scanning.read_all = opened.wants_checkpoint;
    scanning.read_data = options.read_data;
    for (auto const& job : opened.jobs) scanning.panda_ids.push_back(job.panda_id());
    auto const scan = scan_bundles(run.bundles(), opened.table, scanning, opened.findings);
    if (!scan) return scan.error();
    opened.bundle_count = scan->facts.size();
    auto reconciled = reconcile(opened.table, scan->facts, opened.findings);
    if (!take_over) return opened;

    auto const life =
        next_life(run, std::max<std::uint32_t>({opened.life, scan->newest_life, options.newest_life}));
    if (!life) return life.error();
    opened.life = *life;
    auto records = repair_bundles(run, opened.table, *scan, std::move(reconciled),
                                  {*life, opened.jobs, options.unix_s}, opened.findings);
    if (!records) return records.error();
    opened.records = std::move(*records);
    opened.table.start_life(*life);
    return opened;
}

namespace {

/// All that only the journal knows, so that what is older may go.
std::string make_records(OpenedRun const& opened, journal::Writer& writer, std::int64_t unix_s,
                         std::string_view host)
{
    std::string bytes;
    writer.append(journal::LifeStarted{unix_s, host, {}}, bytes);
    bytes += opened.records.encode(writer);
    for (auto const& [range, reason] : opened.failure_reasons) {
        auto const& progress = opened.table.progress(range);
        if (progress.state != RangeState::failed && progress.state != RangeState::fatal) continue;
        auto const code = progress.holder == none ? 0u : progress.holder;
        writer.append(journal::RangeFailed{range, progress.state, progress.burnt,
                                           static_cast<std::uint16_t>(code), reason},
                      bytes);
    }
    for (auto const& note : opened.applied_notes) writer.append(journal::InboxApplied{note}, bytes);
    if (opened.closed) writer.append(journal::Closed{}, bytes);
    writer.append(journal::LifeEnded{0, "recovered"}, bytes);
    return bytes;
}

Status wait_until_durable(JournalFile& journal, std::uint64_t position)
{
    while (journal.durable() < position) {
        if (auto status = journal.error(); !status) return status;
        pollfd event{journal.event_fd(), POLLIN, 0};
        ::poll(&event, 1, 1000);
        journal.clear_event();
    }
    return {};
}

}  // namespace

Status save_recovery(RunFolder const& run, OpenedRun const& opened, std::int64_t unix_s,
                     std::string_view host)
{
    auto journal = JournalFile::open(run.journal(), opened.life, {});
    if (!journal) return journal.error();
    journal::Writer writer(opened.life, opened.next_sequence);
    auto const position = (*journal)->append(make_records(opened, writer, unix_s, host));
    if (auto status = wait_until_durable(**journal, position); !status) return status;
    Status status;
    if (opened.table.size() > opened.event_file_rows)
        status = write_event_file(run.path(), opened.table, opened.info);
    if (status)
        status = write_state_file(run.path(), opened.table, opened.info.run_id,
                                  {writer.next_sequence() - 1, opened.life});
    if (!status) return status;
    auto const segments = list_segments(run.journal());
    if (!segments) return segments.error();
    if (segments->empty()) return {};
    return remove_segments(run.journal(), opened.life, segments->back().number);
}

}  // namespace yoda
