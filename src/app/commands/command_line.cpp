// SPDX-License-Identifier: Apache-2.0
#include "app/commands/command_line.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

namespace yoda {

namespace po = boost::program_options;

ExitCode report_error(Error const& error)
{
    std::string text = "error: " + error.what;
    if (!error.why.empty()) text += ": " + error.why;
    if (!error.fix.empty()) text += "\n  to do: " + error.fix;
    std::fprintf(stderr, "%s\n", text.c_str());
    return exit_code_of(error);
}

Result<po::variables_map> parse_command_line(std::vector<std::string> const& words,
                                             po::options_description const& options,
                                             po::positional_options_description const& positions)
{
    try {
        po::variables_map values;
        po::store(po::command_line_parser(words).options(options).positional(positions).run(), values);
        po::notify(values);
        return values;
    } catch (po::error const& exception) {
        return Error{ErrorKind::usage, exception.what(), {}, "see --help"};
    }
}

Result<std::vector<std::pair<std::string, std::string>>> split_settings(
    std::vector<std::string> const& settings)
{
    std::vector<std::pair<std::string, std::string>> pairs;
    for (auto const& setting : settings) {
        auto const equals = setting.find('=');
        if (equals == std::string::npos || equals == 0)
            return Error{ErrorKind::usage, fmt::format("'{}' is no setting", setting), {}, "write key=value"};
        pairs.emplace_back(setting.substr(0, equals), setting.substr(equals + 1));
    }
    return pairs;
}

std::string program_folder()
{
    std::error_code code;
    auto const program = std::filesystem::read_symlink("/proc/self/exe", code);
    return code ? std::string(".") : program.parent_path().string();
}

}  // namespace yoda
