// SPDX-License-Identifier: Apache-2.0
// harvest logs: each job's log tarball, under the name and GUID that PanDA gave it, by hand; harvest push
// brings them to the log stores by itself.

#include <fmt/format.h>

#include <iostream>

#include "app/commands/command_line.hpp"
#include "app/commands/commands.hpp"
#include "core/base/checksum.hpp"
#include "core/job/job.hpp"
#include "harvest/panda/report/log_upload.hpp"
#include "sys/base/files.hpp"
#include "sys/base/named_output.hpp"
#include "sys/base/run_folder.hpp"

namespace yoda {

namespace po = boost::program_options;

int harvest_logs(std::vector<std::string> const& words)
{
    po::options_description options("Options");
    // clang-format off
    options.add_options()
        ("help,h", "this text")
        ("run", po::value<std::string>(), "run folder")
        ("folder,o", po::value<std::string>(), "where to write them; else the run folder");
    // clang-format on
    po::positional_options_description positions;
    positions.add("run", 1);
    auto const values = parse_command_line(words, options, positions);
    if (!values) return report_error(values.error());
    if (values->count("help")) {
        std::cout << "usage: harvest logs RUN [-o FOLDER]\n\n" << options;
        return exit_done;
    }
    if (!values->count("run"))
        return report_error({ErrorKind::usage, "harvest logs needs a run folder", {}, "harvest logs RUN"});
    RunFolder const run((*values)["run"].as<std::string>());
    auto const text = read_file(run.jobs());
    if (!text) return report_error(text.error());
    auto const jobs = parse_jobs(*text);
    if (!jobs) return report_error(jobs.error());
    auto const folder = values->count("folder") ? (*values)["folder"].as<std::string>() : run.path();
    for (std::size_t index = 0; index < jobs->size(); ++index) {
        auto const& job = (*jobs)[index];
        auto const name = log_file_name(job);
        if (auto const status = check_replaceable(folder + "/" + name); !status)
            return report_error(status.error());
        auto const made = write_job_log(run.path(), index, job.panda_id(), folder + "/" + name, {});
        if (!made) return report_error(made.error());
        std::cout << fmt::format("{}/{}: GUID {}, {} bytes, ad:{}, {} files\n", folder, name,
                                 job.text("logGUID").empty() ? "none" : job.text("logGUID"), made->bytes,
                                 print_adler32(made->adler32), made->file_count);
    }
    return exit_done;
}

}  // namespace yoda
