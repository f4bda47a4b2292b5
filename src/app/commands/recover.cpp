// SPDX-License-Identifier: Apache-2.0
// harvest recover: what a crash, a disk or a second writer did to a run, and the safest repair.

#include <unistd.h>

#include <iostream>

#include "app/commands/command_line.hpp"
#include "app/commands/commands.hpp"
#include "core/config/config.hpp"
#include "sys/base/clock.hpp"
#include "sys/lease/lease.hpp"
#include "sys/run/run_opening.hpp"

namespace yoda {

namespace po = boost::program_options;

int harvest_recover(std::vector<std::string> const& words)
{
    po::options_description options("Options");
    // clang-format off
    options.add_options()
        ("help,h", "this text")
        ("run", po::value<std::string>(), "run folder")
        ("check", "report only, change nothing")
        ("data", "also read all outputs and compare their checksums; takes as long as a merge")
        ("rebuild-state", "make a state.h5 that cannot be used anew from journal and bundles")
        ("json", "as JSON");
    // clang-format on
    po::positional_options_description positions;
    positions.add("run", 1);
    auto const values = parse_command_line(words, options, positions);
    if (!values) return report_error(values.error());
    if (values->count("help")) {
        std::cout
            << "usage: harvest recover RUN [--check] [--data] [--json]\n\n"
            << options
            << "\nNothing is ever deleted: what is set aside lies in RUN/quarantine.\n"
               "Exit codes: 0 nothing is damaged, or all damage was repaired; 2 usage, or files that are "
               "not of this run or\nversion: nothing is changed; 3 another process holds the run; 4 "
               "--check found damage, or the run cannot be opened.\n";
        return exit_done;
    }
    if (!values->count("run"))
        return report_error(
            {ErrorKind::usage, "harvest recover needs a run folder", {}, "harvest recover RUN"});
    SystemClock const clock;
    RunFolder const folder((*values)["run"].as<std::string>());
    OpenOptions open;
    open.mode = values->count("check") ? OpenMode::check : OpenMode::take_over;
    open.unix_s = clock.unix_ns() / 1'000'000'000;
    open.read_data = values->count("data") > 0;
    open.rebuild_state = values->count("rebuild-state") > 0;
    std::optional<Lease> held;
    if (open.mode == OpenMode::take_over) {
        auto lease = acquire_lease(folder.lock(), describe_holder("harvest recover", "", clock), {}, clock);
        if (!lease) return report_error(lease.error());
        held.emplace(*std::move(lease));
    }
    auto const opened = open_run(folder, open);
    if (!opened) return report_error(opened.error());
    if (open.mode == OpenMode::take_over) {
        char host[256] = {};
        ::gethostname(host, sizeof host - 1);
        if (auto saved = save_recovery(folder, *opened, open.unix_s, host); !saved)
            return report_error(saved.error());
    }
    if (values->count("json")) {
        std::cout << opened->findings.print_json() << "\n";
    } else {
        auto const& counts = opened->table.counts();
        std::cout << folder.path() << ": " << opened->table.size() << " ranges, " << counts[2]
                  << " finished, " << opened->bundle_count << " bundles, " << opened->record_count
                  << " journal records replayed\n"
                  << (opened->findings.count() == 0 ? "nothing is wrong\n" : opened->findings.print());
    }
    return open.mode == OpenMode::check && opened->findings.any_damage() ? exit_person : exit_done;
}

}  // namespace yoda
