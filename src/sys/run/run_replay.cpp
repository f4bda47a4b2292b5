// SPDX-License-Identifier: Apache-2.0
#include "sys/run/run_replay.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "core/journal/replay.hpp"
#include "sys/base/files.hpp"
#include "sys/journal/file.hpp"
#include "sys/journal/reader.hpp"

namespace yoda {

namespace {

using Step = SegmentReader::Step;

Status sync_file(std::string const& path)
{
    auto const file = open_file(path, O_RDONLY);
    if (!file) return file.error();
    if (::fdatasync(file->get()) != 0 && errno != EINVAL && errno != EROFS)
        return os_error("sync", path, errno);
    return {};
}

/// Tells `replay` with which number each life's frames begin.
Status find_begins(std::vector<JournalSegment> const& segments, Replay& replay)
{
    Life told = 0;
    for (auto const& segment : segments) {
        if (segment.life == told) continue;
        auto reader = SegmentReader::open(segment.path, 0);
        if (!reader) return reader.error();
        for (auto step = reader->next(); step == Step::record || step == Step::damage;
             step = reader->next()) {
            if (step == Step::damage) continue;
            replay.begin_life(reader->info().life, reader->info().sequence);
            told = segment.life;
            break;
        }
    }
    return {};
}

class SegmentReplay {
  public:
    SegmentReplay(RunFolder const& run, bool repair, Replay& replay, ReplayedJournal& replayed)
        : run_(run), repair_(repair), replay_(replay), replayed_(replayed)
    {}
    /// `last`: of its life, so that it may end in the middle of a write.
    Status read(JournalSegment const& segment, bool last);

  private:
    Status quarantine(JournalSegment const& segment, std::uint64_t begin, std::uint64_t end);

    RunFolder const& run_;
    bool repair_;
    Replay& replay_;
    ReplayedJournal& replayed_;
};

Status SegmentReplay::quarantine(JournalSegment const& segment, std::uint64_t begin, std::uint64_t end)
{
    if (!repair_) return {};
    auto const name = std::filesystem::path(segment.path).filename().string();
    return copy_bytes(segment.path, begin, end,
                      fmt::format("{}/{}.{}-{}", run_.quarantine(), name, begin, end));
}

Status SegmentReplay::read(JournalSegment const& segment, bool last)
{
    auto reader = SegmentReader::open(segment.path);
    if (!reader) return reader.error();
    auto const name = std::filesystem::path(segment.path).filename().string();
    auto const report = [&](FindingKind kind, std::string what, std::string consequence) {
        replayed_.findings.add(kind, std::move(what), fmt::format("{} at {}", name, reader->offset()),
                               std::move(consequence));
    };
    for (;;) {
        switch (reader->next()) {
            case Step::record:
                replay_.apply(reader->record(), reader->info(), {name, reader->offset()}, replayed_.findings);
                break;
            case Step::end:
                return {};
            case Step::damage:
                replayed_.incomplete = true;
                report(FindingKind::damage,
                       fmt::format("{} bytes are no records", reader->damage_end() - reader->offset()),
                       "what they said is taken from the bundles; the bytes are kept in the quarantine");
                if (auto status = quarantine(segment, reader->offset(), reader->damage_end()); !status)
                    return status;
                break;
            case Step::torn: {
                auto const bytes = reader->damage_end() - reader->offset();
                if (last) {
                    report(FindingKind::leftover,
                           fmt::format("the last {} bytes are an unfinished write", bytes),
                           "nothing in them had been acknowledged");
                    return {};
                }
                replayed_.incomplete = true;
                report(FindingKind::damage, fmt::format("the last {} bytes are no records", bytes),
                       "what they said is taken from the bundles; the bytes are kept in the quarantine");
                return quarantine(segment, reader->offset(), reader->damage_end());
            }
            case Step::other_version:
                return Error{ErrorKind::bad_input,
                             fmt::format("journal {} is of another version", segment.path), reader->trouble(),
                             "use the yoda that wrote it"};
            case Step::unreadable:
                return Error{ErrorKind::io, fmt::format("journal {} cannot be read", segment.path),
                             reader->trouble(), "check the disk, then try again"};
        }
    }
}

}  // namespace

Status replay_journal(RunFolder const& run, bool repair, CheckpointInfo const& checkpoint, EventTable& table,
                      ReplayedJournal& replayed)
{
    std::vector<JournalSegment> segments;
    if (path_exists(run.journal())) {
        auto listed = list_segments(run.journal());
        if (!listed) return listed.error();
        segments = std::move(*listed);
    }
    Replay replay(table, checkpoint.life, checkpoint.journal_sequence);
    if (auto status = find_begins(segments, replay); !status) return status;
    SegmentReplay reading(run, repair, replay, replayed);
    for (std::size_t i = 0; i < segments.size(); ++i) {
        bool const last = i + 1 == segments.size() || segments[i + 1].life != segments[i].life;
        if (repair) {
            if (auto status = sync_file(segments[i].path); !status) return status;
        }
        if (auto status = reading.read(segments[i], last); !status) return status;
    }
    replay.finish();
    replayed.life = replay.life();
    for (auto const& segment : segments) replayed.life = std::max(replayed.life, segment.life);
    replayed.next_sequence = replay.next_sequence();
    replayed.closed = replay.closed();
    replayed.applied_notes = replay.applied_notes();
    replayed.failure_reasons = replay.failure_reasons();
    replayed.record_count = replay.applied_count();
    replayed.incomplete |= replay.incomplete();
    return {};
}

}  // namespace yoda
