// SPDX-License-Identifier: Apache-2.0
// harvest submit, poll and cancel: a run and its batch system.

#include <fmt/format.h>

#include <iostream>

#include "app/commands/command_line.hpp"
#include "app/commands/commands.hpp"
#include "core/config/units.hpp"
#include "harvest/batch/batch_run.hpp"
#include "sys/base/clock.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace po = boost::program_options;

namespace {

/// Run folders among these, and in those of them that are spools.
Result<std::vector<std::string>> find_run_folders(std::vector<std::string> const& folders)
{
    std::vector<std::string> runs;
    for (auto const& folder : folders) {
        auto inside = list_run_folders(folder);
        if (!inside) return inside.error();
        runs.insert(runs.end(), inside->begin(), inside->end());
    }
    return runs;
}

/// Steps all runs; the worst exit code. One run's error does not keep the others waiting.
int step_all(std::vector<std::string> const& folders, BatchRequest const& request, bool as_json)
{
    auto const runs = find_run_folders(folders);
    if (!runs) return report_error(runs.error());
    SystemClock const clock;
    Log log;
    log.quieten_terminal();
    auto worst = exit_done;
    auto all = nlohmann::ordered_json::array();
    for (auto const& run : *runs) {
        auto const standing = step_batch_run(run, request, clock, log);
        if (!standing) {
            worst = worse_exit(worst, report_error(standing.error()));
            all.push_back({{"run", run},
                           {"error", standing.error().text()},
                           {"exit_code", int{exit_code_of(standing.error())}}});
            continue;
        }
        worst = worse_exit(worst, standing->exit_code());
        if (as_json)
            all.push_back(standing->json());
        else
            std::cout << standing->text() << standing->job_file;
    }
    if (as_json)
        std::cout << all.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
    return worst;
}

constexpr char const* exit_codes =
    "\nExit codes: 0 all as planned (a job that waits or runs is as planned); 1 the run is complete, but "
    "some "
    "ranges\nfailed for good; 2 usage or settings; 3 the batch system does not answer, or another harvest is "
    "at the run: the next\ncall tries again; 4 given up or refused: a person is needed.\n";

}  // namespace

int harvest_submit(std::vector<std::string> const& words)
{
    po::options_description options("Options");
    // clang-format off
    options.add_options()
        ("help,h", "this text")
        ("run", po::value<std::vector<std::string>>()->composing(), "run folder; may repeat")
        ("batch", po::value<std::string>()->default_value(""), "slurm, pbs, or local: mpirun in the background on this machine")
        ("site", po::value<std::vector<std::string>>()->composing(), "file of site settings (config/sites); later ones on top; may repeat")
        ("set", po::value<std::vector<std::string>>()->composing(), "one site setting, key=value; may repeat")
        ("nodes", po::value<std::uint64_t>()->default_value(0), "nodes; else from what is left to do")
        ("walltime", po::value<std::string>()->default_value(""), "e.g. '2 h'; else from what is left to do")
        ("dry-run", "show the job's file, submit nothing")
        ("json", "as JSON");
    // clang-format on
    po::positional_options_description positions;
    positions.add("run", -1);
    auto const values = parse_command_line(words, options, positions);
    if (!values) return report_error(values.error());
    if (values->count("help")) {
        std::cout << "usage: harvest submit RUN [--batch slurm|pbs|local] [--site FILE] [--set key=value]\n\n"
                  << options << "\nSettings of a site:\n";
        for (auto const& key : site_keys()) std::cout << fmt::format("  {:<18} {}\n", key.name, key.meaning);
        std::cout << exit_codes;
        return exit_done;
    }
    if (!values->count("run"))
        return report_error(
            {ErrorKind::usage, "harvest submit needs a run folder", {}, "harvest submit RUN"});
    BatchRequest request;
    request.action = BatchAction::submit;
    request.program_folder = program_folder();
    request.dry_run = values->count("dry-run") > 0;
    request.sources.batch = (*values)["batch"].as<std::string>();
    if (values->count("site")) request.sources.files = (*values)["site"].as<std::vector<std::string>>();
    if (values->count("set")) {
        auto pairs = split_settings((*values)["set"].as<std::vector<std::string>>());
        if (!pairs) return report_error(pairs.error());
        request.sources.settings = *std::move(pairs);
    }
    request.nodes_wanted = (*values)["nodes"].as<std::uint64_t>();
    if (auto const text = (*values)["walltime"].as<std::string>(); !text.empty()) {
        auto const seconds = parse_seconds(text);
        if (!seconds) return report_error(seconds.error());
        request.walltime_wanted_s = static_cast<std::int64_t>(*seconds);
    }
    return step_all((*values)["run"].as<std::vector<std::string>>(), request, values->count("json") > 0);
}

int harvest_poll(std::vector<std::string> const& words)
{
    po::options_description options("Options");
    // clang-format off
    options.add_options()
        ("help,h", "this text")
        ("run", po::value<std::vector<std::string>>()->composing(), "run folder, or folder of run folders; may repeat")
        ("look", "only look: submit nothing")
        ("json", "as JSON");
    // clang-format on
    po::positional_options_description positions;
    positions.add("run", -1);
    auto const values = parse_command_line(words, options, positions);
    if (!values) return report_error(values.error());
    if (values->count("help")) {
        std::cout << "usage: harvest poll RUN|SPOOL [--look] [--json]\n\n"
                  << options
                  << "\nAsks the batch system about jobs of runs that were submitted, and submits again "
                     "while ranges "
                     "are left.\n"
                  << exit_codes;
        return exit_done;
    }
    if (!values->count("run"))
        return report_error({ErrorKind::usage, "harvest poll needs a run folder", {}, "harvest poll RUN"});
    BatchRequest request;
    request.action = values->count("look") ? BatchAction::look : BatchAction::step;
    request.program_folder = program_folder();
    return step_all((*values)["run"].as<std::vector<std::string>>(), request, values->count("json") > 0);
}

int harvest_cancel(std::vector<std::string> const& words)
{
    po::options_description options("Options");
    // clang-format off
    options.add_options()
        ("help,h", "this text")
        ("run", po::value<std::vector<std::string>>()->composing(), "run folder; may repeat")
        ("json", "as JSON");
    // clang-format on
    po::positional_options_description positions;
    positions.add("run", -1);
    auto const values = parse_command_line(words, options, positions);
    if (!values) return report_error(values.error());
    if (values->count("help")) {
        std::cout << "usage: harvest cancel RUN [--json]\n\n"
                  << options
                  << "\nEnds the run's job. What has finished stays, and nothing is submitted until harvest "
                     "submit.\n"
                  << exit_codes;
        return exit_done;
    }
    if (!values->count("run"))
        return report_error(
            {ErrorKind::usage, "harvest cancel needs a run folder", {}, "harvest cancel RUN"});
    BatchRequest request;
    request.action = BatchAction::cancel;
    request.program_folder = program_folder();
    return step_all((*values)["run"].as<std::vector<std::string>>(), request, values->count("json") > 0);
}

}  // namespace yoda
