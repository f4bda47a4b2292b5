// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/fetch/fetch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "harvest/panda/wire/error_codes.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace {

constexpr int job_ask_limit = 5;  ///< when what comes is never ours
constexpr std::uint64_t state_limit_bytes = 1 << 16;

/// The error of a call that PanDA did not answer well: kind says whether calling again can help.
Error not_stored(std::string_view what, PandaJudgement const& judgement)
{
    bool const refused = judgement.outcome == PandaOutcome::refused;
    return {refused ? ErrorKind::refused : ErrorKind::unavailable, std::string(what), judgement.why,
            judgement.credentials ? "check the proxy or token and its role"
            : refused             ? ""
                                  : "call again later"};
}

std::string print_json(nlohmann::json const& json)
{
    return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace

// ---- small facts about single jobs
// ------------------------------------------------------------------------------

nlohmann::json Fetcher::read_state(std::int64_t panda_id) const
{
    auto const text =
        read_file(fmt::format("{}/job-{}.json", journal_.folder(), panda_id), state_limit_bytes);
    auto json = text ? nlohmann::json::parse(*text, nullptr, false) : nlohmann::json();
    return json.is_object() ? json : nlohmann::json::object();
}

Status Fetcher::keep_state(std::int64_t panda_id, std::string_view key, nlohmann::json value)
{
    auto state = read_state(panda_id);
    state["version"] = 1;
    state[std::string(key)] = std::move(value);
    return replace_file(fmt::format("{}/job-{}.json", journal_.folder(), panda_id), print_json(state));
}

// ---- jobs
// -------------------------------------------------------------------------------------------------------

Status Fetcher::load_jobs()
{
    jobs_.clear();
    ends_.clear();
    std::set<std::int64_t> seen;
    for (auto const& ask : journal_.asks()) {
        if (ask.kind != AskKind::jobs || ask.state != Ask::State::answered) continue;
        auto const text = journal_.read_answer(ask);
        if (!text) return text.error();
        auto list = nlohmann::json::parse(*text, nullptr, false);
        if (!list.is_array()) continue;  // Written by us; nothing can be done about a damaged one.
        for (auto& fields : list) {
            if (is_merge_job(fields)) {
                if (auto const status = hold(fields); !status) return status;
                continue;
            }
            auto const panda_id = number_in(fields, "PandaID");
            // One that is over must not take the place of the next one.
            auto const state = read_state(panda_id);
            if (state.value("gone", false) || state.value("ended", false)) continue;
            if (!seen.insert(panda_id).second) continue;
            auto taken = take_job(std::move(fields));
            if (auto* const job = std::get_if<Job>(&taken))
                jobs_.push_back({std::move(*job), false});
            else if (auto const status = add_end(std::get<JobEnd>(std::move(taken))); !status)
                return status;
        }
    }
    return {};
}

Status Fetcher::hold(nlohmann::json const& fields)
{
    auto const job = make_held_job(fields, now_s());
    if (guard_.find(job.panda_id) != nullptr) return {};
    log_.error("merge_job_held", {{"PandaID", job.panda_id}, {"range_count", job.range_ids.size()}});
    return guard_.hold(job);
}

/// Counted before PanDA is told: a kill in between must not hide an end. A job whose ranges others have
/// taken, or a fetch that was killed, does not count: it could run here.
Status Fetcher::add_end(JobEnd end)
{
    ends_.push_back(std::move(end));
    return ends_.back().code == pilot_error::no_events ? Status{} : guard_.note_ended(ends_.back());
}

Status Fetcher::ask_for_jobs(FetchWish const& wish)
{
    auto const wanted = wish.query.job_count.value_or(1);
    for (int attempt = 0; attempt < job_ask_limit; ++attempt) {
        auto const left = wanted - static_cast<std::int64_t>(jobs_.size());
        if (left <= 0 || !guard_.may_ask()) return {};
        if (auto const status = go_on(); !status) return status;
        auto const ask = journal_.begin(AskKind::jobs, 0, left, now_s());
        if (!ask) return ask.error();
        auto query = wish.query;
        query.job_count = left;
        auto const asked_at = clock_.now();
        auto answer = client_.get_jobs(query);
        auto const took_s = static_cast<std::int64_t>(std::lround((clock_.now() - asked_at).s()));
        bool const some_are_whole = answer.judgement.outcome == PandaOutcome::unknown && !answer.jobs.empty();
        if (!answer.judgement.stored())
            log_.warning("jobs_not_fetched", {{"outcome", print_outcome(answer.judgement.outcome)},
                                              {"why", answer.judgement.why}});
        if (!answer.judgement.stored() && !some_are_whole) {
            auto const kept = answer.judgement.outcome == PandaOutcome::unknown
                                  ? journal_.keep_end(*ask, answer.judgement)
                                  : journal_.forget(*ask);
            if (!kept) return kept;
            // With some jobs in hand their ranges matter more than further jobs.
            if (!jobs_.empty()) return {};
            auto error = not_stored("PanDA gave no jobs", answer.judgement);
            if (auto const lost = journal_.lost_job_count(); lost > 0)
                error.fix = fmt::format(
                    "answers with up to {} jobs were lost: PanDA gives these to nobody for "
                    "half an hour; call again later",
                    lost);
            return error;
        }
        log_.info("jobs_fetched", {{"job_count", answer.jobs.size()}});
        if (answer.jobs.empty()) return journal_.forget(*ask);
        // PanDA does not say which queue a job was given to; payloads are told (PANDA_RESOURCE).
        for (auto& fields : answer.jobs) fields.emplace("computingSite", query.site);
        if (auto const status = journal_.keep_answer(*ask, print_json(answer.jobs)); !status) return status;
        auto const known = jobs_.size();
        if (auto const status = load_jobs(); !status) return status;
        for (auto i = known; i < jobs_.size(); ++i)
            if (auto const status = keep_state(jobs_[i].job.panda_id(), "get_job_s", took_s); !status)
                return status;
    }
    return {};
}

/// A job that says nothing for 30 minutes is taken away again.
Status Fetcher::start_jobs(FetchWish const& wish)
{
    for (auto& candidate : jobs_) {
        auto const panda_id = candidate.job.panda_id();
        if (candidate.gone || read_state(panda_id).value("started", false)) continue;
        JobUpdate update{panda_id, "starting", wish.job_fields};
        update.fields["attemptNr"] = std::to_string(candidate.job.attempt());
        update.fields["jobSubStatus"] = "fetched";
        auto const answer = client_.update_job(update);
        if (!answer.judgement.stored()) {
            log_.warning("job_not_started", {{"PandaID", panda_id}, {"why", answer.judgement.why}});
            continue;
        }
        if (answer.commands.job_gone()) {
            candidate.gone = true;
            log_.warning("job_taken_back", {{"PandaID", panda_id}});
        }
        if (auto const status = keep_state(panda_id, candidate.gone ? "gone" : "started", true); !status)
            return status;
    }
    return {};
}

Status Fetcher::check_inputs()
{
    std::vector<Candidate> good;
    for (auto& candidate : jobs_) {
        if (auto const status = go_on(); !status) return status;
        if (candidate.gone) continue;
        if (auto const fits = check_job_ ? check_job_(candidate.job) : Status{}; !fits) {
            auto const status = add_end({candidate.job.panda_id(), candidate.job.attempt(),
                                         pilot_error::setup_failure, fits.error().text()});
            if (!status) return status;
            log_.warning("job_refused", {{"PandaID", ends_.back().panda_id}, {"why", ends_.back().diag}});
            continue;
        }
        if (on_job_)
            if (auto const status = on_job_(candidate.job); !status) return status;
        auto const begin = clock_.now();
        auto checked = inputs_.check(candidate.job);
        auto const took_s = static_cast<std::int64_t>(std::lround((clock_.now() - begin).s()));
        if (took_s > 0)
            if (auto const status = keep_state(candidate.job.panda_id(), "stage_in_s", took_s); !status)
                return status;
        if (auto* const job = std::get_if<Job>(&checked)) {
            good.push_back({std::move(*job), false});
            continue;
        }
        if (auto const status = add_end(std::get<JobEnd>(std::move(checked))); !status) return status;
        log_.warning(
            "job_inputs_wrong",
            {{"PandaID", ends_.back().panda_id}, {"code", ends_.back().code}, {"why", ends_.back().diag}});
    }
    jobs_ = std::move(good);
    return {};
}

Status Fetcher::end_jobs(FetchWish const& wish)
{
    for (auto const& end : ends_) {
        if (end.panda_id <= 0 || read_state(end.panda_id).value("ended", false)) continue;
        JobUpdate update{end.panda_id, "failed", wish.job_fields};
        if (end.attempt > 0) update.fields["attemptNr"] = std::to_string(end.attempt);
        update.fields["pilotErrorCode"] = std::to_string(end.code);
        update.fields["pilotErrorDiag"] = end.diag;
        update.fields["jobSubStatus"] = end.code == pilot_error::no_events ? "no_events" : "pilot_failed";
        update.fields["xml"] = "{}";  // PanDA's adder reads it also for a job that never ran.
        auto const answer = client_.update_job(update);
        if (!answer.judgement.stored()) {
            log_.warning("job_not_ended", {{"PandaID", end.panda_id}, {"why", answer.judgement.why}});
            continue;
        }
        log_.info("job_ended", {{"PandaID", end.panda_id}, {"code", end.code}, {"why", end.diag}});
        if (auto const status = keep_state(end.panda_id, "ended", true); !status) return status;
    }
    return {};
}

// ---- ranges
// -----------------------------------------------------------------------------------------------------

/// What earlier calls got counts against the limits.
void Fetcher::replay_into(FetchPlan& plan) const
{
    for (auto const& ask : journal_.asks()) {
        if (ask.kind != AskKind::ranges) continue;
        auto const found = std::find_if(jobs_.begin(), jobs_.end(), [&ask](Candidate const& candidate) {
            return candidate.job.panda_id() == ask.panda_id;
        });
        if (found == jobs_.end()) continue;
        auto const job = static_cast<std::size_t>(found - jobs_.begin());
        if (is_lost(ask)) {
            plan.on_lost(job, ask.count);
            continue;
        }
        if (ask.state != Ask::State::answered) continue;
        auto const text = journal_.read_answer(ask);
        std::int64_t ranges = 0;
        std::int64_t events = 0;
        if (text) {
            auto const count = scan_ranges(*text, [&](RangeView const& range) -> Status {
                ++ranges;
                events += std::max<std::int64_t>(0, range.last_event - range.start_event + 1);
                return {};
            });
            if (!count) continue;
        }
        if (ranges > 0) plan.on_ranges(job, ranges, events);
    }
}

Status Fetcher::ask_for_ranges_once(FetchWish const& wish, FetchPlan& plan, FetchPlan::Next const& next)
{
    auto const& job = jobs_[next.job].job;
    auto const ask = journal_.begin(AskKind::ranges, job.panda_id(), next.range_count, now_s());
    if (!ask) return ask.error();
    auto const answer = client_.get_ranges(
        {job.panda_id(), job.jobset_id(), job.task_id(), next.range_count, wish.scattered, wish.segment_id});
    std::int64_t events = 0;
    Result<std::size_t> count = Error{};
    if (answer.judgement.stored())
        count = answer.for_each([&events](RangeView const& range) -> Status {
            events += std::max<std::int64_t>(0, range.last_event - range.start_event + 1);
            return {};
        });
    if (!answer.judgement.stored() || !count) {
        auto const judgement = answer.judgement.stored()
                                   ? PandaJudgement{PandaOutcome::unknown, count.error().text()}
                                   : answer.judgement;
        log_.warning("ranges_not_fetched", {{"PandaID", job.panda_id()},
                                            {"asked", next.range_count},
                                            {"outcome", print_outcome(judgement.outcome)},
                                            {"why", judgement.why}});
        if (auto const status = journal_.keep_end(*ask, judgement); !status) return status;
        if (judgement.outcome == PandaOutcome::unknown) plan.on_lost(next.job, next.range_count);
        return not_stored(fmt::format("PanDA gave no ranges for job {}", job.panda_id()), judgement);
    }
    if (auto const status = journal_.keep_answer(*ask, answer.list()); !status) return status;
    log_.info("ranges_fetched",
              {{"PandaID", job.panda_id()}, {"asked", next.range_count}, {"range_count", *count}});
    plan.on_ranges(next.job, static_cast<std::int64_t>(*count), events);
    return {};
}

Result<Fetcher::RangesInHand> Fetcher::look_at_ranges(Job const& job) const
{
    RangesInHand found;
    RangeChecker checker(job);
    RefusedRange refused;
    std::string text;
    for (auto const& ask : journal_.asks()) {
        if (ask.kind != AskKind::ranges || ask.panda_id != job.panda_id()) continue;
        found.any_lost = found.any_lost || is_lost(ask);
        if (ask.state != Ask::State::answered) continue;
        if (auto const status = journal_.read_answer_into(text, ask); !status) return status.error();
        auto const scanned = scan_ranges(text, [&](RangeView const& range) -> Status {
            auto const verdict = checker.check(range, refused);
            found.any_good = verdict == RangeChecker::Verdict::good;
            if (verdict == RangeChecker::Verdict::refused && !found.refused) found.refused = refused;
            return found.any_good ? Status(Error{}) : Status{};  // One is enough.
        });
        if (found.any_good) return found;
        if (!scanned) return scanned.error();
    }
    return found;
}

Status Fetcher::ask_for_ranges(FetchWish const& wish)
{
    FetchPlan plan(wish.limits, jobs_.size());
    replay_into(plan);
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
        auto const& job = jobs_[i].job;
        auto const count = client_.count_ranges(job.panda_id(), job.jobset_id(), job.task_id());
        if (!count.judgement.stored())
            return not_stored(fmt::format("PanDA does not say how many ranges job {} has", job.panda_id()),
                              count.judgement);
        if (count.count == 0) plan.on_ranges(i, 0, 0);
    }
    while (auto const next = plan.next()) {
        if (auto const status = go_on(); !status) return status;
        if (auto const status = ask_for_ranges_once(wish, plan, *next); !status) return status;
        if (!plan.is_empty(next->job)) continue;
        // An empty list also means that the job may take none: what is left says which.
        auto const& job = jobs_[next->job].job;
        auto const count = client_.count_ranges(job.panda_id(), job.jobset_id(), job.task_id());
        if (count.judgement.stored() && count.count > 0)
            log_.warning("job_gets_no_ranges", {{"PandaID", job.panda_id()}, {"left", count.count}});
    }
    more_may_come_ = false;
    std::vector<Candidate> with_ranges;
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
        auto const panda_id = jobs_[i].job.panda_id();
        auto const ranges = look_at_ranges(jobs_[i].job);
        if (!ranges) return ranges.error();
        if (!plan.is_empty(i)) more_may_come_ = true;
        if (ranges->any_good) {
            with_ranges.push_back(std::move(jobs_[i]));
            continue;
        }
        auto end = end_without_ranges(panda_id, jobs_[i].job.attempt(),
                                      ranges->refused ? &*ranges->refused : nullptr);
        if (ranges->refused) {
            log_.warning("no_range_fits", {{"PandaID", panda_id}, {"why", end.diag}});
        } else if (ranges->any_lost) {
            end.diag = "the answers with its event ranges were lost";
        } else if (!plan.is_empty(i)) {
            // The limits left nothing for it: another queue should have it.
            end.code = pilot_error::over_subscribed;
            end.diag = "the allocation has no room for its events";
        }
        if (auto const status = add_end(std::move(end)); !status) return status;
    }
    jobs_ = std::move(with_ranges);
    return {};
}

Status Fetcher::acquire(FetchWish const& wish)
{
    auto status = load_jobs();
    if (status) status = ask_for_jobs(wish);
    if (status) status = start_jobs(wish);
    if (status) status = check_inputs();
    if (status) status = ask_for_ranges(wish);
    // Jobs that cannot run are ended in any case: somebody else waits for them.
    if (auto const ended = end_jobs(wish); !ended && status) return ended;
    return status;
}

// ---- passing on
// -------------------------------------------------------------------------------------------------

Result<FetchSummary> Fetcher::deliver(RunSink& sink)
{
    FetchSummary summary;
    summary.ended = ends_;
    summary.more_may_come = more_may_come_;
    summary.lost_range_count = journal_.lost_range_count();
    summary.lost_job_count = journal_.lost_job_count();
    std::map<std::int64_t, std::size_t> positions;
    std::vector<RangeChecker> checkers;
    for (auto const& candidate : jobs_) {
        positions.emplace(candidate.job.panda_id(), checkers.size());
        checkers.emplace_back(candidate.job);
        if (auto const status = sink.add_job(candidate.job); !status) return status.error();
    }
    summary.job_count = static_cast<std::int64_t>(jobs_.size());
    RefusedRange refused;
    std::string text;
    for (auto const& ask : journal_.asks()) {
        auto const position = positions.find(ask.panda_id);
        if (ask.kind != AskKind::ranges || ask.state != Ask::State::answered || position == positions.end())
            continue;
        if (auto const status = journal_.read_answer_into(text, ask); !status) return status.error();
        auto const scanned = scan_ranges(text, [&](RangeView const& view) -> Status {
            switch (checkers[position->second].check(view, refused)) {
                case RangeChecker::Verdict::repeated:
                    ++summary.repeated_count;
                    return {};
                case RangeChecker::Verdict::refused:
                    summary.refused[ask.panda_id].push_back(refused);
                    return {};
                case RangeChecker::Verdict::good:
                    break;
            }
            ++summary.range_count;
            summary.event_count += view.last_event - view.start_event + 1;
            return sink.add_range(position->second, view);
        });
        if (!scanned) return scanned.error();
    }
    return summary;
}

}  // namespace yoda
