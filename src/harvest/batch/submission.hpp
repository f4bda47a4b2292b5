// SPDX-License-Identifier: Apache-2.0
// One submission of a run to a batch system, and what to think of it. Pure.
//
//   intended -> submitted          the system took it, or was found to have it by its name
//   intended -> refused            the system said no, or never got it
//   submitted -> running -> ended
//
// The record is on disk before the system is asked, so a harvest that dies in between, or gets no answer,
// leaves `intended`. Then nobody submits again before the system, asked by the job's unique name, has said
// twice, settle_s apart, that it has no such job, and no life of the run has begun since. `ended` needs
// proof: the system lists the job as ended, or does not know its number; or the script left its note; or the
// system answers, but has not listed the job for lost_after_s.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "harvest/batch/base/batch_job.hpp"

namespace yoda {

enum class SubmissionState { intended, submitted, running, ended, refused };
std::string_view print_submission_state(SubmissionState state);

struct Submission {
    unsigned number = 0;  ///< of this run, from 1
    BatchKind batch = BatchKind::local;
    std::string name;  ///< unique for ever
    SubmissionState state = SubmissionState::intended;
    std::string job_id;  ///< empty until known
    /// Slurm with --clusters: the one that has it, until then those that it may have gone to ("a,b").
    std::string cluster;
    std::string host;  ///< of the harvest that submitted; local jobs live there
    std::uint64_t node_count = 0;
    std::int64_t walltime_s = 0;
    std::uint64_t unended_before = 0;          ///< ranges that were to be done when it was submitted
    std::optional<std::uint32_t> life_before;  ///< newest life of the run then; older records do not say
    std::int64_t intended_unix_s = 0;
    std::int64_t ended_unix_s = 0;
    std::int64_t missed_since_unix_s = 0;  ///< first answer without this job; 0: not missed
    std::string word;                      ///< the system's word for its state
    std::string reason;
    std::optional<int> exit_code;  ///< yoda's, from the script's note

    bool active() const { return state != SubmissionState::ended && state != SubmissionState::refused; }
    /// For people: "45", "45 on cluster c2", or its name while it has no number.
    std::string label() const;
};

nlohmann::ordered_json print_submission(Submission const& submission);
/// Error: not JSON, another version, a key missing.
Result<Submission> parse_submission(std::string_view text);

/// What was seen in one look.
struct Sighting {
    bool answered = false;        ///< the batch system did
    std::optional<BatchJob> job;  ///< as listed under our name
    bool gone = false;            ///< it said that there is no job of our number
    std::optional<int> end_note;  ///< the script's own note that it ended
    bool yoda_lives = false;      ///< the run's lock is held by a yoda that beats
    std::uint32_t life = 0;       ///< newest life of the run
};

struct SightingPolicy {
    std::int64_t settle_s = 120;
    std::int64_t lost_after_s = 900;
};

/// The submission after this look.
Submission observe(Submission submission, Sighting const& sighting, std::int64_t now_unix_s,
                   SightingPolicy const& policy);

}  // namespace yoda
