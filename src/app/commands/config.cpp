// SPDX-License-Identifier: Apache-2.0
// harvest config: every setting with its value, its meaning, and where it came from.

#include <fmt/format.h>

#include <iostream>
#include <map>

#include "app/commands/command_line.hpp"
#include "app/commands/commands.hpp"
#include "app/commands/tools.hpp"
#include "core/config/config.hpp"
#include "core/config/key_values.hpp"
#include "harvest/panda/fetch/queue_config.hpp"
#include "sys/base/files.hpp"
#include "sys/base/run_folder.hpp"

namespace yoda {

namespace po = boost::program_options;

namespace {

/// yoda's settings; of a run: with the line of RUN/yoda.cfg that set each.
int show_yoda(std::optional<std::string> const& run)
{
    Config config;
    if (!run) {
        std::cout << print_config(config);
        return exit_done;
    }
    RunFolder const folder(*run);
    auto const text = read_file(folder.config());
    if (!text) return report_error(text.error());
    if (auto read = read_config(config, *text, folder.config()); !read) return report_error(read.error());
    std::map<std::string, unsigned> lines;
    if (auto const pairs = parse_key_values(*text, folder.config()); pairs)
        for (auto const& pair : *pairs) lines[pair.key] = pair.line;
    for (auto const& key : config_keys()) {
        std::string const name(key.name);
        auto const from = lines.contains(name) ? fmt::format("{}:{}", folder.config(), lines[name])
                                               : std::string("built in");
        std::cout << fmt::format("# {}\n{} = {}  # from {}\n", key.meaning, key.name,
                                 print_config_value(config, key.name), from);
    }
    return exit_done;
}

int show_harvest(po::variables_map const& values, std::optional<std::string> const& run)
{
    auto tools = HarvestTools::make(values);
    if (!tools) return report_error(tools.error());
    auto config = load_config((*tools)->sources(), run.value_or(""));
    if (!config) return report_error(config.error());
    auto const step = (*tools)->step_tools();
    if (auto const status = load_queue(*config, step.http, step.clock, step.log); !status)
        return report_error(status.error());
    std::cout << (values.count("json") ? config->print_json() : config->print());
    return exit_done;
}

}  // namespace

int harvest_config(std::vector<std::string> const& words)
{
    po::options_description options("Options");
    // clang-format off
    options.add_options()
        ("help,h", "this text")
        ("action", po::value<std::string>()->default_value("show"), "show")
        ("run", po::value<std::string>(), "run folder; else the defaults")
        ("harvest", "the settings of harvest (PanDA, stores, queue), else those of yoda")
        ("json", "with --harvest: as JSON");
    // clang-format on
    add_tool_options(options);
    po::positional_options_description positions;
    positions.add("action", 1).add("run", 1);
    auto const values = parse_command_line(words, options, positions);
    if (!values) return report_error(values.error());
    if (values->count("help")) {
        std::cout << "usage: harvest config show [RUN]\n"
                     "       harvest config show [RUN] --harvest [--config FILE] [--set KEY=VALUE]\n\n"
                  << options;
        return exit_done;
    }
    if ((*values)["action"].as<std::string>() != "show")
        return report_error(
            {ErrorKind::usage, "harvest config knows only 'show'", {}, "harvest config show [RUN]"});
    std::optional<std::string> run;
    if (values->count("run")) run = (*values)["run"].as<std::string>();
    return values->count("harvest") ? show_harvest(*values, run) : show_yoda(run);
}

}  // namespace yoda
