// SPDX-License-Identifier: Apache-2.0
// harvest merge: every finished range exactly once, in event order, in one file.

#include <fmt/format.h>

#include <csignal>
#include <iostream>

#include "app/commands/command_line.hpp"
#include "app/commands/commands.hpp"
#include "app/commands/tools.hpp"
#include "harvest/explain/run_view.hpp"
#include "harvest/merge/fetch_back.hpp"
#include "harvest/merge/merge.hpp"

namespace yoda {

namespace po = boost::program_options;

namespace {

/// What the merge would lack, from the stores that harvest push brought it to.
Status fetch_missing(RunView const& view, std::string const& run, std::string const& folder,
                     po::variables_map const& values, std::ostream& out)
{
    auto const missing = find_missing_bundles(view.opened.table, run, folder);
    if (missing.empty()) return {};
    std::vector<std::string> names;
    for (auto const& bundle : missing) names.push_back(bundle_name(bundle.origin) + ".tar");
    auto tools = HarvestTools::make(values);
    if (!tools) return tools.error();
    auto const step = (*tools)->step_tools();
    auto const config = load_config((*tools)->sources(), run);
    if (!config) return config.error();
    auto options = make_push_options(*config, run, step.clock, step.log);
    if (!options) return options.error();
    options->stop = step.stop;
    auto const fetched = fetch_back(run, names, folder, *options, step.log, step.clock);
    if (!fetched) return fetched.error();
    out << fmt::format("{} bundles fetched back, {:.1f} MB\n", fetched->bundle_count,
                       static_cast<double>(fetched->bytes) / 1e6);
    return {};
}

/// A damaged output is not the caller's wrong input: a person must look.
ExitCode tell_failure(Error const& error)
{
    auto const code = report_error(error);
    return error.kind == ErrorKind::bad_input ? exit_person : code;
}

}  // namespace

int harvest_merge(std::vector<std::string> const& words)
{
    po::options_description options("Options");
    // clang-format off
    options.add_options()
        ("help,h", "this text")
        ("run", po::value<std::string>(), "run folder")
        ("output,o", po::value<std::string>(), "file to write: HDF5, or a tar for opaque outputs; a tar may go to -, a device or a FIFO")
        ("partial", "merge what is finished although more is not")
        ("fetched", po::value<std::string>()->default_value(""), "folder with bundles fetched back from their store")
        ("fetch", "fetch bundles that were cleaned up here back from their store first, into that folder (else RUN/fetched)");
    // clang-format on
    add_tool_options(options);
    po::positional_options_description positions;
    positions.add("run", 1);
    auto const values = parse_command_line(words, options, positions);
    if (!values) return report_error(values.error());
    if (values->count("help")) {
        std::cout << "usage: harvest merge RUN -o FILE\n\n" << options;
        return exit_done;
    }
    if (!values->count("run") || !values->count("output"))
        return report_error({ErrorKind::usage,
                             "harvest merge needs a run folder and --output",
                             {},
                             "harvest merge RUN -o FILE"});
    auto const run = (*values)["run"].as<std::string>();
    auto const view = read_run(run);
    if (!view) return report_error(view.error());
    auto const output = (*values)["output"].as<std::string>();
    // Who reads the tar may go before its end: an error as any other.
    std::signal(SIGPIPE, SIG_IGN);
    std::ostream& out = output == "-" ? std::cerr : std::cout;
    MergeOptions merge;
    merge.kind = view->payload.output;
    merge.partial = values->count("partial") > 0;
    merge.fetched_folder = (*values)["fetched"].as<std::string>();
    if (values->count("fetch")) {
        if (merge.fetched_folder.empty()) merge.fetched_folder = run + "/fetched";
        if (auto const status = fetch_missing(*view, run, merge.fetched_folder, *values, out); !status)
            return tell_failure(status.error());
    }
    auto const merged = merge_run(view->opened.table, view->opened.jobs, run, output, merge);
    if (!merged) return tell_failure(merged.error());
    out << fmt::format("{}: {} ranges, {} events, {} bytes, every checksum verified\n", merged->output,
                       merged->range_count, merged->event_count, merged->bytes);
    for (auto const& [path, rows] : merged->datasets) out << fmt::format("  {} {} rows\n", path, rows);
    return exit_done;
}

}  // namespace yoda
