// SPDX-License-Identifier: Apache-2.0
// harvest status: where a run stands, or all runs of a spool.

#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "app/commands/command_line.hpp"
#include "app/commands/commands.hpp"
#include "app/commands/tools.hpp"
#include "harvest/batch/batch_run.hpp"
#include "harvest/explain/run_view.hpp"
#include "harvest/harvest_options.hpp"
#include "harvest/panda/fetch/fetch_guard.hpp"
#include "harvest/panda/wire/credentials.hpp"
#include "harvest/stage_out/stage_folder.hpp"
#include "sys/base/clock.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace po = boost::program_options;

namespace {

/// A folder with settings for its runs, or one that holds runs and is none itself.
bool is_spool(std::string const& folder)
{
    if (path_exists(folder + "/spool.cfg") || path_exists(folder + "/held-jobs")) return true;
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
    auto const guard = FetchGuard::open(spool);
    if (!guard) return report_error(guard.error());
    SystemClock const clock;
    auto all = nlohmann::ordered_json::array();
    auto worst = exit_done;
    for (auto const& run : *runs) {
        auto const standing = view_batch_run(run, clock);
        if (!standing) {
            worst = worse_exit(worst, report_error(standing.error()));
            all.push_back({{"run", run}, {"error", standing.error().text()}});
        } else if (as_json) {
            all.push_back(standing->json());
            all.back()["delivery"] = survey_delivery(run, clock);
        } else {
            std::cout << standing->text() << print_delivery(survey_delivery(run, clock));
        }
    }
    auto const alarms = guard->alarms();
    for (auto const& job : guard->jobs())
        if (job.state == HeldState::held)
            all.push_back({{"held_job", job.panda_id},
                           {"taskID", job.task_id},
                           {"finished_ranges", job.range_ids.size()},
                           {"since_unix_s", job.since_unix_s},
                           {"last_heartbeat_unix_s", job.last_sent_unix_s},
                           {"problem", job.problem}});
    if (!as_json)
        for (auto const& alarm : alarms) std::cout << "needs a person: " << alarm << "\n";
    if (as_json)
        std::cout << all.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
    else if (runs->empty() && alarms.empty())
        std::cout << spool << ": no runs\n";
    return worst;
}

/// The credentials that a run of PanDA's is reported with, as {what, until_unix_s, warning}.
nlohmann::ordered_json list_credentials(std::string const& run, ConfigSources const& sources,
                                        std::int64_t now_unix_s)
{
    auto list = nlohmann::ordered_json::array();
    if (!PandaFolder(run).is_there()) return list;
    auto const config = load_config(sources, run);
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

}  // namespace

int harvest_status(std::vector<std::string> const& words)
{
    po::options_description options("Options");
    options.add_options()("help,h", "this text")("run", po::value<std::string>(),
                                                 "run folder, or a folder of them")("json", "as JSON");
    add_config_option(options);
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
    auto const credentials = list_credentials(view->folder.path(), config_files_of(*values), now_unix_s);
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

}  // namespace yoda
