// SPDX-License-Identifier: Apache-2.0
// yoda RUN: the MPI job. Rank 0 is Yoda, the other ranks are Droids; with a single
// rank both share the process.

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "app/build_version.hpp"
#include "app/commands/command_line.hpp"
#include "app/last_word.hpp"
#include "app/yoda_job.hpp"
#include "sys/transport/mpi_transport.hpp"

namespace {

namespace po = boost::program_options;

int run(std::vector<std::string> const& words, int& argc, char**& argv)
{
    po::options_description options("Options");
    // clang-format off
    options.add_options()
        ("help,h", "this text")
        ("version", "version, commit and MPI library")
        ("run", po::value<std::string>(), "run folder, as made by `harvest new` or `harvest fetch`")
        ("walltime", po::value<std::string>(), "of this job, e.g. '2 h'; else asked of the batch system")
        ("config", po::value<std::string>(), "file of settings, on top of RUN/yoda.cfg")
        ("set", po::value<std::vector<std::string>>()->composing(), "one setting, key=value; may repeat")
        ("single", "one process without MPI, whatever a launcher's variables say")
        ("quiet,q", "no progress on the terminal")
        ("debug", "log more");
    // clang-format on
    po::positional_options_description positions;
    positions.add("run", 1);
    auto const values = yoda::parse_command_line(words, options, positions);
    if (!values) return yoda::report_error(values.error());
    if (values->count("help")) {
        std::cout
            << "usage: mpirun -n 4 --bind-to none yoda RUN [options]\n"
               "       yoda RUN [options]               (one process)\n\n"
            << options
            << "\nThe same command again resumes. Exit codes: 0 all ranges finished (or dropped on "
               "command),\n"
               "1 all ended but some failed or fatal, 2 usage or configuration, 3 stopped early, resumable,\n"
               "4 cannot go on. The last word is also in RUN/status.json, as mpirun may hide exit codes.\n";
        return yoda::exit_done;
    }
    if (values->count("version")) {
        std::cout << yoda::version_line("yoda", yoda::MpiTransport::library()) << "\n";
        return yoda::exit_done;
    }
    if (!values->count("run"))
        return yoda::report_error(
            {yoda::ErrorKind::usage, "no run folder given", {}, "yoda RUN; see --help"});

    yoda::YodaOptions job;
    job.run = (*values)["run"].as<std::string>();
    job.quiet = values->count("quiet") > 0;
    job.debug = values->count("debug") > 0;
    job.single = values->count("single") > 0;
    if (values->count("config")) job.config_file = (*values)["config"].as<std::string>();
    if (values->count("set")) {
        auto pairs = yoda::split_settings((*values)["set"].as<std::vector<std::string>>());
        if (!pairs) return yoda::report_error(pairs.error());
        job.settings = *std::move(pairs);
    }
    if (values->count("walltime"))
        job.settings.emplace_back("walltime", (*values)["walltime"].as<std::string>());
    return yoda::run_yoda_job(job, argc, argv);
}

}  // namespace

int main(int argc, char** argv)
{
    int const code = run({argv + 1, argv + argc}, argc, argv);
    yoda::leave_last_word(code);
    return code;
}
