// SPDX-License-Identifier: Apache-2.0
// Jobs and event ranges from PanDA, written down as they come (fetch_journal.hpp), checked, and then given to
// whoever makes the run folder. May be killed at any moment and called again with the same journal: it goes
// on where it stopped.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/job/job.hpp"
#include "harvest/panda/fetch/fetch_guard.hpp"
#include "harvest/panda/fetch/fetch_journal.hpp"
#include "harvest/panda/fetch/fetch_plan.hpp"
#include "harvest/panda/fetch/input_check.hpp"
#include "harvest/panda/fetch/range_check.hpp"
#include "harvest/panda/wire/client.hpp"

namespace yoda {

struct FetchWish {
    JobQuery query;  ///< job_count: how many jobs at most
    FetchLimits limits;
    bool scattered = false;
    std::optional<std::int64_t> segment_id;
    /// Fields of every updateJob (node, siteName, schedulerID, pilotID, ...).
    std::map<std::string, std::string> job_fields;
};

/// Takes what was fetched; a run folder's builder (fetch_command.cpp), or a test's list.
class RunSink {
  public:
    virtual ~RunSink() = default;
    /// Jobs come first, in the order of their numbers.
    virtual Status add_job(Job const& job) = 0;
    virtual Status add_range(std::size_t job, RangeView const& range) = 0;
};

struct FetchSummary {
    std::int64_t job_count = 0;
    std::int64_t range_count = 0;
    std::int64_t event_count = 0;
    std::int64_t repeated_count = 0;  ///< ids that came twice
    std::int64_t lost_range_count = 0;
    std::int64_t lost_job_count = 0;
    bool more_may_come = false;  ///< some job's ranges were not asked for to the end
    std::vector<JobEnd> ended;   ///< jobs that cannot run here; PanDA was told, or will be at the next call
    std::map<std::int64_t, std::vector<RefusedRange>> refused;  ///< by PandaID
};

class Fetcher {
  public:
    Fetcher(PandaClient& client, FetchJournal& journal, FetchGuard& guard, InputChecker& inputs,
            Clock const& clock, Log& log)
        : client_(client), journal_(journal), guard_(guard), inputs_(inputs), clock_(clock), log_(log)
    {}

    /// Asks PanDA until the wish is fulfilled or it has no more, or the guard says that a person is needed:
    /// then what is in hand goes on. Errors are of the call as a whole: unavailable (call again), refused
    /// (credentials, our request), io. What was fetched before an error is kept.
    Status acquire(FetchWish const& wish);
    /// Gives all that the journal holds; only jobs with ranges. May be called again.
    Result<FetchSummary> deliver(RunSink& sink);
    /// Called between requests; an error stops acquire().
    void set_go_on(std::function<Status()> may_go_on) { may_go_on_ = std::move(may_go_on); }
    /// Called with each job before its inputs are looked for, again in a later call of acquire().
    void set_on_job(std::function<Status(Job const&)> on_job) { on_job_ = std::move(on_job); }
    /// Says why this queue's payload cannot do a job, which then ends at once; it may run elsewhere.
    void set_check_job(std::function<Status(Job const&)> check_job) { check_job_ = std::move(check_job); }

  private:
    struct Candidate {
        Job job;
        bool gone = false;  ///< PanDA told us to drop it
    };
    struct RangesInHand {
        bool any_good = false;
        bool any_lost = false;                ///< with an answer
        std::optional<RefusedRange> refused;  ///< the first one before a good one
    };
    Status go_on() { return may_go_on_ ? may_go_on_() : Status{}; }
    std::int64_t now_s() const { return clock_.unix_ns() / 1'000'000'000; }
    Status ask_for_jobs(FetchWish const& wish);
    Status load_jobs();
    Status hold(nlohmann::json const& fields);
    Status add_end(JobEnd end);
    Status start_jobs(FetchWish const& wish);
    Status check_inputs();
    Status ask_for_ranges(FetchWish const& wish);
    Status ask_for_ranges_once(FetchWish const& wish, FetchPlan& plan, FetchPlan::Next const& next);
    /// What the answers so far hold for a job. Errors: io.
    Result<RangesInHand> look_at_ranges(Job const& job) const;
    void replay_into(FetchPlan& plan) const;
    Status end_jobs(FetchWish const& wish);
    Status keep_state(std::int64_t panda_id, std::string_view key, nlohmann::json value);
    nlohmann::json read_state(std::int64_t panda_id) const;

    PandaClient& client_;
    FetchJournal& journal_;
    FetchGuard& guard_;
    InputChecker& inputs_;
    Clock const& clock_;
    Log& log_;
    std::function<Status()> may_go_on_;
    std::function<Status(Job const&)> on_job_;
    std::function<Status(Job const&)> check_job_;
    std::vector<Candidate> jobs_;
    std::vector<JobEnd> ends_;
    bool more_may_come_ = false;
};

}  // namespace yoda
