// SPDX-License-Identifier: Apache-2.0
// The small numbers that name things inside a run: each is an index into a table that has the full name.
#pragma once

#include <cstdint>
#include <string_view>

namespace yoda {

using RangeIndex = std::uint32_t;    ///< row in the event table
using FileIndex = std::uint32_t;     ///< row in the table of input files
using JobIndex = std::uint32_t;      ///< position of the PanDA job in job.json
using BundleNumber = std::uint32_t;  ///< row in the table of bundles
using Rank = std::uint32_t;          ///< MPI rank; 0 is Yoda
using Life = std::uint16_t;          ///< how often this run folder has been taken up, from 1

constexpr std::uint32_t none = UINT32_MAX;

/// One hand-out of one range: the life in the upper, the range's hand-out count in that life in the lower 16
/// bits. No other hand-out of the range has the same epoch.
struct Epoch {
    std::uint32_t value = 0;

    static constexpr Epoch make(Life life, std::uint16_t hand_out)
    {
        return {static_cast<std::uint32_t>(life) << 16 | hand_out};
    }
    constexpr Life life() const { return static_cast<Life>(value >> 16); }
    constexpr std::uint16_t hand_out() const { return static_cast<std::uint16_t>(value); }
    bool operator==(Epoch const&) const = default;
};

/// What has become of a range in this run. On disk as an HDF5 enum, so numbers never change meaning.
enum class RangeState : std::uint8_t {
    ready = 0,     ///< waiting to be handed out
    sent = 1,      ///< a Droid has it
    finished = 2,  ///< its output is in the bundle that the table names
    failed = 3,    ///< all tries here used up; PanDA may give it to another job
    fatal = 4,     ///< can never work
    dropped = 5,   ///< its PanDA job was killed
};
constexpr unsigned range_state_count = 6;
std::string_view print_state(RangeState state);

constexpr bool is_ended(RangeState state)
{
    return state >= RangeState::finished;
}

/// Codes of docs/reference/panda.md §9 that we give.
namespace code {
constexpr std::uint16_t no_local_space = 1098;
constexpr std::uint16_t stage_in_failed = 1099;
constexpr std::uint16_t no_such_file = 1103;
constexpr std::uint16_t setup_failure = 1110;
constexpr std::uint16_t looping_job = 1150;
constexpr std::uint16_t missing_output = 1165;
constexpr std::uint16_t zero_file_size = 1191;
constexpr std::uint16_t out_of_memory = 1212;
constexpr std::uint16_t reached_max_time = 1213;
constexpr std::uint16_t payload_failure = 1220;
constexpr std::uint16_t athenamp_died = 1227;
constexpr std::uint16_t es_fatal = 1228;
constexpr std::uint16_t exceeds_max_memory = 1235;
constexpr std::uint16_t general_error = 1008;
}  // namespace code

}  // namespace yoda
