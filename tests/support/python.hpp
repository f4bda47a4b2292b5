// SPDX-License-Identifier: Apache-2.0
// Runs a Python script with Debian's interpreter: the independent reader that checks what we wrote.
#pragma once

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "support/scratch_folder.hpp"

namespace yoda::test {

struct PythonResult {
    int exit_code = -1;
    std::string output;  ///< stdout and stderr
};

/// Arguments reach the script as sys.argv[1:]; they must hold no single quote.
inline PythonResult run_python(std::string const& script, std::vector<std::string> const& arguments)
{
    ScratchFolder const folder;
    std::string const file = folder.path() + "/script.py";
    std::ofstream(file) << script;
    std::string command = "/usr/bin/python3 '" + file + "'";
    for (auto const& argument : arguments) command += " '" + argument + "'";
    PythonResult result;
    std::FILE* const pipe = ::popen((command + " 2>&1").c_str(), "re");
    if (!pipe) return result;
    std::array<char, 4096> buffer;
    while (std::size_t const n = std::fread(buffer.data(), 1, buffer.size(), pipe))
        result.output.append(buffer.data(), n);
    int const status = ::pclose(pipe);
    result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return result;
}

}  // namespace yoda::test
