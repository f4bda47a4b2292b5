// SPDX-License-Identifier: Apache-2.0
#include "harvest/batch/cycle.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "harvest/batch/spool_config.hpp"
#include "harvest/new/new_run_payload.hpp"
#include "sys/base/files.hpp"
#include "sys/lease/keeper.hpp"
#include "sys/lease/lease.hpp"

namespace yoda {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view trash_prefix = ".removed-";
constexpr std::string_view run_prefix = "run-";
constexpr std::string_view workplace_suffix = ".fetch";

std::string absolute_from(std::string const& folder, std::string const& path)
{
    return path.starts_with('/') ? path : folder + "/" + path;
}

/// RUN/batch/over: nothing is left to do for this run, since when.
std::string over_mark(std::string const& run)
{
    return run + "/batch/over";
}

std::optional<std::int64_t> read_over_mark(std::string const& run)
{
    auto const text = read_file(over_mark(run), 64);
    if (!text) return std::nullopt;
    return std::strtoll(text->c_str(), nullptr, 10);
}

std::string text_in_gb(std::uint64_t bytes)
{
    return fmt::format("{:.2f} GB", static_cast<double>(bytes) / 1e9);
}

class Cycle {
  public:
    Cycle(CycleChoice const& choice, StepTools const& tools)
        : choice_(choice), tools_(tools), spool_(choice.spool)
    {}

    Result<CycleSummary> go()
    {
        std::error_code code;
        auto const path = fs::canonical(spool_, code);
        if (code)
            return Error{ErrorKind::usage, spool_ + " cannot be found", code.message(),
                         "make the spool first"};
        spool_ = path.string();
        auto const config_path = spool_ + "/spool.cfg";
        auto const text = read_file(config_path);
        if (!text) {
            auto error = text.error();
            error.kind = ErrorKind::usage;
            error.fix = "docs/operations.md shows a complete file";
            return error;
        }
        auto config = parse_spool_config(*text, config_path);
        if (!config) return config.error();
        config_ = *std::move(config);
        sources_.files = choice_.config_files;
        for (auto const& file : config_.configs) sources_.files.push_back(absolute_from(spool_, file));
        sources_.settings = choice_.settings;
        auto const missing = find_missing();
        if (!missing) return missing.error();
        if (auto checked = check_spool_config(config_, config_path, *missing); !checked)
            return checked.error();

        auto lease = acquire_lease(spool_ + "/lock", describe_holder("harvest cycle", "", tools_.clock), {},
                                   tools_.clock);
        if (!lease) {
            if (lease.error().kind != ErrorKind::busy) return lease.error();
            summary_.busy = true;
            summary_.note = lease.error().what;
            return std::move(summary_);
        }
        auto keeper = LeaseKeeper::start(*std::move(lease), {});
        if (!keeper) return keeper.error();
        if (auto done = work(); !done) return done.error();
        return std::move(summary_);
    }

  private:
    std::int64_t unix_s() const { return tools_.clock.unix_ns() / 1'000'000'000; }
    bool stopped() const { return tools_.stop != nullptr && *tools_.stop; }

    SiteSources site_sources() const
    {
        SiteSources sources;
        for (auto const& file : config_.sites) sources.files.push_back(absolute_from(spool_, file));
        sources.settings = config_.site_settings;
        return sources;
    }

    /// Keys that the files lack which spool.cfg names. Error: one of them cannot be read, or is wrong.
    Result<std::vector<std::string>> find_missing() const
    {
        std::vector<std::string> missing;
        if (!config_.sites.empty() || !config_.site_settings.empty()) {
            auto const site = read_site_sources(site_sources());
            if (!site) return site.error();
            for (auto const& key : missing_site_settings(*site)) missing.push_back("site." + key);
        }
        if (!config_.fetch) return missing;
        auto const harvest_config = load_config(sources_, {});
        if (!harvest_config) return harvest_config.error();
        for (auto const& key : missing_fetch_settings(make_panda_settings(*harvest_config)))
            missing.push_back(key + " (of harvest's configuration)");
        return missing;
    }

    Status work()
    {
        deadline_ = tools_.clock.now() + Duration::from_s(config_.time_limit_s);
        remove_trash();
        watch_held_jobs();
        auto runs = list_run_folders(spool_);
        if (!runs) return runs.error();
        // Submissions under way count against the limits before any new one is made.
        for (auto const& run : *runs) {
            if (auto const nodes = nodes_under_way(run)) nodes_used_ += *nodes;
        }
        std::uint64_t open_count = 0;
        for (auto const& run : *runs) open_count += turn(run) ? 1 : 0;
        if (!stopped() && tools_.clock.now() < deadline_) {
            if (auto const made = fetch(open_count)) turn(*made);
        }
        auto const free = free_bytes(spool_);
        if (free) summary_.free_bytes = *free;
        if (summary_.disk_low)
            summary_.troubles.push_back(
                fmt::format("{} has {} free, less than disk_free = {}: nothing is fetched or fed until there "
                            "is room; what PanDA has not heard of stays",
                            spool_, text_in_gb(summary_.free_bytes), text_in_gb(config_.disk_free_bytes)));
        return {};
    }

    /// First of all, and whatever the limits say: a merge job that PanDA does not hear
    /// of costs finished ranges.
    void watch_held_jobs()
    {
        auto const alarms = hold_step(spool_, sources_, tools_);
        if (!alarms) return trouble(spool_, alarms.error());
        for (auto const& alarm : *alarms) add_alarm(alarm);
    }

    void add_alarm(std::string const& alarm)
    {
        auto& alarms = summary_.alarms;
        if (std::find(alarms.begin(), alarms.end(), alarm) == alarms.end()) alarms.push_back(alarm);
    }

    /// The disk guard. More work makes more data: with too little room none is taken in. What is here goes
    /// on, since only pushing and reporting it makes room; nothing is ever removed for it.
    bool has_room()
    {
        auto const free = free_bytes(spool_);
        bool const room = free && *free >= config_.disk_free_bytes;
        summary_.disk_low |= !room;
        return room;
    }

    static std::optional<std::uint64_t> nodes_under_way(std::string const& run)
    {
        if (read_over_mark(run)) return std::nullopt;
        auto const submissions = BatchFolder(run).read_submissions();
        if (!submissions || submissions->empty() || !submissions->back().active()) return std::nullopt;
        return submissions->back().node_count;
    }

    void trouble(std::string const& run, Error const& error)
    {
        bool const later = error.kind == ErrorKind::unavailable || error.kind == ErrorKind::busy ||
                           error.kind == ErrorKind::io || error.kind == ErrorKind::no_space;
        (later ? summary_.troubles : summary_.alarms)
            .push_back(fs::path(run).filename().string() + ": " + error.text());
    }

    /// All steps of one run; true while it is not over.
    bool turn(std::string const& run)
    {
        nlohmann::ordered_json entry;
        entry["run"] = run;
        if (auto const since = read_over_mark(run)) {
            ++summary_.over_count;
            entry["step"] = "over";
            clean(run, *since, entry);
            summary_.runs.push_back(std::move(entry));
            return false;
        }
        if (stopped() || tools_.clock.now() > deadline_) {
            ++summary_.left_count;
            return true;
        }
        auto const standing = step_batch(run);
        if (!standing) {
            trouble(run, standing.error());
            entry["error"] = standing.error().text();
            summary_.runs.push_back(std::move(entry));
            return true;
        }
        count(*standing);
        if (standing->trouble) trouble(run, *standing->trouble);
        entry.update(standing->json());
        bool const from_panda = path_exists(run + "/panda");
        if (from_panda) feed(run, *standing);
        bool const pushed = !config_.push || push(run);
        bool taken_back = false;
        bool const reported = !from_panda || report(run, *standing, entry, taken_back);
        // Without PanDA nobody takes the leftovers of a run that is given
        // up: it stays an alarm until a person comes.
        bool const done = standing->step == NextStep::complete ||
                          (standing->step == NextStep::give_up && from_panda) ||
                          (taken_back && !has_active_job(*standing));
        if (done && pushed && reported) {
            if (auto marked = replace_file(over_mark(run), std::to_string(unix_s()) + "\n"); !marked)
                trouble(run, marked.error());
        }
        summary_.runs.push_back(std::move(entry));
        return true;
    }

    Result<BatchStanding> step_batch(std::string const& run)
    {
        BatchRequest request;
        request.action = BatchAction::step;
        request.begin = true;
        request.sources = site_sources();
        request.program_folder = choice_.program_folder;
        request.nodes_allowed = config_.nodes_max > nodes_used_ ? config_.nodes_max - nodes_used_ : 0;
        auto standing = step_batch_run(run, request, tools_.clock, tools_.log);
        if (standing && standing->submitted_now) nodes_used_ += standing->submissions.back().node_count;
        return standing;
    }

    void count(BatchStanding const& standing)
    {
        summary_.submitted_count += standing.submitted_now ? 1 : 0;
        switch (standing.step) {
            case NextStep::complete:
                ++summary_.complete_count;
                break;
            case NextStep::held:
                ++summary_.stuck_count;
                break;
            case NextStep::give_up:
                ++summary_.stuck_count;
                summary_.alarms.push_back(fs::path(standing.run).filename().string() +
                                          " is given up: " + standing.why);
                break;
            case NextStep::wait:
            case NextStep::submit:
            case NextStep::seal:
                if (!standing.submissions.empty() &&
                    standing.submissions.back().state == SubmissionState::running)
                    ++summary_.running_count;
                else
                    ++summary_.waiting_count;
                break;
        }
    }

    void feed(std::string const& run, BatchStanding const& standing)
    {
        if (standing.step == NextStep::complete || standing.step == NextStep::give_up ||
            standing.step == NextStep::held || !has_room())
            return;
        auto const fed = feed_step(run, static_cast<std::int64_t>(config_.feed_ranges), sources_, tools_);
        if (!fed) trouble(run, fed.error());
    }

    /// True when nothing is left to bring to a store.
    bool push(std::string const& run)
    {
        PushChoice push_choice;
        push_choice.folders = {run};
        auto const pushed = push_step(push_choice, sources_, tools_);
        if (!pushed) {
            trouble(run, pushed.error());
            return false;
        }
        summary_.pushed_count += pushed->verified_count;
        for (auto const& failure : pushed->failures)
            summary_.troubles.push_back(failure.name + ": " + failure.reason);
        if (pushed->lost_count > 0)
            summary_.alarms.push_back(fmt::format("{}: {} damaged bundles are in its quarantine",
                                                  fs::path(run).filename().string(), pushed->lost_count));
        return pushed->failed_count + pushed->waiting_count + pushed->busy_count == 0;
    }

    static bool has_active_job(BatchStanding const& standing)
    {
        return !standing.submissions.empty() && standing.submissions.back().active();
    }

    /// True when PanDA has the final word on every job; `taken_back` when it wants none of them any more.
    bool report(std::string const& run, BatchStanding const& standing, nlohmann::ordered_json& entry,
                bool& taken_back)
    {
        bool const over = standing.step == NextStep::complete || standing.step == NextStep::give_up;
        auto facts = find_batch_facts(run, over, unix_s());
        bool const active = has_active_job(standing);
        // A yoda may work although the batch system has not said so yet.
        bool const works = facts.phase == JobPhase::running ||
                           (active && standing.submissions.back().state == SubmissionState::running);
        facts.phase = over ? JobPhase::uploading : works ? JobPhase::running : JobPhase::waiting;
        if (!standing.submissions.empty()) {
            if (facts.batch_id.empty()) facts.batch_id = standing.submissions.front().job_id;
            facts.node_count = static_cast<std::int64_t>(standing.submissions.back().node_count);
        }
        auto const reported = report_step(run, facts, sources_, tools_);
        if (!reported) {
            trouble(run, reported.error());
            return false;
        }
        summary_.reported_count += reported->accepted_count;
        for (auto const& problem : reported->problems) summary_.troubles.push_back(problem);
        if (reported->refused_count > 0)
            summary_.alarms.push_back(fmt::format(
                "{}: PanDA refused {} ranges", fs::path(run).filename().string(), reported->refused_count));
        entry["panda_ended"] = reported->all_ended;
        taken_back = reported->cancel_batch;
        // After a softkill a job that works drains, and one that has not begun would begin for nothing.
        if (active && (reported->cancel_batch || (reported->submit_no_more && !works))) {
            BatchRequest cancel;
            cancel.action = BatchAction::cancel;
            cancel.program_folder = choice_.program_folder;
            if (auto const cancelled = step_batch_run(run, cancel, tools_.clock, tools_.log); !cancelled)
                trouble(run, cancelled.error());
        }
        return reported->all_ended;
    }

    /// Removes a run that has been over for long; by a rename first, so that no half of it is ever a run.
    void clean(std::string const& run, std::int64_t over_since_s, nlohmann::ordered_json& entry)
    {
        // What was made by hand belongs to a person: only what PanDA knows to be over is ever removed.
        if (!path_exists(run + "/panda")) return;
        if (config_.clean_after_s <= 0 ||
            static_cast<double>(unix_s() - over_since_s) < config_.clean_after_s)
            return;
        auto const name = fs::path(run).filename().string();
        std::error_code code;
        fs::rename(run, spool_ + "/" + std::string(trash_prefix) + name, code);
        if (code) return trouble(run, os_error("cannot remove", run, code.value()));
        entry["step"] = "removed";
        ++summary_.cleaned_count;
        remove_trash();
    }

    void remove_trash()
    {
        auto const names = list_folder(spool_);
        if (!names) return;  // The next cycle tries again.
        for (auto const& name : *names) {
            std::error_code ignored;
            // A fetch of ours that was killed leaves a folder that never was a run; we hold the spool's lock.
            bool const half_made = name.starts_with(run_prefix) && name.find(".part-") != std::string::npos;
            if (half_made || name.starts_with(trash_prefix)) fs::remove_all(fs::path(spool_) / name, ignored);
        }
    }

    /// A fetch that was interrupted goes on under its name.
    std::string choose_run_name() const
    {
        auto const names = list_folder(spool_);
        for (auto const& name : names ? *names : std::vector<std::string>()) {
            auto const path = (fs::path(spool_) / name).string();
            if (!path.ends_with(workplace_suffix)) continue;
            auto const run = path.substr(0, path.size() - workplace_suffix.size());
            if (!path_exists(run)) return run;
        }
        auto const at = unix_s();
        std::string run;
        for (int i = 0; run.empty() || path_exists(run); ++i)
            run = fmt::format("{}/{}{}-{}", spool_, run_prefix, at, i);
        return run;
    }

    std::optional<std::string> fetch(std::uint64_t open_count)
    {
        if (!config_.fetch) return std::nullopt;
        if (!has_room()) {
            summary_.note = "nothing fetched: too little free space (disk_free)";
            return std::nullopt;
        }
        if (open_count >= config_.runs_max) {
            summary_.note = fmt::format("nothing fetched: {} runs are open (runs_max)", open_count);
            return std::nullopt;
        }
        auto payload =
            read_payload(absolute_from(spool_, config_.payload), choice_.program_folder, choice_.search_path);
        if (!payload) {
            trouble(spool_, payload.error());
            return std::nullopt;
        }
        auto const harvest_config = load_config(sources_, {});
        if (!harvest_config) {
            trouble(spool_, harvest_config.error());
            return std::nullopt;
        }
        FetchChoice fetch_choice;
        fetch_choice.run = choose_run_name();
        fetch_choice.payload = *std::move(payload);
        auto const fetched = fetch_step(fetch_choice, *harvest_config, tools_);
        if (!fetched) {
            trouble(fetch_choice.run, fetched.error());
            return std::nullopt;
        }
        for (auto const& alarm : fetched->alarms) add_alarm(alarm);
        if (fetched->run.empty()) {
            summary_.note = fetched->alarms.empty() ? "PanDA has no jobs for us now"
                                                    : "nothing fetched: a person is needed";
            return std::nullopt;
        }
        ++summary_.fetched_count;
        return fetched->run;
    }

    CycleChoice const& choice_;
    StepTools tools_;
    std::string spool_;
    SpoolConfig config_;
    ConfigSources sources_;
    TimePoint deadline_;
    std::uint64_t nodes_used_ = 0;
    CycleSummary summary_;
};

}  // namespace

std::string CycleSummary::text() const
{
    if (busy) return "another cycle is at work: " + note + "\n";
    auto line = fmt::format(
        "runs: {} running, {} waiting, {} complete, {} over, {} stuck; {} fetched, {} submitted, {} bundles "
        "pushed, {} "
        "ranges reported, {} removed; {:.1f} GB free",
        running_count, waiting_count, complete_count, over_count, stuck_count, fetched_count, submitted_count,
        pushed_count, reported_count, cleaned_count, static_cast<double>(free_bytes) / 1e9);
    if (left_count > 0) line += fmt::format("; {} not looked at, the time was up", left_count);
    if (!note.empty()) line += "; " + note;
    line += "\n";
    for (auto const& alarm : alarms) line += "  needs a person: " + alarm + "\n";
    for (auto const& trouble : troubles) line += "  tried again: " + trouble + "\n";
    return line;
}

nlohmann::ordered_json CycleSummary::json() const
{
    nlohmann::ordered_json out;
    out["busy"] = busy;
    out["running"] = running_count;
    out["waiting"] = waiting_count;
    out["complete"] = complete_count;
    out["over"] = over_count;
    out["stuck"] = stuck_count;
    out["fetched"] = fetched_count;
    out["submitted"] = submitted_count;
    out["bundles_pushed"] = pushed_count;
    out["ranges_reported"] = reported_count;
    out["removed"] = cleaned_count;
    out["left"] = left_count;
    out["free_bytes"] = free_bytes;
    out["disk_low"] = disk_low;
    out["note"] = note;
    out["alarms"] = alarms;
    out["troubles"] = troubles;
    out["exit_code"] = int{exit_code()};
    out["runs"] = runs;
    return out;
}

ExitCode CycleSummary::exit_code() const
{
    if (!alarms.empty()) return exit_person;
    return troubles.empty() ? exit_done : exit_again;
}

Result<CycleSummary> run_cycle(CycleChoice const& choice, StepTools const& tools)
{
    return Cycle(choice, tools).go();
}

}  // namespace yoda
