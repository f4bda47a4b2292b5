// One submission of a run to a batch system, and what to think of it. Pure.
//
//   intended -> submitted          the system took it, or was found to have it by its name
//   intended -> refused            the system said no, or never got it
//   submitted -> running -> ended
//
// The record is on disk before the system is asked, so a harvest that dies in between, or gets no answer,
// leaves `intended`: nobody submits again before the system, asked by the job's unique name, has said twice,
// settle_s apart, that it has no such job. "ended" needs proof: the system lists it as ended, or the script's
// own note, or the system has not known it for lost_after_s although it answers.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.hpp"
#include "harvest/batch/batch_job.hpp"

namespace yoda {

enum class SubmissionState { intended, submitted, running, ended, refused };
std::string_view print_submission_state(SubmissionState state);

struct Submission {
    unsigned number = 0;  ///< of this run, from 1
    BatchKind batch = BatchKind::local;
    std::string name;  ///< unique for ever
    SubmissionState state = SubmissionState::intended;
    std::string job_id;  ///< empty until known
    std::string host;    ///< of the harvest that submitted; local jobs live there
    std::uint64_t node_count = 0;
    std::int64_t walltime_s = 0;
    std::uint64_t unended_before = 0;  ///< ranges that were to be done when it was submitted
    std::int64_t intended_unix_s = 0;
    std::int64_t ended_unix_s = 0;
    std::int64_t missed_since_unix_s = 0;  ///< first answer without this job; 0: not missed
    std::string word;                      ///< the system's word for its state
    std::string reason;
    std::optional<int> exit_code;  ///< yoda's, from the script's note

    bool active() const { return state != SubmissionState::ended && state != SubmissionState::refused; }
};

nlohmann::ordered_json print_submission(Submission const& submission);
/// Error: not JSON, another version, a key missing.
Result<Submission> parse_submission(std::string_view text);

/// What was seen in one look.
struct Sighting {
    bool answered = false;        ///< the batch system did
    std::optional<BatchJob> job;  ///< as listed under our name or id
    std::optional<int> end_note;  ///< the script's own note that it ended
    bool yoda_lives = false;      ///< the run's lock is held by a yoda that beats
};

struct SightingPolicy {
    std::int64_t settle_s = 120;
    std::int64_t lost_after_s = 900;
};

/// The submission after this look.
Submission observe(Submission submission, Sighting const& sighting, std::int64_t now_unix_s,
                   SightingPolicy const& policy);

}  // namespace yoda
