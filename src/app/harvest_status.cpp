// harvest status and harvest explain: where a run stands, and why.

#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "app/command_line.hpp"
#include "app/harvest_commands.hpp"
#include "harvest/batch/batch_run.hpp"
#include "harvest/explain_store.hpp"
#include "harvest/harvest_options.hpp"
#include "harvest/history.hpp"
#include "harvest/panda/credentials.hpp"
#include "harvest/run_view.hpp"
#include "harvest/stage_folder.hpp"
#include "sys/clock.hpp"
#include "sys/files.hpp"

namespace yoda {

namespace po = boost::program_options;

namespace {

/// A folder with settings for its runs, or one that holds runs and is none itself.
bool is_spool(std::string const& folder)
{
    if (path_exists(folder + "/spool.cfg")) return true;
    if (!path_exists(folder) || path_exists(folder + "/job.json")) return false;
    auto const runs = list_run_folders(folder);
    return runs && !runs->empty();
}

/// What a run still waits for beside its ranges: bundles on their way, PanDA's final word.
nlohmann::ordered_json survey_delivery(std::string const& run, Clock const& clock)
{
    nlohmann::ordered_json out;
    bool const over = path_exists(run + "/batch/over");
    out["over"] = over;
    if (auto const names = StageFolder(run, clock).look()) {
        out["on_their_way"] = names->open.size() + names->held.size() + names->later.size();
        out["delivered"] = names->done.size();
    }
    out["panda"] = !PandaFolder(run).is_there() ? "none"
                   : over                       ? "has the final state"
                                                : "awaits the final state";
    return out;
}

std::string print_delivery(nlohmann::ordered_json const& delivery)
{
    std::string text;
    if (delivery["over"].get<bool>()) return "  over: stored, reported, nothing is left to do\n";
    if (auto const count = delivery.value("on_their_way", std::size_t{0}); count > 0)
        text += fmt::format("  {} files are on their way to the store\n", count);
    if (delivery["panda"] != "none") text += "  PanDA " + delivery["panda"].get<std::string>() + "\n";
    return text;
}

/// All runs of a spool, a line each: where it stands and what it waits for.
int show_spool(std::string const& spool, bool as_json)
{
    auto const runs = list_run_folders(spool);
    if (!runs) return report_error(runs.error());
    SystemClock const clock;
    auto all = nlohmann::ordered_json::array();
    int worst = exit_done;
    for (auto const& run : *runs) {
        auto const standing = view_batch_run(run, clock);
        if (!standing) {
            worst = std::max(worst, report_error(standing.error()));
            all.push_back({{"run", run}, {"error", standing.error().text()}});
        } else if (as_json) {
            all.push_back(standing->json());
            all.back()["delivery"] = survey_delivery(run, clock);
        } else {
            std::cout << standing->text() << print_delivery(survey_delivery(run, clock));
        }
    }
    if (as_json)
        std::cout << all.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
    else if (runs->empty())
        std::cout << spool << ": no runs\n";
    return worst;
}

/// The credentials that a run of PanDA's is reported with, as {what, until_unix_s, warning}.
nlohmann::ordered_json list_credentials(std::string const& run, std::int64_t now_unix_s)
{
    auto list = nlohmann::ordered_json::array();
    if (!PandaFolder(run).is_there()) return list;
    auto const config = load_config({find_config_files({}), {}}, run);
    if (!config) return list;  // harvest report says what is wrong with it.
    for (auto const& life : survey_credentials(make_panda_settings(*config).credentials, now_unix_s)) {
        nlohmann::ordered_json entry;
        entry["what"] = life.what;
        if (life.until_unix_s) entry["until_unix_s"] = *life.until_unix_s;
        if (life.problem) {
            entry["warning"] = life.problem->text();
        } else if (life.until_unix_s && *life.until_unix_s - now_unix_s <= credential_warning_s) {
            entry["warning"] = fmt::format("it ends in {:.1f} hours: renew it",
                                           static_cast<double>(*life.until_unix_s - now_unix_s) / 3600);
        }
        list.push_back(std::move(entry));
    }
    return list;
}

/// The batch jobs of a run, oldest first, and what comes next.
void show_jobs(std::string const& run)
{
    auto const standing = view_batch_run(run, SystemClock());
    if (!standing || standing->submissions.empty()) return;
    for (auto const& job : standing->submissions) {
        std::cout << "job " << job.number << ": " << (job.job_id.empty() ? job.name : job.job_id) << " ("
                  << print_batch_kind(job.batch) << "), " << job.node_count << " nodes, "
                  << print_submission_state(job.state);
        if (!job.word.empty()) std::cout << " " << job.word;
        if (job.exit_code) std::cout << ", yoda's exit code " << *job.exit_code;
        if (!job.reason.empty()) std::cout << ": " << job.reason;
        std::cout << "; " << job.unended_before << " ranges were to do\n";
    }
    std::cout << "batch: " << print_next_step(standing->step) << ", " << standing->why << "\n";
}

/// Where each job's outputs go, and by which rule.
void show_stores(RunView const& view)
{
    auto const config = load_config({find_config_files({}), {}}, view.folder.path());
    if (!config || config->store_names().empty()) return;
    for (auto const& job : view.opened.jobs)
        std::cout << "outputs of job " << job.panda_id() << " go to " << explain_job_store(job, *config)
                  << "\n";
}

/// Where a bundle goes, and by which rule.
void show_way(RunView const& view, std::string_view name)
{
    auto const stem = std::string(name.substr(0, name.find('.')));
    auto const config = load_config({find_config_files({}), {}}, view.folder.path());
    if (!config || config->store_names().empty()) return;
    for (auto const& bundle : view.opened.table.bundles())
        if (bundle_name(bundle.origin) == stem && bundle.origin.job < view.opened.jobs.size())
            std::cout << "  store: " << explain_job_store(view.opened.jobs[bundle.origin.job], *config)
                      << "\n";
}

}  // namespace

int harvest_status(std::vector<std::string> const& words)
{
    po::options_description options("Options");
    options.add_options()("help,h", "this text")("run", po::value<std::string>(),
                                                 "run folder, or a folder of them")("json", "as JSON");
    po::positional_options_description positions;
    positions.add("run", 1);
    auto const values = parse_command_line(words, options, positions);
    if (!values) return report_error(values.error());
    if (values->count("help")) {
        std::cout << "usage: harvest status RUN|SPOOL [--json]\n\n" << options;
        return exit_done;
    }
    if (!values->count("run"))
        return report_error(
            {ErrorKind::usage, "harvest status needs a run folder", {}, "harvest status RUN"});
    auto const folder = (*values)["run"].as<std::string>();
    if (is_spool(folder)) return show_spool(folder, values->count("json") > 0);
    auto const view = read_run(folder);
    if (!view) return report_error(view.error());
    auto const now_unix_s = SystemClock().unix_ns() / 1'000'000'000;
    auto status = make_run_status(*view, now_unix_s);
    auto const credentials = list_credentials(view->folder.path(), now_unix_s);
    if (!credentials.empty()) status["credentials"] = credentials;
    if (values->count("json")) {
        std::cout << status.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
        return exit_done;
    }
    std::cout << print_run_status(status);
    for (auto const& entry : credentials) {
        if (entry.contains("warning"))
            std::cout << "  " << entry["what"].get<std::string>() << ": "
                      << entry["warning"].get<std::string>() << "\n";
    }
    return exit_done;
}

int harvest_explain(std::vector<std::string> const& words)
{
    po::options_description options("Options");
    // clang-format off
    options.add_options()
        ("help,h", "this text")
        ("run", po::value<std::string>(), "run folder")
        ("what", po::value<std::string>(), "an eventRangeID or a bundle's name; else the run itself");
    // clang-format on
    po::positional_options_description positions;
    positions.add("run", 1).add("what", 1);
    auto const values = parse_command_line(words, options, positions);
    if (!values) return report_error(values.error());
    if (values->count("help")) {
        std::cout << "usage: harvest explain RUN [RANGE|BUNDLE]\n\n" << options;
        return exit_done;
    }
    if (!values->count("run"))
        return report_error({ErrorKind::usage,
                             "harvest explain needs a run folder",
                             {},
                             "harvest explain RUN [RANGE|BUNDLE]"});
    auto const view = read_run((*values)["run"].as<std::string>());
    if (!view) return report_error(view.error());
    if (!values->count("what")) {
        std::cout << explain_run(*view, SystemClock().unix_ns() / 1'000'000'000) << tell_lives(*view);
        show_jobs((*values)["run"].as<std::string>());
        show_stores(*view);
        return exit_done;
    }
    auto const what = (*values)["what"].as<std::string>();
    SystemClock const clock;
    bool const is_bundle = what.starts_with("EventService_premerge");
    auto const text = is_bundle ? explain_bundle(*view, what) : explain_range(*view, what);
    if (!text) return report_error(text.error());
    std::cout << *text
              << (is_bundle ? tell_delivery(*view, what, clock) : tell_range_history(*view, what, clock));
    if (is_bundle) show_way(*view, what);
    return exit_done;
}

}  // namespace yoda
