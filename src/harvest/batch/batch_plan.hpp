// SPDX-License-Identifier: Apache-2.0
// What to do next for a run, from its ranges and its submissions. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harvest/batch/batch_folder.hpp"
#include "harvest/batch/run_facts.hpp"
#include "harvest/batch/site.hpp"
#include "harvest/batch/submission.hpp"

namespace yoda {

enum class NextStep {
    complete,  ///< every range has ended
    wait,      ///< a submission is under way
    submit,
    seal,     ///< no job will come, and a killed one has left bundles open: harvest seals them
    held,     ///< a person said so
    give_up,  ///< a limit is reached: nothing more is submitted
};
std::string_view print_next_step(NextStep step);

struct Decision {
    NextStep step = NextStep::wait;
    std::string why;
};

Decision decide(RunFacts const& facts, std::vector<Submission> const& submissions, BatchPlan const& plan,
                SiteConfig const& site, std::int64_t now_unix_s);

}  // namespace yoda
