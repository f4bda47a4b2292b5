// SPDX-License-Identifier: Apache-2.0
// What both programs share in reading their command lines.
#pragma once

#include <boost/program_options.hpp>
#include <string>
#include <vector>

#include "core/base/exit_code.hpp"
#include "core/base/result.hpp"

namespace yoda {

/// "error: what: why", then what to do, on stderr. Returns the exit code that fits the kind.
ExitCode report_error(Error const& error);

/// Parses options and positional words. Error (usage): unknown option, missing value, missing word.
Result<boost::program_options::variables_map> parse_command_line(
    std::vector<std::string> const& words, boost::program_options::options_description const& options,
    boost::program_options::positional_options_description const& positions);

/// "key=value" texts in two.
Result<std::vector<std::pair<std::string, std::string>>> split_settings(
    std::vector<std::string> const& settings);

/// The folder of the running program.
std::string program_folder();

}  // namespace yoda
