// SPDX-License-Identifier: Apache-2.0
// harvest report: what PanDA shall know of a run.

#include <iostream>
#include <set>

#include "app/commands/command_line.hpp"
#include "app/commands/commands.hpp"
#include "app/commands/tools.hpp"
#include "harvest/panda/access_point/interchange.hpp"
#include "harvest/panda/fetch/fetch_guard.hpp"

namespace yoda {

namespace po = boost::program_options;

namespace {

/// The phase of the command line; nullopt: as the run folder tells.
Result<std::optional<BatchFacts>> read_facts(po::variables_map const& values, std::string const& run)
{
    if (!values.count("phase") && !values.count("batch-id")) return std::optional<BatchFacts>{};
    auto facts = find_batch_facts(run, false, SystemClock().unix_ns() / 1'000'000'000);
    if (values.count("batch-id")) facts.batch_id = values["batch-id"].as<std::string>();
    if (values.count("phase")) {
        auto const phase = values["phase"].as<std::string>();
        if (phase == "queued")
            facts.phase = JobPhase::waiting;
        else if (phase == "running")
            facts.phase = JobPhase::running;
        else if (phase == "over")
            facts.phase = JobPhase::uploading;
        else
            return Error{ErrorKind::usage, "'" + phase + "' is no phase", {}, "queued, running or over"};
    }
    return std::optional<BatchFacts>{facts};
}

/// By Harvester's files instead of to PanDA.
int exchange(po::variables_map const& values, std::string const& run, HarvestTools& tools)
{
    auto const facts = read_facts(values, run);
    if (!facts) return report_error(facts.error());
    InterchangeOptions options;
    options.run = run;
    options.access_point = values["access-point"].as<std::string>();
    auto const config = load_config(tools.sources(), run);
    if (!config) return report_error(config.error());
    options.report_fatal = config->yes("report.fatal");
    options.from_batch_job = *facts && (*facts)->phase == JobPhase::uploading;
    auto const told = report_to_access_point(options, tools.clock().unix_ns() / 1'000'000'000, tools.log());
    if (!told) return report_error(told.error());
    if (!told->waiting) return exit_done;
    std::cout << "Harvester has not taken all of " << options.access_point
              << "/event_status.dump.json yet; call again\n";
    return exit_again;
}

}  // namespace

int harvest_report(std::vector<std::string> const& words)
{
    po::options_description options("Options");
    // clang-format off
    options.add_options()
        ("help,h", "this text")
        ("folder", po::value<std::vector<std::string>>()->composing(), "run folder, or a folder of run folders")
        ("phase", po::value<std::string>(), "how the batch jobs stand: queued, running, or over (none will come any more); else as the run folder tells")
        ("batch-id", po::value<std::string>(), "of the first batch job")
        ("access-point", po::value<std::string>(), "talk by the files of a Harvester in this folder, not to PanDA")
        ("json", "the summary as JSON, also when all is well");
    // clang-format on
    add_tool_options(options);
    po::positional_options_description positions;
    positions.add("folder", -1);
    auto const values = parse_command_line(words, options, positions);
    if (!values) return report_error(values.error());
    if (values->count("help")) {
        std::cout
            << "usage: harvest report RUN|SPOOL... [--phase queued|running|over]\n\n"
               "Tells PanDA which ranges are in the stores and which failed, and how the jobs stand; "
               "obeys its\nanswers. Ranges first, a job's final state last. Call it after every harvest "
               "push, and at least every\n30 minutes. Quiet when there was nothing to say. Exit code "
               "0: all as planned; 3: something is tried\nagain by the next call, or a Harvester has not "
               "taken the last dump; 2: usage or settings; 4: PanDA refused ranges,\nor nothing could be "
               "done.\n\n"
            << options;
        return exit_done;
    }
    if (!values->count("folder"))
        return report_error(
            {ErrorKind::usage, "harvest report needs a folder", {}, "harvest report RUN|SPOOL..."});
    auto tools = HarvestTools::make(*values);
    if (!tools) return report_error(tools.error());
    auto const runs = find_runs((*values)["folder"].as<std::vector<std::string>>());
    if (!runs) return report_error(runs.error());
    if (values->count("access-point")) {
        if (runs->size() != 1)
            return report_error({ErrorKind::usage, "an access point is for one run", {}, "name one run"});
        return exchange(*values, runs->front(), **tools);
    }
    ReportSummary all;
    all.all_ended = true;
    auto code = exit_done;
    std::set<std::string> guarded;
    for (auto const& run : *runs) guarded.insert(FetchGuard::folder_of(run));
    for (auto const& folder : (*values)["folder"].as<std::vector<std::string>>())
        guarded.insert(FetchGuard::folder_of(folder));
    for (auto const& folder : guarded) {
        auto const alarms = hold_step(folder, (*tools)->sources(), (*tools)->step_tools());
        if (!alarms) {
            code = worse_exit(code, report_error(alarms.error()));
            continue;
        }
        for (auto const& alarm : *alarms) std::cerr << "needs a person: " << alarm << "\n";
        if (!alarms->empty()) code = worse_exit(code, exit_person);
    }
    for (auto const& run : *runs) {
        if (HarvestTools::stop_requested()) break;
        auto const facts = read_facts(*values, run);
        if (!facts) return report_error(facts.error());
        auto const summary = report_step(run, *facts, (*tools)->sources(), (*tools)->step_tools());
        if (!summary) {
            // One broken run must not keep the others silent.
            code = worse_exit(code, report_error(summary.error()));
            continue;
        }
        all.add(*summary);
    }
    if (values->count("json"))
        std::cout << all.json();
    else if (all.did_something() || all.exit_code() != exit_done)
        std::cout << all.text() << "\n";
    return worse_exit(code, all.exit_code());
}

}  // namespace yoda
