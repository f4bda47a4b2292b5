// SPDX-License-Identifier: Apache-2.0
// Run folders with a table, a journal and bundles as lives leave them, and a check of what a table says
// against the bytes on disk.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/journal/journal_format.hpp"
#include "support/builders/bundles.hpp"
#include "support/builders/table_builder.hpp"
#include "support/scratch_folder.hpp"
#include "sys/base/run_folder.hpp"
#include "sys/journal/segments.hpp"
#include "sys/run/event_file.hpp"
#include "sys/run/run_opening.hpp"

namespace yoda::test {

/// A run of one job, PandaID 200, with `ranges` ranges of one file, never started.
inline void make_run(std::string const& path, std::uint32_t ranges,
                     std::string const& run_id = "00112233445566778899aabbccddeeff")
{
    RunFolder const run(path);
    ASSERT_TRUE(run.make_folders());
    write_text(run.jobs(), R"({"version": 1, "jobs": [{"PandaID": 200, "taskID": 100, "jobsetID": 400}]})");
    auto const table = make_table({ranges});
    ASSERT_TRUE(write_event_file(path, table, {run_id, 0}));
    ASSERT_TRUE(write_state_file(path, table, run_id, {0, 0}));
    for (auto const& file : {run.events(), run.state()})  // For what tests do to them.
        std::filesystem::permissions(file, std::filesystem::perms::owner_write,
                                     std::filesystem::perm_options::add);
}

/// One life of such a run, without any threads: what it is told goes to the disk at once.
class TestLife {
  public:
    TestLife(std::string run, Life life, std::uint64_t next_sequence, std::uint64_t segment = 1)
        : run_(std::move(run)), life_(life), writer_(life, next_sequence), segment_(segment)
    {
        record(journal::LifeStarted{1700000000, "node", ""});
    }

    void record(journal::Record const& what)
    {
        std::string bytes;
        writer_.append(what, bytes);
        append(bytes);
    }
    void append(std::string const& bytes)
    {
        auto const file = open_file(segment_path(), O_WRONLY | O_CREAT | O_APPEND, 0644);
        if (!file || !write_all(file->get(), bytes, segment_path())) ++failures_;
    }
    std::string segment_path() const { return yoda::segment_path(run_ + "/journal", life_, segment_); }
    void begin_segment() { ++segment_; }

    /// Stores the outputs of these ranges in bundle `sequence` of Droid 1; `hand_out` tells copies apart.
    void store(std::uint32_t sequence, std::vector<RangeIndex> const& ranges, std::uint16_t hand_out = 1)
    {
        auto& bundle = bundles_[sequence];
        if (!bundle.file) {
            auto created = BundleFile::create(run_ + "/bundles", origin(sequence));
            if (!created) {
                ++failures_;
                return;
            }
            bundle.file = std::move(*created);
        }
        ScratchFolder const worker;
        for (auto const range : ranges)
            append_output(*bundle.file, worker.path(), range, Epoch::make(life_, hand_out));
        if (!bundle.file->sync()) ++failures_;
    }
    /// Journals them as finished there; the bundle's number is that of its first use, from `first_number`.
    void finish(std::uint32_t sequence, std::vector<RangeIndex> const& ranges, std::uint16_t hand_out = 1)
    {
        auto& bundle = bundles_[sequence];
        if (bundle.number == none) {
            bundle.number = next_number++;
            record(journal::BundleChanged{bundle.number, {origin(sequence), life_, false, false}});
        }
        std::vector<FinishedEntry> entries;
        for (auto const range : ranges) entries.push_back({range, hand_out, 10 + range, 20 + range});
        record(journal::RangesFinished{bundle.number, life_, entries});
    }
    void store_and_finish(std::uint32_t sequence, std::vector<RangeIndex> const& ranges)
    {
        store(sequence, ranges);
        finish(sequence, ranges);
    }
    void seal(std::uint32_t sequence, std::vector<EntryKey> const& rejected = {})
    {
        auto& bundle = bundles_[sequence];
        if (!bundle.file->seal({100, 400, 1700000000}, rejected)) ++failures_;
        if (bundle.number != none)
            record(journal::BundleChanged{bundle.number, {origin(sequence), life_, true, false}});
    }
    BundleOrigin origin(std::uint32_t sequence) const { return {200, 0, life_, 1, sequence, run_id}; }
    std::uint32_t run_id = 0;
    BundlePaths paths(std::uint32_t sequence) const
    {
        return bundle_paths(run_ + "/bundles", origin(sequence));
    }
    bool good() const { return failures_ == 0; }
    std::uint64_t next_sequence() const { return writer_.next_sequence(); }

    BundleNumber next_number = 0;

  private:
    struct Bundle {
        std::unique_ptr<BundleFile> file;
        BundleNumber number = none;
    };
    std::string run_;
    Life life_;
    journal::Writer writer_;
    std::uint64_t segment_;
    std::map<std::uint32_t, Bundle> bundles_;
    unsigned failures_ = 0;
};

inline std::vector<RangeIndex> finished_ranges(EventTable const& table)
{
    std::vector<RangeIndex> ranges;
    for (RangeIndex range = 0; range < table.size(); ++range) {
        if (table.state(range) == RangeState::finished) ranges.push_back(range);
    }
    return ranges;
}

/// Whether each finished range lies, once and with the right bytes, in the bundle that the table names.
/// Empty if so. After recovery all bundles must be sealed and nothing may be left open.
inline std::string check_outputs(RunFolder const& run, EventTable const& table, bool recovered)
{
    std::vector<unsigned> found(table.size());
    for (BundleNumber number = 0; number < table.bundles().size(); ++number) {
        auto const paths = bundle_paths(run.bundles(), table.bundles()[number].origin);
        bool const sealed = path_exists(paths.manifest);
        auto const name = bundle_name(table.bundles()[number].origin);
        bool const open_tar = !sealed && path_exists(paths.open_tar);
        bool const open_index = !sealed && path_exists(paths.open_index);
        auto const index = decode_index(file_text(open_index ? paths.open_index : paths.index));
        auto const tar = file_text(open_tar ? paths.open_tar : paths.tar);
        if (!index) continue;
        if (sealed) {
            auto const manifest = parse_manifest(file_text(paths.manifest));
            if (!manifest || manifest->bytes != tar.size() || manifest->adler32 != adler32(tar) ||
                manifest->entry_count != index->entries.size())
                return "the manifest of " + name + " is wrong";
        }
        for (auto const& entry : index->entries) {
            if (!table.is_winner(entry.range, Epoch{entry.epoch}, number)) continue;
            if (recovered && !sealed) return name + " counts and is not sealed";
            if (entry.members.size() != 1 ||
                tar.substr(entry.members[0].data_offset, entry.members[0].bytes) != content_of(entry.range))
                return fmt::format("range {} is not what it should be in {}", entry.range, name);
            ++found[entry.range];
        }
    }
    for (RangeIndex range = 0; range < table.size(); ++range) {
        bool const finished = table.state(range) == RangeState::finished;
        if (found[range] != (finished ? 1u : 0u))
            return fmt::format("range {} is {} and {} times in the bundle it names", range,
                               print_state(table.state(range)), found[range]);
    }
    if (!recovered) return {};
    for (auto const& file : std::filesystem::directory_iterator(run.bundles())) {
        auto const name = file.path().filename().string();
        if (name.ends_with(".part") || name.ends_with(".new")) return name + " was left behind";
    }
    return {};
}

inline OpenOptions take_over_options()
{
    OpenOptions options;
    options.mode = OpenMode::take_over;
    options.unix_s = 1700000001;
    return options;
}

}  // namespace yoda::test
