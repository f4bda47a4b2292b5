// SPDX-License-Identifier: Apache-2.0
// harvest cycle: everything for all runs of a spool, once, bounded. For cron.

#include <cstdlib>
#include <iostream>

#include "app/commands/command_line.hpp"
#include "app/commands/commands.hpp"
#include "app/commands/tools.hpp"
#include "harvest/batch/cycle.hpp"

namespace yoda {

namespace po = boost::program_options;

int harvest_cycle(std::vector<std::string> const& words)
{
    po::options_description options("Options");
    // clang-format off
    options.add_options()
        ("help,h", "this text")
        ("spool", po::value<std::string>(), "folder of runs, with spool.cfg in it")
        ("json", "as JSON");
    // clang-format on
    add_tool_options(options);
    po::positional_options_description positions;
    positions.add("spool", 1);
    auto const values = parse_command_line(words, options, positions);
    if (!values) return report_error(values.error());
    if (values->count("help")) {
        std::cout
            << "usage: harvest cycle SPOOL [--json]\n\n"
               "For each run: asks the batch system and submits, feeds, pushes, reports; then fetches while "
               "limits "
               "allow,\nand removes what has been over for long. From cron every few minutes; two at once "
               "and "
               "kills are harmless.\nExit codes: 0 all as planned, 2 settings, 3 something did not work and "
               "is tried "
               "again by the next cycle,\n4 a person is needed, or nothing could be done.\n\n"
            << options;
        return exit_done;
    }
    if (!values->count("spool"))
        return report_error({ErrorKind::usage, "harvest cycle needs a spool", {}, "harvest cycle SPOOL"});
    auto tools = HarvestTools::make(*values);
    if (!tools) return report_error(tools.error());
    CycleChoice choice;
    choice.spool = (*values)["spool"].as<std::string>();
    choice.config_files = (*tools)->sources().files;
    choice.settings = (*tools)->sources().settings;
    choice.program_folder = program_folder();
    char const* const path = std::getenv("PATH");
    choice.search_path = path ? path : "";
    auto const summary = run_cycle(choice, (*tools)->step_tools());
    if (!summary) return report_error(summary.error());
    if (values->count("json"))
        std::cout << summary->json().dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)
                  << "\n";
    else
        std::cout << summary->text();
    return summary->exit_code();
}

}  // namespace yoda
