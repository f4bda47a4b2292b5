// SPDX-License-Identifier: Apache-2.0
// harvest push: sealed bundles to their stores.

#include <fmt/format.h>
#include <unistd.h>

#include <iostream>

#include "app/commands/command_line.hpp"
#include "app/commands/commands.hpp"
#include "app/commands/tools.hpp"

namespace yoda {

namespace po = boost::program_options;

namespace {

constexpr std::size_t bar_width = 30;

/// A bar that is drawn over itself, for a person who looks.
void show_progress(PushProgress const& progress)
{
    auto const full =
        progress.file_count == 0 ? bar_width : bar_width * progress.done_count / progress.file_count;
    auto const line =
        fmt::format("\r\x1b[K[{}{}] {} of {} files, {:.1f} MB{}", std::string(full, '#'),
                    std::string(bar_width - full, '.'), progress.done_count, progress.file_count,
                    static_cast<double>(progress.sent_bytes) / 1e6,
                    progress.failed_count > 0 ? fmt::format(", {} failed", progress.failed_count) : "");
    std::fputs(line.c_str(), stderr);
    std::fflush(stderr);
}

}  // namespace

int harvest_push(std::vector<std::string> const& words)
{
    po::options_description options("Options");
    // clang-format off
    options.add_options()
        ("help,h", "this text")
        ("folder", po::value<std::vector<std::string>>()->composing(), "run folder, or a folder of run folders")
        ("dry-run,n", "say what would be done, do nothing")
        ("json", "the summary as JSON, also when all is well");
    // clang-format on
    add_tool_options(options);
    po::positional_options_description positions;
    positions.add("folder", -1);
    auto const values = parse_command_line(words, options, positions);
    if (!values) return report_error(values.error());
    if (values->count("help")) {
        std::cout
            << "usage: harvest push RUN|SPOOL... [--config FILE] [--set store.es_events.url=URL]\n\n"
               "Brings every sealed bundle to its store, proves that it arrived, and removes the local "
               "data of\nwhat has been reported. May run beside yoda, twice at once, and be killed. "
               "Job logs too, when\na job is over and store.pl.url or store.logs.url is set. Quiet "
               "when all is well "
               "(on a terminal or\nwith -v it tells), else one line. Exit code 0: all as planned; "
               "3: something is tried again by the next call;\n2: usage or settings; 4: bundles were damaged "
               "and are in RUN/quarantine, or nothing could be done.\n\n"
            << options;
        return exit_done;
    }
    if (!values->count("folder"))
        return report_error(
            {ErrorKind::usage, "harvest push needs a folder", {}, "harvest push RUN|SPOOL..."});
    auto tools = HarvestTools::make(*values);
    if (!tools) return report_error(tools.error());
    PushChoice choice;
    choice.folders = (*values)["folder"].as<std::vector<std::string>>();
    choice.dry_run = values->count("dry-run") > 0;
    bool const json = values->count("json") > 0;
    bool const terminal = ::isatty(STDERR_FILENO) == 1 && !json && !choice.dry_run;
    if (terminal) choice.progress = show_progress;
    bool const to_person = ::isatty(STDOUT_FILENO) == 1;
    auto const summary = push_step(choice, (*tools)->sources(), (*tools)->step_tools());
    if (terminal) std::fputs("\r\x1b[K", stderr);
    if (!summary) return report_error(summary.error());
    if (json) {
        std::cout << summary->json();
    } else if (choice.dry_run) {
        for (auto const& line : summary->plan) std::cout << line << "\n";
    } else if (!summary->all_well() ||
               (summary->did_something() && (to_person || values->count("verbose")))) {
        std::cout << summary->text() << "\n";
    }
    return summary->exit_code();
}

}  // namespace yoda
