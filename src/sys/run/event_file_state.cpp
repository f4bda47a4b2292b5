// SPDX-License-Identifier: Apache-2.0
#include "sys/run/event_file_state.hpp"

#include <algorithm>

#include "sys/run/event_file_format.hpp"

namespace yoda::event_file {

namespace {

bool is_untouched(StateRow const& row)
{
    auto const& progress = row.progress;
    bool const waits = progress.state == RangeState::ready || progress.state == RangeState::sent;
    return waits && progress.burnt == 0 && row.winner == 0 && progress.cpu_ms == 0 && progress.wall_ms == 0 &&
           (progress.state == RangeState::sent || progress.holder == none);
}

template <class T, class Get>
void write_column(hdf5::Writer& writer, std::size_t column, std::uint64_t first, std::size_t count, Get get)
{
    std::vector<T> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<T>(get(i));
    writer.write(column, first, count, values.data());
}

}  // namespace

StateFile::StateFile(std::string const& run, std::string const& run_id, CheckpointInfo const& checkpoint,
                     RangeIndex rows)
    : writer_(state_path(run), true)
{
    writer_.set_text("/", "format", state_format);
    writer_.set_number("/", "version", version);
    writer_.set_text("/", "run_id", run_id);
    writer_.set_number("/", "journal_sequence", checkpoint.journal_sequence);
    writer_.set_number("/", "life", checkpoint.life);
    writer_.set_text("/", "meaning",
                     "state of the event ranges of events.h5 (same rows) after the journal record "
                     "journal_sequence; later records are in journal/");
    writer_.add_group("/ranges");
    for (auto const& spec : state_columns()) columns_.push_back(writer_.add_column(spec, rows));
}

void StateFile::write(RangeIndex first, std::span<StateRow const> rows)
{
    if (std::all_of(rows.begin(), rows.end(), is_untouched)) return;
    auto const state_of = [&](std::size_t i) {
        auto const state = rows[i].progress.state;
        return state == RangeState::sent ? RangeState::ready : state;
    };
    auto const put = [&]<class T>(StateColumn column, T /*type*/, auto get) {
        write_column<T>(writer_, columns_[column], first, rows.size(), get);
    };
    put(state, std::uint8_t{}, state_of);
    put(tries_burnt, std::uint8_t{}, [&](std::size_t i) { return rows[i].progress.burnt & 15u; });
    put(payload_deaths, std::uint8_t{}, [&](std::size_t i) { return rows[i].progress.burnt >> 4; });
    put(winner, std::uint16_t{}, [&](std::size_t i) { return rows[i].winner; });
    put(bundle, std::uint32_t{}, [&](std::size_t i) {
        return rows[i].progress.state == RangeState::finished ? rows[i].progress.holder : none;
    });
    put(error_code, std::uint16_t{}, [&](std::size_t i) {
        auto const& progress = rows[i].progress;
        // While sent, the holder is the owner's rank; finished, the bundle.
        bool const has_code = progress.state != RangeState::sent && progress.state != RangeState::finished;
        return has_code && progress.holder != none ? progress.holder : 0;
    });
    put(cpu, std::uint32_t{}, [&](std::size_t i) { return rows[i].progress.cpu_ms; });
    put(wall, std::uint32_t{}, [&](std::size_t i) { return rows[i].progress.wall_ms; });
}

void StateFile::write_bundles(std::vector<BundleState> const& bundles)
{
    writer_.add_group("/bundles");
    std::vector<std::size_t> columns;
    for (auto const& spec : bundle_columns()) columns.push_back(writer_.add_column(spec, bundles.size()));
    if (!writer_.ok()) return;
    auto const put = [&]<class T>(BundleColumn column, T /*type*/, auto get) {
        write_column<T>(writer_, columns[column], 0, bundles.size(),
                        [&](std::size_t i) { return get(bundles[i]); });
    };
    using Bundle = BundleState const&;
    put(bundle_job, std::uint32_t{}, [](Bundle b) { return b.origin.job; });
    put(bundle_panda_id, std::int64_t{}, [](Bundle b) { return b.origin.panda_id; });
    put(life, std::uint32_t{}, [](Bundle b) { return b.origin.life; });
    put(rank, std::uint32_t{}, [](Bundle b) { return b.origin.rank; });
    put(sequence, std::uint32_t{}, [](Bundle b) { return b.origin.sequence; });
    put(epoch_life, std::uint16_t{}, [](Bundle b) { return b.epoch_life; });
    put(sealed, std::uint8_t{}, [](Bundle b) { return b.sealed; });
    put(lost, std::uint8_t{}, [](Bundle b) { return b.lost; });
}

Status StateFile::commit(std::vector<BundleState> const& bundles)
{
    write_bundles(bundles);
    return writer_.commit();
}

}  // namespace yoda::event_file
