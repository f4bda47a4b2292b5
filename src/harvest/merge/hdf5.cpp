// SPDX-License-Identifier: Apache-2.0
#include "harvest/merge/hdf5.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>

#include "harvest/merge/order.hpp"
#include "sys/hdf5/concatenation.hpp"

namespace yoda {

namespace {

using hdf5::ColumnSpec;
using hdf5::ElementType;

constexpr std::uint64_t merged_version = 1;
constexpr std::string_view event_numbers = "/events/number";

/// Appends ranges one by one, and keeps the index.
class Hdf5Merge {
  public:
    Hdf5Merge(EventTable const& table, MergeBundles& bundles, std::string const& output,
              std::uint64_t max_in_memory_bytes)
        : table_(table), bundles_(bundles), max_in_memory_bytes_(max_in_memory_bytes), out_(output, "/index")
    {}

    Status append(RangeIndex range);
    Status commit(MergeSummary& summary);

  private:
    /// A group whose rows belong to events.
    struct RowGroup {
        std::string path;
        std::size_t counts = 0;             ///< dataset that counts its rows
        std::vector<std::size_t> datasets;  ///< those of the group itself
        std::size_t column = 0;             ///< of the index: first row of each event
        std::uint64_t next_row = 0;
    };
    Status start();
    Status add_row_group(hdf5::GroupInfo const& group);
    Status append_source(RangeIndex range);
    Status index_events(RangeIndex range, FileIndex file);
    Status index_rows(RowGroup& group);
    FileIndex index_file(RangeIndex range);
    template <class T>
    void put(std::size_t column, T value)
    {
        out_.append(column, &value, 1);
    }

    EventTable const& table_;
    MergeBundles& bundles_;
    std::uint64_t max_in_memory_bytes_;
    hdf5::Concatenation out_;
    bool started_ = false;
    std::optional<std::size_t> numbers_;  ///< dataset /events/number
    std::size_t range_file_ = 0, range_first_ = 0, range_last_ = 0;
    std::vector<std::size_t> range_rows_;  ///< by dataset; unused for single values
    std::size_t event_file_ = 0, event_number_ = 0;
    std::vector<RowGroup> row_groups_;
    std::vector<FileIndex> files_;  ///< of the table, in order of appearance
    FileIndex last_file_ = none;
    std::uint64_t event_count_ = 0;
};

Status Hdf5Merge::append(RangeIndex range)
{
    auto const entry = bundles_.find(range);
    if (!entry) return entry.error();
    auto const refuse = [&](std::string why) {
        return Error{ErrorKind::bad_input,
                     fmt::format("the output of {} cannot be merged", describe_range(table_, range)),
                     std::move(why),
                     "its payload must write one HDF5 file a range, all of one shape (docs/payloads.md)"};
    };
    if (entry->members.size() != 1)
        return refuse(fmt::format("it has {} files, not one", entry->members.size()));
    auto const& member = entry->members.front();
    hdf5::Storage storage;
    if (member.bytes <= max_in_memory_bytes_) {
        auto const content = bundles_.read(range, member);
        if (!content) return content.error();
        storage.image = *content;
    } else {  // Too large to hold: verified first, then read where it is.
        auto const verified = bundles_.copy(range, member, [](std::string_view) { return Status(); });
        if (!verified) return verified;
        auto const fd = bundles_.tar_fd(range);
        if (!fd) return fd.error();
        storage.fd = *fd;
        storage.offset = member.data_offset;
        storage.bytes = member.bytes;
    }
    auto status = out_.open_source(storage);
    if (status && !started_) status = start();
    if (status) status = append_source(range);
    out_.close_source();
    if (!status && status.error().what.empty())
        return refuse(fmt::format("{}: {}", member.name, status.error().why));
    return status;
}

Status Hdf5Merge::start()
{
    started_ = true;
    auto& writer = out_.writer();
    writer.add_group("/index");
    writer.set_text("/index", "format", "yoda merged");
    writer.set_number("/index", "version", merged_version);
    writer.set_text("/index", "meaning",
                    "which rows of the datasets belong to which range and event; rows are in event order");
    range_file_ = out_.add_column({"/index/ranges/file", ElementType::u32, "1", "row in /index/files"});
    range_first_ =
        out_.add_column({"/index/ranges/first_event", ElementType::u32, "1", "first event of the range"});
    range_last_ =
        out_.add_column({"/index/ranges/last_event", ElementType::u32, "1", "its last event, inclusive"});
    for (auto const& dataset : out_.datasets()) {
        range_rows_.push_back(
            dataset.scalar ? 0
                           : out_.add_column({"/index/ranges/row_begin" + dataset.path, ElementType::u64, "1",
                                              "first row of the range in " + dataset.path}));
    }
    numbers_ = out_.find(event_numbers);
    if (numbers_) {
        event_file_ = out_.add_column({"/index/events/file", ElementType::u32, "1", "row in /index/files"});
        event_number_ = out_.add_column(
            {"/index/events/number", ElementType::u32, "1", "position of the event in its file, from 1"});
        for (auto const& group : out_.groups()) {
            if (group.rows_per_event.empty() || group.path == "/") continue;
            if (auto status = add_row_group(group); !status) return status;
        }
    }
    return out_.writer().status();
}

Status Hdf5Merge::add_row_group(hdf5::GroupInfo const& group)
{
    RowGroup rows;
    rows.path = group.path;
    auto const counts = out_.find(group.rows_per_event);
    if (!counts)
        return Error{ErrorKind::bad_input,
                     {},
                     fmt::format("rows_per_event of {} names {}, which is not there", group.path,
                                 group.rows_per_event),
                     {}};
    rows.counts = *counts;
    std::string const prefix = group.path + "/";
    for (std::size_t i = 0; i < out_.datasets().size(); ++i) {
        auto const& dataset = out_.datasets()[i];
        bool const inside = dataset.path.starts_with(prefix) &&
                            dataset.path.find('/', prefix.size()) == std::string::npos && !dataset.scalar;
        if (inside) rows.datasets.push_back(i);
    }
    // A group may hold another one of this kind, so their columns do not nest as they do.
    std::string name = group.path.substr(1);
    std::replace(name.begin(), name.end(), '/', '.');
    rows.column = out_.add_column({"/index/events/row_begin/" + name, ElementType::u64, "1",
                                   "first row of the event in " + group.path});
    row_groups_.push_back(std::move(rows));
    return {};
}

FileIndex Hdf5Merge::index_file(RangeIndex range)
{
    // Ranges of a file come together. Two rows of the table's file list may be one file (other ids).
    FileIndex const file = table_.row(range).file;
    if (file != last_file_) {
        auto const same = [&](FileIndex other) {
            return table_.files()[other].job == table_.files()[file].job &&
                   table_.files()[other].lfn == table_.files()[file].lfn;
        };
        if (files_.empty() || !same(files_.back())) files_.push_back(file);
        last_file_ = file;
    }
    return static_cast<FileIndex>(files_.size() - 1);
}

Status Hdf5Merge::index_events(RangeIndex range, FileIndex file)
{
    auto const& row = table_.row(range);
    auto const numbers = out_.read_integers(*numbers_);
    if (!numbers) return numbers.error();
    bool covers = numbers->size() == std::size_t{row.last} - row.first + 1;
    for (std::size_t i = 0; covers && i < numbers->size(); ++i)
        covers = (*numbers)[i] == static_cast<std::int64_t>(row.first + i);
    if (!covers)
        return Error{
            ErrorKind::bad_input,
            {},
            fmt::format("it does not cover its range: {} holds {} events{}", event_numbers, numbers->size(),
                        numbers->empty() ? "" : fmt::format(", {}..{}", numbers->front(), numbers->back())),
            {}};
    std::vector<std::uint32_t> const files(numbers->size(), file);
    std::vector<std::uint32_t> events(numbers->size());
    std::iota(events.begin(), events.end(), row.first);
    out_.append(event_file_, files.data(), files.size());
    out_.append(event_number_, events.data(), events.size());
    for (auto& group : row_groups_) {
        if (auto status = index_rows(group); !status) return status;
    }
    return {};
}

Status Hdf5Merge::index_rows(RowGroup& group)
{
    auto const counts = out_.read_integers(group.counts);
    if (!counts) return counts.error();
    std::string const& name = out_.datasets()[group.counts].path;
    auto const refuse = [&](std::string why) { return Error{ErrorKind::bad_input, {}, std::move(why), {}}; };
    if (counts->size() != out_.source_rows(*numbers_))
        return refuse(fmt::format("{} has {} rows, {} has {}", name, counts->size(), event_numbers,
                                  out_.source_rows(*numbers_)));
    std::vector<std::uint64_t> begins;
    std::uint64_t rows = 0;
    for (auto const count : *counts) {
        if (count < 0 || count > INT64_MAX / 2) return refuse(fmt::format("{} counts {} rows", name, count));
        begins.push_back(group.next_row + rows);
        rows += static_cast<std::uint64_t>(count);
    }
    for (auto const dataset : group.datasets) {
        if (out_.source_rows(dataset) != rows)
            return refuse(fmt::format("{} counts {} rows, {} has {}", name, rows,
                                      out_.datasets()[dataset].path, out_.source_rows(dataset)));
    }
    group.next_row += rows;
    out_.append(group.column, begins.data(), begins.size());
    return {};
}

Status Hdf5Merge::append_source(RangeIndex range)
{
    auto const& row = table_.row(range);
    FileIndex const file = index_file(range);
    if (numbers_) {
        if (auto status = index_events(range, file); !status) return status;
    }
    put(range_file_, file);
    put(range_first_, row.first);
    put(range_last_, row.last);
    for (std::size_t i = 0; i < range_rows_.size(); ++i) {
        if (!out_.datasets()[i].scalar) put(range_rows_[i], out_.rows(i));
    }
    event_count_ += row.last - row.first + 1;
    return out_.append_source();
}

Status Hdf5Merge::commit(MergeSummary& summary)
{
    if (!started_) {  // --partial, and nothing is finished: a file that says so.
        if (auto status = start(); !status) return status;
    }
    std::size_t const jobs = out_.add_column(
        {"/index/files/job", ElementType::u32, "1", "position of the job in job.json, from 0"});
    for (auto const file : files_) put(jobs, table_.files()[file].job);
    out_.writer().add_texts(
        "/index/files/lfn", "logical file name", files_.size(),
        [&](std::uint64_t i) -> std::string_view { return table_.files()[files_[i]].lfn; });
    for (std::size_t i = 0; i < out_.datasets().size(); ++i) {
        if (!out_.datasets()[i].scalar) summary.datasets.emplace_back(out_.datasets()[i].path, out_.rows(i));
    }
    summary.event_count = event_count_;
    summary.events_checked = numbers_.has_value();
    return out_.commit();
}

}  // namespace

Status merge_hdf5(EventTable const& table, std::vector<RangeIndex> const& order, MergeBundles& bundles,
                  std::string const& output, MergeOptions const& options, MergeAdvance const& advance,
                  MergeSummary& summary)
{
    Hdf5Merge merge(table, bundles, output, options.max_in_memory_bytes);
    std::uint64_t done = 0;
    for (RangeIndex const range : order) {
        advance(done++, range);
        if (auto status = merge.append(range); !status) return status;
    }
    return merge.commit(summary);
}

}  // namespace yoda
