// SPDX-License-Identifier: Apache-2.0
#include "harvest/batch/batch_run.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "harvest/batch/batch_folder.hpp"
#include "harvest/batch/job_file.hpp"
#include "harvest/batch/run_facts.hpp"
#include "harvest/batch/sealing.hpp"
#include "harvest/batch/slurm/text.hpp"
#include "sys/base/files.hpp"
#include "sys/lease/keeper.hpp"
#include "sys/lease/lease.hpp"

namespace yoda {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t local_settle_s = 5;  ///< the process table is right at once

std::string host_name()
{
    char name[256] = {};
    ::gethostname(name, sizeof name - 1);
    return name;
}

/// Unique for ever, letters and digits, at most 15 characters: older PBS takes no more.
std::string make_name(std::int64_t unix_ns)
{
    auto const base36 = [](std::uint64_t number, int digits) {
        std::string text;
        for (int i = 0; i < digits; ++i, number /= 36)
            text.insert(text.begin(), "0123456789abcdefghijklmnopqrstuvwxyz"[number % 36]);
        return text;
    };
    return "y" + base36(static_cast<std::uint64_t>(unix_ns), 12) +
           base36(static_cast<std::uint64_t>(::getpid()), 2);
}

Status add_sources(SiteConfig& site, SiteSources const& sources)
{
    for (auto const& file : sources.files) {
        auto const text = read_file(file);
        if (!text) return text.error();
        if (auto read = read_site(site, *text, file); !read) return read.error();
    }
    if (!sources.batch.empty()) {
        if (auto set = set_site(site, "batch", sources.batch); !set) return set.error();
    }
    for (auto const& [key, value] : sources.settings) {
        if (auto set = set_site(site, key, value); !set) return set.error();
    }
    return {};
}

/// `anew`: what the files do not say any more is forgotten.
Result<SiteConfig> read_sources(BatchFolder const& folder, SiteSources const& sources, bool anew)
{
    SiteConfig site;
    if (!anew && path_exists(folder.site())) {
        auto const text = read_file(folder.site());
        if (!text) return text.error();
        if (auto read = read_site(site, *text, folder.site()); !read) return read.error();
    }
    if (auto added = add_sources(site, sources); !added) return added.error();
    return site;
}

Result<std::string> find_jobscripts(SiteConfig const& site, std::string const& program_folder)
{
    std::vector<std::string> places{site.jobscripts};
    if (site.jobscripts.empty())
        places = {program_folder + "/../share/yoda/jobscripts", program_folder + "/../jobscripts",
                  program_folder + "/../../../jobscripts"};
    for (auto const& place : places) {
        std::error_code code;
        auto const path = fs::weakly_canonical(place, code);
        if (!code && path_exists((path / "run_yoda.sh").string())) return path.string();
    }
    return Error{ErrorKind::usage, "the job scripts are not found",
                 fmt::format("no run_yoda.sh in {}", fmt::join(places, ", ")),
                 "give --set jobscripts=FOLDER"};
}

/// Where a submission may go, as far as can be told before sbatch answers: its
/// variables win over the options of a job file.
std::string wanted_clusters(SiteConfig const& site, BatchKind kind)
{
    if (kind != BatchKind::slurm) return {};
    for (auto const* const name : {"SBATCH_CLUSTERS", "SLURM_CLUSTERS"}) {
        if (char const* const value = std::getenv(name); value != nullptr && *value != '\0') return value;
    }
    return clusters_in_options(site.options);
}

/// Why a job is not cancelled that the batch system, though it answered, does not list under its name.
Error not_listed(Submission const& submission)
{
    if (submission.batch == BatchKind::local && submission.host != host_name())
        return {ErrorKind::refused, "its processes cannot be seen from here",
                "it was started on " + submission.host, "harvest cancel there"};
    return {
        ErrorKind::refused,
        fmt::format("the batch system lists no job {} of the name {}", submission.label(), submission.name),
        "a job of this number may be somebody else's", "harvest poll tells when it is gone"};
}

class Step {
  public:
    Step(std::string run, BatchRequest const& request, Clock const& clock, Log& log)
        : run_(std::move(run)), request_(request), clock_(clock), log_(log), folder_(run_)
    {
        standing_.run = run_;
    }

    Result<BatchStanding> go()
    {
        auto facts = read_facts(run_, unix_s());
        if (!facts) return facts.error();
        facts_ = *facts;
        standing_.unended_count = facts_.unended_count;
        standing_.range_count = facts_.range_count;
        standing_.failed_count = facts_.failed_count;
        if (request_.action == BatchAction::submit && request_.dry_run) return show();

        if (auto made = folder_.make(); !made) return made.error();
        auto lease = acquire_lease(folder_.lock(), describe_holder("harvest", "", clock_), {}, clock_);
        if (!lease) return lease.error();
        auto keeper = LeaseKeeper::start(*std::move(lease), {});
        if (!keeper) return keeper.error();
        if (auto done = work(); !done) return done.error();
        return std::move(standing_);
    }

  private:
    std::int64_t unix_s() const { return clock_.unix_ns() / 1'000'000'000; }

    Status load()
    {
        auto submissions = folder_.read_submissions();
        if (!submissions) return submissions.error();
        standing_.submissions = *std::move(submissions);
        auto plan = folder_.read_plan();
        if (!plan) return plan.error();
        plan_ = *std::move(plan);
        auto site = read_sources(folder_, request_.sources,
                                 request_.action == BatchAction::submit && !request_.sources.files.empty());
        if (!site) return site.error();
        site_ = *std::move(site);
        return {};
    }

    Result<BatchStanding> show()
    {
        if (auto loaded = load(); !loaded) return loaded.error();
        auto const kind = check_site(site_);
        if (!kind) return kind.error();
        auto text = make_job("DRYRUN", *kind);
        if (!text) return text.error();
        standing_.job_file = *std::move(text);
        standing_.why = "dry run: " + standing_.size.because;
        return std::move(standing_);
    }

    Status work()
    {
        if (auto loaded = load(); !loaded) return loaded.error();
        if (standing_.submissions.empty() && request_.action == BatchAction::cancel)
            return Error{ErrorKind::usage, run_ + " was never submitted", {}, "harvest submit " + run_};
        if (auto looked = look(); !looked) return looked.error();
        if (request_.action == BatchAction::cancel) return cancel();
        if (request_.action == BatchAction::submit) {
            plan_ = {false, "", standing_.submissions.empty() ? 0 : standing_.submissions.back().number};
            if (auto const kind = check_site(site_); !kind) return kind.error();
        }
        auto decision = decide(facts_, standing_.submissions, plan_, site_, unix_s());
        if (decision.step == NextStep::seal && request_.action != BatchAction::look) {
            if (auto sealed = seal(decision); !sealed) return sealed;
        }
        standing_.step = decision.step;
        standing_.why = decision.why;
        bool const may =
            request_.action == BatchAction::submit ||
            (request_.action == BatchAction::step && (request_.begin || !standing_.submissions.empty()));
        if (decision.step == NextStep::give_up && plan_.given_up.empty() &&
            request_.action != BatchAction::look) {
            plan_.given_up = decision.why;
            log_.warning("run_given_up", {{"run", run_}, {"why", decision.why}});
            return folder_.write_plan(plan_);
        }
        if (decision.step != NextStep::submit || !may) return {};
        auto const least = site_.batch == "local" ? 1 : std::max<std::uint64_t>(site_.size.nodes_min, 1);
        if (request_.nodes_allowed < least) {
            standing_.step = NextStep::wait;
            standing_.why = fmt::format(
                "the spool's limit (nodes_max) leaves {} nodes, a job here has at least {}; it waits for "
                "others",
                request_.nodes_allowed, least);
            return {};
        }
        return submit();
    }

    /// Asks the batch system about the submission that is under way, if there is one.
    Status look()
    {
        if (standing_.submissions.empty() || !standing_.submissions.back().active()) return {};
        auto& last = standing_.submissions.back();
        Sighting sighting;
        sighting.end_note = folder_.read_end_note(last.name);
        sighting.yoda_lives = facts_.yoda_lives;
        sighting.life = facts_.life;
        SightingPolicy policy{static_cast<std::int64_t>(site_.settle_s),
                              static_cast<std::int64_t>(site_.lost_after_s)};
        if (last.batch == BatchKind::local) {
            policy = {local_settle_s, local_settle_s};
            // Elsewhere its processes cannot be seen; notes and the lock still tell.
            if (last.host == host_name()) sighting.answered = true;
        }
        if (last.batch != BatchKind::local || sighting.answered) {
            auto system = make_batch_system(last.batch, Duration::from_s(site_.command_limit_s), clock_);
            // Records made before the cluster was kept have none.
            auto const clusters = last.cluster.empty() ? clusters_in_options(site_.options) : last.cluster;
            auto found = system->find({last.name, last.job_id, clusters});
            sighting.answered = static_cast<bool>(found);
            if (found) {
                sighting.job = std::move(found->job);
                sighting.gone = found->gone;
                seen_ = sighting.job;
            } else {
                standing_.trouble = found.error();
            }
        }
        auto const after = observe(last, sighting, unix_s(), policy);
        if (print_submission(after) == print_submission(last)) return {};
        if (after.state != last.state)
            log_.info("batch_job", {{"run", run_},
                                    {"job", after.label()},
                                    {"state", std::string(print_submission_state(after.state))},
                                    {"word", after.word}});
        last = after;
        if (auto written = folder_.write_submission(last); !written) return written;
        // The job that has ended since has changed the table.
        return last.active() ? Status{} : read_facts_anew();
    }

    Status read_facts_anew()
    {
        auto facts = read_facts(run_, unix_s());
        if (!facts) return facts.error();
        facts_ = *facts;
        standing_.unended_count = facts_.unended_count;
        standing_.failed_count = facts_.failed_count;
        return {};
    }

    /// Decides anew once nothing is open any more; until then the run waits.
    Status seal(Decision& decision)
    {
        auto sealed = facts_.yoda_lives ? Status(Error{ErrorKind::busy, "its yoda may still live", {}, {}})
                                        : seal_open_bundles(run_, clock_);
        if (!sealed) {
            if (sealed.error().kind == ErrorKind::busy)
                decision = {NextStep::wait, decision.why + "; " + sealed.error().what};
            else
                standing_.trouble = sealed.error();
            return {};
        }
        log_.info("bundles_sealed", {{"run", run_}, {"count", facts_.open_bundle_count}});
        if (auto read = read_facts_anew(); !read) return read;
        decision = decide(facts_, standing_.submissions, plan_, site_, unix_s());
        return {};
    }

    Result<std::string> make_job(std::string const& name, BatchKind kind)
    {
        auto const jobscripts = find_jobscripts(site_, request_.program_folder);
        if (!jobscripts) return jobscripts.error();
        auto const yoda = site_.yoda.empty() ? request_.program_folder + "/yoda" : site_.yoda;
        if (site_.wrap.empty() && yoda.find('/') != std::string::npos && ::access(yoda.c_str(), X_OK) != 0)
            return Error{ErrorKind::usage, yoda + " is no program", {}, "give --set yoda=PATH"};
        if (kind == BatchKind::local) {
            standing_.size.node_count = 1;
            standing_.size.walltime_s = request_.walltime_wanted_s;
            standing_.size.because = "this machine";
            if (request_.nodes_wanted > 1)
                return Error{
                    ErrorKind::usage, "this machine is one node", {}, "--nodes needs a batch system"};
        } else {
            auto limits = site_.size;
            limits.nodes_wanted = request_.nodes_wanted;
            limits.walltime_wanted_s = request_.walltime_wanted_s;
            limits.nodes_max = std::min(limits.nodes_max, request_.nodes_allowed);
            SizingFacts facts{
                facts_.unended_count, facts_.range_s > 0 ? facts_.range_s : site_.seconds_per_range_s, {}, 0};
            if (limits.backfill)
                facts.idle_node_count =
                    make_batch_system(kind, Duration::from_s(site_.command_limit_s), clock_)
                        ->idle_node_count(site_.partition, wanted_clusters(site_, kind));
            auto size = size_job(facts, limits);
            if (!size) return size.error();
            standing_.size = *std::move(size);
        }
        return print_job_file(kind, site_, standing_.size, {run_, name, *jobscripts, yoda});
    }

    Status submit()
    {
        auto const kind = check_site(site_);
        if (!kind) return kind.error();
        Submission next;
        next.number = standing_.submissions.empty() ? 1 : standing_.submissions.back().number + 1;
        next.batch = *kind;
        next.name = make_name(clock_.unix_ns());
        next.host = host_name();
        next.cluster = wanted_clusters(site_, *kind);
        next.unended_before = facts_.unended_count;
        next.life_before = facts_.life;
        next.intended_unix_s = unix_s();
        auto const text = make_job(next.name, *kind);
        if (!text) return text.error();
        next.node_count = standing_.size.node_count;
        next.walltime_s = standing_.size.walltime_s;

        // The order matters: a kill between any two of these leaves at most a submission that is looked up.
        if (auto s = replace_file(folder_.site(), print_site(site_)); !s) return s;
        if (auto s = folder_.write_plan(plan_); !s) return s;
        if (auto s = replace_file(folder_.job_file(next.name), *text, 0755); !s) return s;
        if (auto s = folder_.write_submission(next); !s) return s;
        standing_.submissions.push_back(next);
        if (auto s = folder_.write_current(next.name); !s) return s;
        auto system = make_batch_system(*kind, Duration::from_s(site_.command_limit_s), clock_);
        auto const outcome = system->submit(folder_.job_file(next.name), next.name);
        auto& kept = standing_.submissions.back();
        if (!outcome || outcome->refused) {
            kept.state = SubmissionState::refused;
            kept.ended_unix_s = unix_s();
            kept.reason = outcome ? outcome->why : outcome.error().text();
            standing_.trouble = outcome
                                    ? Error{ErrorKind::refused, "the batch system refused the job",
                                            kept.reason, "mend the settings: --site FILE, --set key=value"}
                                    : outcome.error();
            standing_.why = "not submitted";
        } else if (outcome->job_id.empty()) {
            kept.reason = outcome->why;
            standing_.trouble = Error{ErrorKind::unavailable, "the batch system gave no answer", outcome->why,
                                      "nothing to do: the next step asks for the job by its name"};
            standing_.step = NextStep::wait;
            standing_.why = "it is not known yet whether the batch system has the job";
        } else {
            kept.job_id = outcome->job_id;
            if (!outcome->cluster.empty()) kept.cluster = outcome->cluster;
            kept.state = SubmissionState::submitted;
            standing_.submitted_now = true;
            standing_.step = NextStep::wait;
            standing_.why =
                fmt::format("submitted as job {}: {} nodes, {} ({})", kept.label(), kept.node_count,
                            kept.walltime_s > 0 ? print_walltime(kept.walltime_s) : "no limit of time",
                            standing_.size.because);
            log_.info("batch_job", {{"run", run_}, {"job", kept.label()}, {"state", "submitted"}});
        }
        return folder_.write_submission(kept);
    }

    Status cancel()
    {
        plan_.held = true;
        if (auto written = folder_.write_plan(plan_); !written) return written;
        auto const& last = standing_.submissions.back();
        standing_.step = NextStep::held;
        standing_.why = "no job is under way; harvest submit goes on";
        if (!last.active()) return {};
        if (last.job_id.empty()) {
            // A script that begins later finds that it is not the current one, and ends.
            standing_.why =
                "the batch system has not told yet whether it has the job; it will end at its start";
            return folder_.write_current("none");
        }
        if (!seen_) {
            if (!standing_.trouble) standing_.trouble = not_listed(last);
            standing_.why = fmt::format(
                "job {} was not cancelled; if it has not begun yet, it ends at its start", last.label());
            return folder_.write_current("none");
        }
        auto system = make_batch_system(last.batch, Duration::from_s(site_.command_limit_s), clock_);
        if (auto cancelled = system->cancel(*seen_); !cancelled) {
            standing_.trouble = cancelled.error();
            standing_.why = fmt::format("job {} could not be cancelled", last.label());
            return {};
        }
        standing_.cancelled_now = true;
        standing_.why = fmt::format("job {} is told to end; harvest submit goes on", last.label());
        return {};
    }

    std::string run_;
    BatchRequest const& request_;
    Clock const& clock_;
    Log& log_;
    BatchFolder folder_;
    RunFacts facts_;
    BatchPlan plan_;
    SiteConfig site_;
    std::optional<BatchJob> seen_;  ///< the job under way, as the batch system has just listed it by its name
    BatchStanding standing_;
};

}  // namespace

Result<SiteConfig> read_site_sources(SiteSources const& sources)
{
    SiteConfig site;
    if (auto added = add_sources(site, sources); !added) return added.error();
    return site;
}

Result<BatchStanding> step_batch_run(std::string const& run, BatchRequest const& request, Clock const& clock,
                                     Log& log)
{
    std::error_code code;
    auto const path = fs::canonical(run, code);
    if (code)
        return Error{ErrorKind::usage, run + " cannot be found", code.message(),
                     "was the run folder moved or deleted?"};
    // The path goes into directives of a job script, where nothing can be quoted for every batch system.
    if (path.string().find_first_of(" \t\n\"'\\") != std::string::npos)
        return Error{ErrorKind::usage, "the run folder's path has blanks or quotes", path.string(),
                     "batch systems cannot take it: rename the folder"};
    return Step(path.string(), request, clock, log).go();
}

Result<BatchStanding> view_batch_run(std::string const& run, Clock const& clock)
{
    auto const unix_s = clock.unix_ns() / 1'000'000'000;
    auto const facts = read_facts(run, unix_s);
    if (!facts) return facts.error();
    BatchFolder const folder(run);
    auto submissions = folder.read_submissions();
    if (!submissions) return submissions.error();
    auto const plan = folder.read_plan();
    if (!plan) return plan.error();
    auto const site = read_sources(folder, {}, false);
    if (!site) return site.error();
    BatchStanding standing;
    standing.run = run;
    standing.submissions = *std::move(submissions);
    standing.range_count = facts->range_count;
    standing.unended_count = facts->unended_count;
    standing.failed_count = facts->failed_count;
    auto const decision = decide(*facts, standing.submissions, *plan, *site, unix_s);
    standing.step = decision.step;
    standing.why = decision.why;
    if (standing.submissions.empty() && decision.step == NextStep::submit)
        standing.why =
            facts->yoda_lives ? "a yoda works on it" : "it waits for harvest submit, harvest cycle or yoda";
    return standing;
}

}  // namespace yoda
