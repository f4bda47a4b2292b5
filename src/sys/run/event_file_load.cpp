// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "sys/hdf5/reader.hpp"
#include "sys/run/event_file.hpp"
#include "sys/run/event_file_format.hpp"

namespace yoda {

using namespace event_file;

namespace {

constexpr std::uint64_t block_rows = 4 * hdf5::chunk_rows;
constexpr std::uint32_t max_jobs = 1u << 20;
constexpr std::uint64_t max_rows = none - 1;

/// Some columns of one group, all with the same number of rows.
template <std::size_t Count>
class Columns {
  public:
    Columns(hdf5::Reader& reader, std::array<hdf5::ColumnSpec, Count> const& specs) : reader_(reader)
    {
        for (std::size_t i = 0; i < Count; ++i) {
            numbers_[i] = reader.open_column(specs[i].path, specs[i].type);
            if (!reader.ok()) return;
            if (i > 0 && reader.rows(numbers_[i]) != rows())
                reader.refuse(fmt::format("{} has {} rows, {} has {}", specs[i].path,
                                          reader.rows(numbers_[i]), specs[0].path, rows()));
        }
        if (rows() > max_rows) reader.refuse(fmt::format("{} rows are too many", rows()));
    }
    std::uint64_t rows() const { return reader_.rows(numbers_[0]); }
    template <class T>
    void read(std::size_t column, std::uint64_t first, std::uint64_t count, std::vector<T>& out)
    {
        out.resize(count);
        reader_.read(numbers_[column], first, count, out.data());
    }

  private:
    hdf5::Reader& reader_;
    std::array<std::size_t, Count> numbers_{};
};

void check_version(hdf5::Reader& reader, std::string_view format)
{
    auto const found = reader.get_text("/", "format");
    if (reader.ok() && found != format)
        reader.refuse(fmt::format("its format is '{}', not '{}'", found, format));
    auto const number = reader.get_number("/", "version");
    if (reader.ok() && number != version)
        reader.refuse(fmt::format("it has version {}, this program reads {}", number, version));
}

void load_files(hdf5::Reader& reader, EventTable& table)
{
    Columns columns(reader, file_columns());
    if (!reader.ok()) return;
    std::uint64_t const rows = columns.rows();
    std::vector<std::uint32_t> jobs;
    std::vector<std::int64_t> tasks, pandas, ids;
    std::vector<std::uint8_t> texts;
    columns.read(file_job, 0, rows, jobs);
    columns.read(task_id, 0, rows, tasks);
    columns.read(panda_id, 0, rows, pandas);
    columns.read(file_id, 0, rows, ids);
    columns.read(text_ids, 0, rows, texts);
    auto const read_names = [&](std::string const& path) {
        auto names = reader.read_texts(path);
        if (reader.ok() && names.size() != rows)
            reader.refuse(fmt::format("{} has {} rows, /files/job has {}", path, names.size(), rows));
        return names;
    };
    auto lfns = read_names("/files/lfn");
    auto guids = read_names("/files/guid");
    auto scopes = read_names("/files/scope");
    auto pfns = read_names("/files/pfn");
    for (std::uint64_t i = 0; i < rows && reader.ok(); ++i) {
        if (jobs[i] >= max_jobs) {
            reader.refuse(fmt::format("/files/job[{}] is {}: no job can have that position", i, jobs[i]));
            break;
        }
        table.add_file({jobs[i], tasks[i], pandas[i], ids[i], texts[i] != 0, std::move(lfns[i]),
                        std::move(guids[i]), std::move(scopes[i]), std::move(pfns[i])});
    }
    for (auto const& text : reader.read_texts("/texts")) table.add_text(text);
}

/// Why a row cannot be; empty if it can.
std::string find_fault(EventTable const& table, RangeRow const& row)
{
    if (row.file >= table.files().size())
        return fmt::format("file {}, but there are {} in /files", row.file, table.files().size());
    if (row.last < row.first) return fmt::format("events {}..{}", row.first, row.last);
    if (table.files()[row.file].text_ids && row.process_id >= table.texts().size())
        return fmt::format("text {}, but there are {} in /texts", row.process_id, table.texts().size());
    return {};
}

void load_ranges(hdf5::Reader& reader, EventTable& table)
{
    Columns columns(reader, range_columns());
    if (!reader.ok()) return;
    std::uint64_t const rows = columns.rows();
    table.reserve(rows);
    std::vector<std::uint32_t> firsts, lasts, files, ids;
    std::vector<std::uint16_t> attempts;
    std::vector<RangeRow> block;
    for (std::uint64_t begin = 0; begin < rows; begin += block_rows) {
        std::uint64_t const count = std::min(block_rows, rows - begin);
        columns.read(first_event, begin, count, firsts);
        columns.read(last_event, begin, count, lasts);
        columns.read(file, begin, count, files);
        columns.read(process_id, begin, count, ids);
        columns.read(attempt, begin, count, attempts);
        if (!reader.ok()) return;
        for (std::uint64_t i = 0; i < count; ++i) {
            RangeRow const row{firsts[i], lasts[i], ids[i], files[i], attempts[i], 0};
            if (auto const fault = find_fault(table, row); !fault.empty()) {
                reader.refuse(fmt::format("range {} has {}", begin + i, fault));
                return;
            }
            table.add_row(row);
        }
    }
}

void load_bundles(hdf5::Reader& reader, EventTable& table)
{
    Columns columns(reader, bundle_columns());
    if (!reader.ok()) return;
    std::uint64_t const rows = columns.rows();
    std::vector<std::uint32_t> jobs, lives, ranks, sequences;
    std::vector<std::int64_t> pandas;
    std::vector<std::uint16_t> epoch_lives;
    std::vector<std::uint8_t> sealeds, losts;
    columns.read(bundle_job, 0, rows, jobs);
    columns.read(bundle_panda_id, 0, rows, pandas);
    columns.read(life, 0, rows, lives);
    columns.read(rank, 0, rows, ranks);
    columns.read(sequence, 0, rows, sequences);
    columns.read(epoch_life, 0, rows, epoch_lives);
    columns.read(sealed, 0, rows, sealeds);
    columns.read(lost, 0, rows, losts);
    std::vector<BundleState> bundles;
    for (std::uint64_t i = 0; i < rows && reader.ok(); ++i)
        bundles.push_back({{pandas[i], jobs[i], lives[i], ranks[i], sequences[i]},
                           epoch_lives[i],
                           sealeds[i] != 0,
                           losts[i] != 0});
    if (reader.ok()) table.set_bundles(std::move(bundles));
}

void load_states(hdf5::Reader& reader, EventTable& table)
{
    Columns columns(reader, state_columns());
    if (!reader.ok()) return;
    std::uint64_t const rows = columns.rows();
    if (rows > table.size()) {
        reader.refuse(fmt::format("it has {} ranges, events.h5 has {}", rows, table.size()));
        return;
    }
    std::vector<std::uint8_t> states, tries, deaths;
    std::vector<std::uint16_t> winners, codes;
    std::vector<std::uint32_t> bundles, cpus, walls;
    for (std::uint64_t begin = 0; begin < rows; begin += block_rows) {
        std::uint64_t const count = std::min(block_rows, rows - begin);
        columns.read(state, begin, count, states);
        columns.read(tries_burnt, begin, count, tries);
        columns.read(payload_deaths, begin, count, deaths);
        columns.read(winner, begin, count, winners);
        columns.read(bundle, begin, count, bundles);
        columns.read(error_code, begin, count, codes);
        columns.read(cpu, begin, count, cpus);
        columns.read(wall, begin, count, walls);
        if (!reader.ok()) return;
        for (std::uint64_t i = 0; i < count; ++i) {
            auto const refuse = [&](std::string_view what, unsigned value) {
                reader.refuse(fmt::format("range {} has {} {}", begin + i, what, value));
            };
            if (states[i] >= range_state_count) return refuse("state", states[i]);
            if (tries[i] > 15) return refuse("tries_burnt", tries[i]);
            if (deaths[i] > 15) return refuse("payload_deaths", deaths[i]);
            RangeProgress progress;
            progress.state = static_cast<RangeState>(states[i]);
            bool const finished = progress.state == RangeState::finished;
            // A payload without outputs finishes its ranges in no bundle.
            if (finished && bundles[i] != none && bundles[i] >= table.bundles().size())
                return refuse("bundle", bundles[i]);
            progress.burnt = static_cast<std::uint8_t>(deaths[i] << 4 | tries[i]);
            progress.holder = finished ? bundles[i] : codes[i] ? codes[i] : none;
            progress.cpu_ms = cpus[i];
            progress.wall_ms = walls[i];
            table.set_progress(static_cast<RangeIndex>(begin + i), progress, winners[i]);
        }
    }
}

}  // namespace

Result<LoadedTable> load_event_file(std::string const& run, TablePolicy policy)
{
    LoadedTable loaded{EventTable(policy), {}, {}};

    hdf5::Reader events(events_path(run), "make the run anew with harvest new or harvest fetch");
    check_version(events, events_format);
    loaded.info.run_id = events.get_text("/", "run_id");
    loaded.info.last_note = events.get_number("/", "last_note");
    load_files(events, loaded.table);
    load_ranges(events, loaded.table);
    if (!events.ok()) return events.status().error();

    hdf5::Reader state(state_path(run),
                       "run harvest recover --rebuild-state, which makes it anew from journal and bundles");
    check_version(state, state_format);
    auto const run_id = state.get_text("/", "run_id");
    if (state.ok() && run_id != loaded.info.run_id)
        state.refuse(fmt::format("it belongs to run {}, events.h5 to run {}", run_id, loaded.info.run_id));
    loaded.checkpoint.journal_sequence = state.get_number("/", "journal_sequence");
    auto const last_life = state.get_number("/", "life");
    if (last_life > UINT16_MAX) state.refuse(fmt::format("life {} is beyond 16 bits", last_life));
    loaded.checkpoint.life = static_cast<Life>(last_life);
    load_bundles(state, loaded.table);
    load_states(state, loaded.table);
    if (!state.ok()) return state.status().error();

    loaded.table.rebuild();
    return loaded;
}

}  // namespace yoda
