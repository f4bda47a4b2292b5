// SPDX-License-Identifier: Apache-2.0
// harvest new: a run without PanDA.

#include <cstdlib>
#include <iostream>

#include "app/commands/command_line.hpp"
#include "app/commands/commands.hpp"
#include "harvest/new/new_run.hpp"
#include "sys/base/clock.hpp"

namespace yoda {

namespace po = boost::program_options;

int harvest_new(std::vector<std::string> const& words)
{
    po::options_description options("Options");
    // clang-format off
    options.add_options()
        ("help,h", "this text")
        ("run", po::value<std::string>(), "folder to make")
        ("input,i", po::value<std::vector<std::string>>()->composing(), "input file with events (LHE, HepMC3, HDF5); may repeat")
        ("events-per-range,n", po::value<std::uint64_t>()->default_value(1), "events in a range")
        ("events", po::value<std::vector<std::uint64_t>>()->composing(), "events to take of each input: one number for all, or one for each; else all that it holds")
        ("accept-cut", po::bool_switch(), "take inputs that are cut off, or hold events that are, without these events")
        ("payload,p", po::value<std::string>(), "configuration of the payload, e.g. config/payloads/shower.cfg")
        ("config", po::value<std::string>()->default_value(""), "file of settings for RUN/yoda.cfg")
        ("set", po::value<std::vector<std::string>>()->composing(), "one setting, key=value; may repeat")
        ("panda-id", po::value<std::int64_t>()->default_value(0), "PandaID; else made from the time")
        ("task-id", po::value<std::int64_t>()->default_value(0), "taskID; else the PandaID")
        ("scope", po::value<std::string>()->default_value("local"), "scope of the inputs");
    // clang-format on
    po::positional_options_description positions;
    positions.add("run", 1);
    auto const values = parse_command_line(words, options, positions);
    if (!values) return report_error(values.error());
    if (values->count("help")) {
        std::cout << "usage: harvest new RUN --input FILE [--input FILE ...] --events-per-range N --payload "
                     "FILE\n\n"
                  << options;
        return exit_done;
    }
    for (char const* needed : {"run", "input", "payload"}) {
        if (!values->count(needed))
            return report_error(
                {ErrorKind::usage,
                 std::string("harvest new needs ") +
                     (needed == std::string("run") ? "a folder to make" : "--" + std::string(needed)),
                 {},
                 "see harvest new --help"});
    }
    NewRunOptions make;
    make.run = (*values)["run"].as<std::string>();
    make.inputs = (*values)["input"].as<std::vector<std::string>>();
    make.events_per_range = (*values)["events-per-range"].as<std::uint64_t>();
    if (values->count("events")) make.event_counts = (*values)["events"].as<std::vector<std::uint64_t>>();
    make.accept_cut = (*values)["accept-cut"].as<bool>();
    make.payload = (*values)["payload"].as<std::string>();
    make.config = (*values)["config"].as<std::string>();
    if (values->count("set")) {
        auto pairs = split_settings((*values)["set"].as<std::vector<std::string>>());
        if (!pairs) return report_error(pairs.error());
        make.settings = *std::move(pairs);
    }
    make.panda_id = (*values)["panda-id"].as<std::int64_t>();
    make.task_id = (*values)["task-id"].as<std::int64_t>();
    make.scope = (*values)["scope"].as<std::string>();
    make.now_unix_ns = SystemClock().unix_ns();
    make.program_folder = program_folder();
    char const* const path = std::getenv("PATH");
    make.search_path = path ? path : "";
    auto const made = create_run(make);
    if (!made) {
        auto const code = report_error(made.error());
        // What cannot be read is the caller's to mend, like a wrong option; a full disk is not.
        return made.error().kind == ErrorKind::io ? exit_usage : code;
    }
    std::cout << made->run << ": " << made->range_count << " ranges of " << made->event_count << " events in "
              << made->file_count << " files\n";
    for (auto const& leftover : made->leftovers)
        std::cout << "note: " << leftover << " is left of an attempt that did not finish; remove it\n";
    return exit_done;
}

}  // namespace yoda
