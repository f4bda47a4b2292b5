// SPDX-License-Identifier: Apache-2.0
// Answers about jobs: getJob / acquire_jobs, updateJob and its bulk form, job states.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "harvest/panda/wire/commands.hpp"
#include "harvest/panda/wire/outcome.hpp"

namespace yoda {

/// Stored with no jobs means that PanDA has none for us.
struct JobsAnswer {
    PandaJudgement judgement;
    std::vector<nlohmann::json> jobs;  ///< definitions, fields as they came, without StatusCode
};
JobsAnswer read_jobs(PandaApi api, RawAnswer const& answer);

struct JobUpdateAnswer {
    PandaJudgement judgement;
    PandaCommands commands;
};
JobUpdateAnswer read_job_update(PandaApi api, RawAnswer const& answer);

/// `each` has one element per job that was sent, in order, if the call as a whole was stored.
struct BulkUpdateAnswer {
    PandaJudgement judgement;
    std::vector<JobUpdateAnswer> each;
};
BulkUpdateAnswer read_bulk_update(PandaApi api, std::size_t sent_count, RawAnswer const& answer);

struct PandaJobState {
    std::int64_t panda_id = 0;
    std::string status;  ///< empty if PanDA does not know the job
    std::int64_t attempt = 0;
};
/// In the order of `panda_ids`.
struct JobStatesAnswer {
    PandaJudgement judgement;
    std::vector<PandaJobState> states;
};
JobStatesAnswer read_job_states(PandaApi api, std::vector<std::int64_t> const& panda_ids,
                                RawAnswer const& answer);

/// isAlive; also tells whether the server speaks this interface (judgement.unknown_method).
PandaJudgement read_alive(PandaApi api, RawAnswer const& answer);

}  // namespace yoda
