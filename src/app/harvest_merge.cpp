// harvest merge: every finished range exactly once, in event order, in one file.

#include <fmt/format.h>

#include <iostream>

#include "app/command_line.hpp"
#include "app/harvest_commands.hpp"
#include "harvest/merge.hpp"
#include "harvest/run_view.hpp"

namespace yoda {

namespace po = boost::program_options;

int harvest_merge(std::vector<std::string> const& words)
{
    po::options_description options("Options");
    // clang-format off
    options.add_options()
        ("help,h", "this text")
        ("run", po::value<std::string>(), "run folder")
        ("output,o", po::value<std::string>(), "file to write: HDF5, or a tar for opaque outputs")
        ("partial", "merge what is finished although more is not")
        ("fetched", po::value<std::string>()->default_value(""), "folder with bundles fetched back from their store");
    // clang-format on
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
    MergeOptions merge;
    merge.kind = view->payload.output;
    merge.partial = values->count("partial") > 0;
    merge.fetched_folder = (*values)["fetched"].as<std::string>();
    auto const merged =
        merge_run(view->opened.table, view->opened.jobs, run, (*values)["output"].as<std::string>(), merge);
    if (!merged) {
        report_error(merged.error());
        return merged.error().kind == ErrorKind::unavailable ? exit_resumable : exit_cannot_go_on;
    }
    std::cout << fmt::format("{}: {} ranges, {} events, {} bytes, every checksum verified\n", merged->output,
                             merged->range_count, merged->event_count, merged->bytes);
    for (auto const& [path, rows] : merged->datasets) std::cout << fmt::format("  {} {} rows\n", path, rows);
    return exit_done;
}

}  // namespace yoda
