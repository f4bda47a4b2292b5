// SPDX-License-Identifier: Apache-2.0
// harvest: what feeds and drains runs on the login node. Each command has a file of its own.

#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "app/build_version.hpp"
#include "app/commands/command_line.hpp"
#include "app/commands/commands.hpp"

int main(int argc, char** argv)
{
    std::vector<std::string> words(argv + 1, argv + argc);
    std::string const name = words.empty() ? "--help" : words[0];
    if (name == "--help" || name == "-h" || name == "help") {
        std::cout << "usage: harvest COMMAND [options]; harvest COMMAND --help tells more\n\n";
        for (auto const& command : yoda::harvest_commands())
            std::cout << "  " << command.name << std::string(10 - command.name.size(), ' ') << command.summary
                      << "\n";
        return yoda::exit_done;
    }
    if (name == "--version") {
        std::cout << yoda::version_line("harvest", "no MPI") << "\n";
        return yoda::exit_done;
    }
    for (auto const& command : yoda::harvest_commands()) {
        if (command.name == name) return command.run({words.begin() + 1, words.end()});
    }
    return yoda::report_error(
        {yoda::ErrorKind::usage, "harvest has no command '" + name + "'", {}, "see harvest --help"});
}
