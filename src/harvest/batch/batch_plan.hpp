// What to do next for a run, from its ranges and its submissions. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harvest/batch/batch_folder.hpp"
#include "harvest/batch/site.hpp"
#include "harvest/batch/submission.hpp"

namespace yoda {

enum class NextStep {
    complete,  ///< every range has ended
    wait,      ///< a submission is under way
    submit,
    held,     ///< a person said so
    give_up,  ///< a limit is reached: nothing more is submitted
};
std::string_view print_next_step(NextStep step);

struct Decision {
    NextStep step = NextStep::wait;
    std::string why;
};

Decision decide(std::uint64_t unended_count, bool more_may_come, std::vector<Submission> const& submissions,
                BatchPlan const& plan, SiteConfig const& site, std::int64_t now_unix_s);

}  // namespace yoda
