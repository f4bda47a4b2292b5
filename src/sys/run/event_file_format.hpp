// SPDX-License-Identifier: Apache-2.0
// Names, types, units and meanings of the columns in events.h5 and state.h5: one list for writer and reader.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "sys/hdf5/writer.hpp"

namespace yoda::event_file {

constexpr std::uint64_t version = 1;
constexpr std::string_view events_format = "yoda events";
constexpr std::string_view state_format = "yoda state";

inline std::string events_path(std::string const& run)
{
    return run + "/events.h5";
}
inline std::string state_path(std::string const& run)
{
    return run + "/state.h5";
}

/// Order of the columns below.
enum RangeColumn : std::size_t { first_event, last_event, file, process_id, attempt };
enum StateColumn : std::size_t { state, tries_burnt, payload_deaths, winner, bundle, error_code, cpu, wall };
enum FileColumn : std::size_t { file_job, task_id, panda_id, file_id, text_ids };
enum BundleColumn : std::size_t {
    bundle_job,
    bundle_panda_id,
    life,
    rank,
    sequence,
    epoch_life,
    sealed,
    lost
};

std::array<hdf5::ColumnSpec, 5> const& range_columns();
std::array<hdf5::ColumnSpec, 8> const& state_columns();
std::array<hdf5::ColumnSpec, 5> const& file_columns();
std::array<hdf5::ColumnSpec, 8> const& bundle_columns();

}  // namespace yoda::event_file
