// SPDX-License-Identifier: Apache-2.0
#include "harvest/merge/merge.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "harvest/merge/bundles.hpp"
#include "harvest/merge/hdf5.hpp"
#include "harvest/merge/order.hpp"
#include "harvest/merge/report.hpp"
#include "harvest/merge/tar.hpp"
#include "sys/base/named_output.hpp"
#include "sys/hdf5/writer.hpp"
#include "sys/process/guarded_child.hpp"

namespace yoda {

std::vector<MissingBundle> find_missing_bundles(EventTable const& table, std::string const& run,
                                                std::string const& fetched_folder)
{
    return MergeBundles(table, run, fetched_folder).missing();
}

namespace {

Result<MergeSummary> merge_here(EventTable const& table, std::vector<RangeIndex> const& order,
                                MergeBundles& bundles, std::string const& output, MergeOptions const& options,
                                MergeAdvance const& advance)
{
    MergeSummary summary;
    summary.output = output;
    summary.range_count = order.size();
    summary.left_out = table.counts();
    summary.left_out[static_cast<std::size_t>(RangeState::finished)] = 0;
    auto const merge = options.kind == OutputKind::hdf5 ? merge_hdf5 : merge_tar;
    if (auto const status = merge(table, order, bundles, output, options, advance, summary); !status)
        return status.error();
    if (options.kind == OutputKind::hdf5) {
        std::error_code ignored;
        summary.bytes = std::filesystem::file_size(output, ignored);
    }
    return summary;
}

/// In a child, since HDF5 may crash on an output that its payload wrote badly.
Result<MergeSummary> merge_guarded(EventTable const& table, std::vector<RangeIndex> const& order,
                                   MergeBundles& bundles, std::string const& output,
                                   MergeOptions const& options)
{
    auto const work = [&](GuardedProgress& progress) {
        auto const advance = [&](std::uint64_t done, RangeIndex next) {
            progress.done = done;
            progress.item = next;
        };
        return print_merge_report(merge_here(table, order, bundles, output, options, advance));
    };
    auto const watch = [&](GuardedProgress const& progress) {
        if (options.progress) options.progress(progress.done, order.size());
    };
    auto const result = run_guarded(work, watch);
    if (!result) return result.error();
    if (result->death.empty()) return parse_merge_report(result->text);
    ::unlink(hdf5::part_path(output, result->child).c_str());
    auto const range = static_cast<RangeIndex>(result->item);
    return Error{ErrorKind::bad_input,
                 order.empty()
                     ? "the merge broke off"
                     : fmt::format("the merge broke off at the output of {}", describe_range(table, range)),
                 "the process that read it was " + result->death,
                 "if that file is damaged, its payload must write it anew; if memory ran out, give it more"};
}

}  // namespace

Result<MergeSummary> merge_run(EventTable const& table, std::vector<Job> const& jobs, std::string const& run,
                               std::string const& output, MergeOptions const& options)
{
    if (options.kind == OutputKind::nothing)
        return Error{ErrorKind::usage, "there is nothing to merge",
                     "the payload's configuration says that it has no output", "look at RUN/payload.cfg"};
    if (output.empty()) return Error{ErrorKind::usage, "the merged file has no name", {}, "add -o FILE"};
    if (options.kind == OutputKind::hdf5) {  // HDF5 writes here and there: no stream.
        if (auto const status = check_replaceable(output); !status) return status.error();
    }
    if (!options.partial) {
        if (auto const status = check_all_finished(table); !status) return status.error();
    }
    auto const order = order_finished(table, jobs);
    if (!order) return order.error();
    MergeBundles bundles(table, run, options.fetched_folder);
    if (auto const status = bundles.locate(); !status) return status.error();

    auto const advance = [&](std::uint64_t done, RangeIndex /*next*/) {
        if (options.progress) options.progress(done, order->size());
    };
    auto const merged = options.kind == OutputKind::hdf5
                            ? merge_guarded(table, *order, bundles, output, options)
                            : merge_here(table, *order, bundles, output, options, advance);
    if (merged) advance(order->size(), none);
    return merged;
}

}  // namespace yoda
