// SPDX-License-Identifier: Apache-2.0
#include "harvest/batch/batch_plan.hpp"

#include <fmt/format.h>

namespace yoda {

namespace {

/// Refused only because enough is in the queue already: that passes by itself, and
/// says nothing about the run.
bool is_queue_limit(Submission const& s)
{
    return s.state == SubmissionState::refused &&
           (s.reason.find("imit") != std::string::npos || s.reason.find("QOSMax") != std::string::npos ||
            s.reason.find("AssocMax") != std::string::npos || s.reason.find("AssocGrp") != std::string::npos);
}

/// Submissions at the end of the list that changed nothing.
std::uint64_t count_fruitless(std::vector<Submission> const& submissions, unsigned counts_from,
                              std::uint64_t unended_count)
{
    std::uint64_t count = 0;
    auto after = unended_count;
    for (auto s = submissions.rbegin(); s != submissions.rend() && s->number > counts_from; ++s) {
        if (is_queue_limit(*s)) continue;
        if (s->unended_before > after) break;
        after = s->unended_before;
        ++count;
    }
    return count;
}

std::string print_last(Submission const& last)
{
    return fmt::format("the last job {} ended as {}{}{}", last.label(),
                       last.word.empty() ? std::string(print_submission_state(last.state)) : last.word,
                       last.exit_code ? fmt::format(", yoda's exit code {}", *last.exit_code) : std::string(),
                       last.reason.empty() ? std::string() : ": " + last.reason);
}

Decision decide_on_jobs(RunFacts const& facts, std::vector<Submission> const& submissions,
                        BatchPlan const& plan, SiteConfig const& site, std::int64_t now_unix_s)
{
    auto const* last = submissions.empty() ? nullptr : &submissions.back();
    if (last != nullptr && last->active()) {
        if (last->state == SubmissionState::intended)
            return {NextStep::wait,
                    fmt::format("submission {} got no answer{}; the batch system is asked for it "
                                "by name before anything else is submitted",
                                last->name, last->reason.empty() ? "" : " (" + last->reason + ")")};
        std::string why = fmt::format("job {} is {}", last->label(), print_submission_state(last->state));
        if (last->state == SubmissionState::submitted)
            why = fmt::format("job {} waits in the queue", last->label());
        if (!last->reason.empty()) why += ": " + last->reason;
        if (last->missed_since_unix_s > 0) why += "; the batch system does not list it just now";
        return {NextStep::wait, why};
    }
    if (facts.returned_count > 0 && facts.yoda_lives)
        return {NextStep::wait, "PanDA wants jobs of it to end, and a yoda still works on it"};
    if (facts.unended_count == 0 && !facts.more_may_come)
        return {NextStep::complete,
                facts.returned_count == 0
                    ? std::string("every range has ended")
                    : fmt::format("every range that PanDA still wants has ended, {} go back to PanDA",
                                  facts.returned_count)};
    if (facts.unended_count == 0) return {NextStep::wait, "every range so far has ended, more may come"};
    if (plan.held) return {NextStep::held, "stopped by harvest cancel; harvest submit goes on"};
    if (!plan.given_up.empty()) return {NextStep::give_up, plan.given_up};

    std::uint64_t counted = 0;
    std::int64_t first_unix_s = 0;
    for (auto const& s : submissions) {
        if (s.number <= plan.counts_from || is_queue_limit(s)) continue;
        if (counted++ == 0) first_unix_s = s.intended_unix_s;
    }
    if (counted >= site.submissions_max)
        return {NextStep::give_up, fmt::format("{} jobs were submitted, the limit (submissions_max); {}",
                                               counted, print_last(*last))};
    if (auto const age_s = static_cast<double>(now_unix_s - first_unix_s);
        counted > 0 && site.age_max_s > 0 && age_s > site.age_max_s)
        return {NextStep::give_up, fmt::format("the first job was submitted {:.0f} s ago (age_max)", age_s)};
    auto const fruitless = count_fruitless(submissions, plan.counts_from, facts.unended_count);
    if (fruitless >= site.fruitless_max)
        return {NextStep::give_up, fmt::format("{} jobs in a row changed nothing (fruitless_max); {}",
                                               fruitless, print_last(*last))};
    if (last != nullptr && last->number > plan.counts_from && last->state == SubmissionState::refused &&
        static_cast<double>(now_unix_s - last->ended_unix_s) < site.retry_after_s)
        return {NextStep::wait, "refused, tried again later: " + last->reason};
    return {NextStep::submit, fmt::format("{} ranges are to be done", facts.unended_count)};
}

}  // namespace

std::string_view print_next_step(NextStep step)
{
    switch (step) {
        case NextStep::complete:
            return "complete";
        case NextStep::wait:
            return "wait";
        case NextStep::submit:
            return "submit";
        case NextStep::seal:
            return "seal";
        case NextStep::held:
            return "held";
        case NextStep::give_up:
            return "given_up";
    }
    return "wait";
}

Decision decide(RunFacts const& facts, std::vector<Submission> const& submissions, BatchPlan const& plan,
                SiteConfig const& site, std::int64_t now_unix_s)
{
    auto const decision = decide_on_jobs(facts, submissions, plan, site, now_unix_s);
    bool const active = !submissions.empty() && submissions.back().active();
    bool const no_job_comes =
        facts.unended_count == 0 || decision.step == NextStep::complete || decision.step == NextStep::give_up;
    if (active || !no_job_comes || facts.open_bundle_count == 0) return decision;
    return {NextStep::seal,
            fmt::format("{} bundles that a killed job left open are to be sealed", facts.open_bundle_count)};
}

}  // namespace yoda
