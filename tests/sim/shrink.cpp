// SPDX-License-Identifier: Apache-2.0
#include "shrink.hpp"

#include <algorithm>
#include <functional>

namespace yoda::sim {

namespace {

class Shrinker {
  public:
    Shrinker(Plan plan, std::string checker, unsigned runs)
        : plan_(std::move(plan)), checker_(std::move(checker)), runs_(runs)
    {}

    Plan shrink()
    {
        for (bool smaller = true; smaller && runs_ > 0;) {
            smaller = drop_each([](Plan & plan) -> auto& { return plan.faults; });
            smaller |= drop_each([](Plan & plan) -> auto& { return plan.notes; });
            for (auto const member : {&Plan::droid_count, &Plan::file_count, &Plan::file_ranges,
                                      &Plan::worker_count, &Plan::job_count})
                smaller |= lessen(member);
            for (std::size_t job = 0; job < plan_.payloads.size(); ++job) {
                for (auto const member : {&PayloadPlan::failure_share, &PayloadPlan::worker_death_share,
                                          &PayloadPlan::payload_death_share, &PayloadPlan::hang_share,
                                          &PayloadPlan::bad_output_share, &PayloadPlan::start_failure_share,
                                          &PayloadPlan::poison_share, &PayloadPlan::straggler_share}) {
                    if (plan_.payloads[job].*member != 0)
                        smaller |= take_if_bad([&](Plan& plan) { plan.payloads[job].*member = 0; });
                }
            }
        }
        return std::move(plan_);
    }

  private:
    bool take_if_bad(std::function<void(Plan&)> const& change)
    {
        if (runs_ == 0) return false;
        --runs_;
        Plan changed = plan_;
        change(changed);
        Outcome outcome;
        auto const violation = run_plan(changed, outcome);
        if (!violation || violation->checker != checker_) return false;
        plan_ = std::move(changed);
        return true;
    }

    template <class Get>
    bool drop_each(Get get)
    {
        bool any = false;
        for (std::size_t i = get(plan_).size(); i-- > 0;) {
            any |= take_if_bad([&](Plan& plan) {
                auto& list = get(plan);
                list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
            });
        }
        return any;
    }

    bool lessen(std::uint32_t Plan::*member)
    {
        bool any = false;
        for (std::uint32_t divisor : {4u, 2u}) {
            while (plan_.*member > 1) {
                auto const less = std::max(1u, plan_.*member / divisor);
                auto const change = [&](Plan& plan) {
                    plan.*member = less;
                    std::erase_if(plan.notes, [&](Note const& note) { return note.job >= plan.job_count; });
                };
                if (!take_if_bad(change)) break;
                any = true;
            }
        }
        return any;
    }

    Plan plan_;
    std::string checker_;
    unsigned runs_;
};

}  // namespace

std::optional<Violation> run_plan(Plan const& plan, Outcome& outcome, Trace* trace)
{
    try {
        World world(plan, trace);
        outcome = world.run();
        return std::nullopt;
    } catch (Violation const& violation) {
        return violation;
    }
}

Plan shrink(Plan plan, std::string const& checker, unsigned runs)
{
    return Shrinker(std::move(plan), checker, runs).shrink();
}

}  // namespace yoda::sim
