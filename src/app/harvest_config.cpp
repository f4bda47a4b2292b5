// harvest config: every setting with its value and meaning.

#include <iostream>

#include "app/command_line.hpp"
#include "app/harvest_commands.hpp"
#include "core/config.hpp"
#include "sys/files.hpp"
#include "sys/run_folder.hpp"

namespace yoda {

namespace po = boost::program_options;

int harvest_config(std::vector<std::string> const& words)
{
    po::options_description options("Options");
    // clang-format off
    options.add_options()
        ("help,h", "this text")
        ("action", po::value<std::string>()->default_value("show"), "show")
        ("run", po::value<std::string>(), "run folder; else the defaults");
    // clang-format on
    po::positional_options_description positions;
    positions.add("action", 1).add("run", 1);
    auto const values = parse_command_line(words, options, positions);
    if (!values) return report_error(values.error());
    if (values->count("help")) {
        std::cout << "usage: harvest config show [RUN]\n\n" << options;
        return exit_done;
    }
    if ((*values)["action"].as<std::string>() != "show")
        return report_error(
            {ErrorKind::usage, "harvest config knows only 'show'", {}, "harvest config show [RUN]"});
    Config config;
    if (values->count("run")) {
        RunFolder const folder((*values)["run"].as<std::string>());
        auto const text = read_file(folder.config());
        if (!text) return report_error(text.error());
        if (auto read = read_config(config, *text, folder.config()); !read) return report_error(read.error());
    }
    std::cout << print_config(config);
    return exit_done;
}

}  // namespace yoda
