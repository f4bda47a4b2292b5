// SPDX-License-Identifier: Apache-2.0
// All that a world is before it begins to move, drawn from one seed. Everything that is drawn later depends
// on the seed and on what it is for (this range, this link), never on how much was drawn before: so a plan
// with some faults taken out still runs much like the whole one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/time.hpp"
#include "core/base/types.hpp"
#include "random.hpp"

namespace yoda::sim {

enum class FaultKind : std::uint8_t {
    kill_droid,      ///< the process dies; what it has written stays
    lose_node,       ///< the node dies; what was not synced is lost or torn
    freeze_droid,    ///< silent for `length`, then it goes on
    kill_rank_zero,  ///< with its node; the job's Droids live on as zombies until they notice
    freeze_rank_zero,
    slow_network,   ///< every frame takes up to `length` more
    slow_disk,      ///< every sync takes `length`
    full_disk,      ///< no space for anybody
    bundle_error,   ///< one Droid's next write to a bundle fails with EIO
    journal_error,  ///< the journal's next write fails with EIO
    bad_block,      ///< a durable block of the journal turns to zeros
    drain,          ///< the batch system's signal
    freeze_disk,    ///< one Droid's writes take `length` to come back
};
constexpr std::size_t fault_kind_count = static_cast<std::size_t>(FaultKind::freeze_disk) + 1;
std::string_view print_fault(FaultKind kind);

struct Fault {
    FaultKind kind = FaultKind::kill_droid;
    Duration at;           ///< since the world began
    Duration length;       ///< of those that pass
    std::uint32_t target;  ///< Droid rank - 1, modulo the number of Droids
    bool told = false;     ///< the launcher tells rank 0 of the death
};

/// A note that harvest puts into the inbox.
enum class NoteKind : std::uint8_t { more_ranges, closed, kill_job, lose_bundle };
struct Note {
    NoteKind kind = NoteKind::closed;
    Duration at;
    JobIndex job = 0;
    std::uint32_t count = 0;  ///< of ranges
};

/// What a range does to whoever computes it, every time.
enum class Poison : std::uint8_t { none, fails, fatal, kills_worker, kills_payload, hangs };

struct PayloadPlan {
    bool null_payload = false;
    bool has_output = true;
    bool requests_wait = true;
    bool fixed_workers = false;
    std::vector<Duration> times;  ///< of ranges: a range's time is one of these
    double straggler_share = 0;   ///< of hand-outs, which take `straggler_factor` times as long
    double straggler_factor = 1;
    double failure_share = 0;  ///< of hand-outs
    double worker_death_share = 0;
    double payload_death_share = 0;
    double hang_share = 0;
    double bad_output_share = 0;  ///< outputs that cannot be stored
    double start_failure_share = 0;
    double poison_share = 0;  ///< of ranges
    Poison poison = Poison::none;
    Duration start_time;
    Duration range_limit;
    std::uint64_t output_bytes = 1000;
};

struct Plan {
    std::uint64_t seed = 0;

    std::uint32_t droid_count = 1;
    std::uint32_t worker_count = 1;  ///< of each Droid
    std::uint32_t job_count = 1;
    std::uint32_t file_count = 1;  ///< of each job
    std::uint32_t file_ranges = 1;
    std::uint32_t range_events = 1;
    bool uneven = false;                ///< ranges of different lengths
    bool text_ids = false;              ///< of the last file of each job
    std::vector<PayloadPlan> payloads;  ///< by job

    // Policies.
    unsigned tries = 3;
    unsigned payload_deaths = 5;
    unsigned payload_starts = 5;
    std::uint32_t batch = 0;
    std::uint32_t window = 2;
    Duration ask_interval;
    Duration silence;
    Duration heartbeat;
    bool second_copies = true;
    bool open = false;  ///< more ranges may come
    Duration walltime = Duration::max();
    std::uint64_t bundle_bytes = 1 << 20;
    Duration bundle_age;

    // The machine.
    Duration tick;
    Duration frame_time;      ///< typical
    double frame_spread = 1;  ///< sigma of its logarithm
    Duration loop_time;       ///< how late a process wakes
    Duration sync_time;       ///< typical
    double sync_spread = 0.5;
    Duration commit_interval;
    Duration checkpoint_interval;
    Duration life_gap;           ///< from the end of one life to the begin of the next
    bool zombies_speak = false;  ///< frames of older lives reach the new rank 0

    std::vector<Fault> faults;
    bool faults_by_progress = false;  ///< `at` over `expected`: share of the ranges that have ended
    std::vector<Note> notes;

    Duration expected;  ///< about how long it would run undisturbed
    std::uint64_t range_count() const { return std::uint64_t{job_count} * file_count * file_ranges; }
    /// Nothing may stand still for longer than this.
    Duration patience() const;
};

/// big: millions of ranges whose payload takes no time, so that an hour sees a billion of them; its faults
/// come when so many ranges have ended, not at a time.
enum class Scale { small, mixed, large, big };

Plan make_plan(std::uint64_t seed, Scale scale);
/// How long this range takes, and how long if handed out so: some hand-outs are stragglers.
Duration range_time(Plan const& plan, JobIndex job, RangeIndex range);
Duration hand_out_time(Plan const& plan, JobIndex job, RangeIndex range, Epoch epoch);
/// The plan in a few lines.
std::string print_plan(Plan const& plan);
std::string print_fault(Fault const& fault);

}  // namespace yoda::sim
