// SPDX-License-Identifier: Apache-2.0
// A finished run to merge: two jobs, three files, six ranges, HDF5 outputs made by
// h5py, in bundles spread as the test likes.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/job/job.hpp"
#include "core/table/event_table.hpp"
#include "harvest/merge/merge.hpp"
#include "support/builders/bundle_builder.hpp"
#include "support/python.hpp"
#include "support/scratch_folder.hpp"

namespace yoda::test {

/// Makes the outputs of all ranges, as the payload convention has them (docs/payloads.md).
inline constexpr char const* make_outputs_script = R"(
import sys, h5py, numpy as np
folder = sys.argv[1]
for name, seed, first, last in (('A', 1, 1, 5), ('A', 1, 6, 10), ('A', 1, 11, 12), ('B', 2, 1, 5), ('C', 3, 1, 4), ('C', 3, 5, 7)):
    numbers = np.arange(first, last + 1)
    rngs = [np.random.RandomState(1000 * seed + n) for n in numbers]
    counts = np.array([r.randint(0, 4) for r in rngs], 'i4')
    if (name, first) == ('A', 11): counts[:] = 0     # no row at all is fine
    with h5py.File(f'{folder}/{name}.{first}', 'w') as f:
        f.attrs['generator'] = 'test'
        e = f.create_group('events')
        e['number'] = numbers.astype('i8')
        e['jet_count'] = counts
        e['weight'] = np.array([r.rand() for r in rngs])
        e['number'].attrs['meaning'] = 'position in the file'
        j = f.create_group('jets')
        j.attrs['rows_per_event'] = np.bytes_('/events/jet_count')
        j.attrs['radius'] = 0.4
        for column in ('eta', 'pt'):
            d = j.create_dataset(column, data=np.concatenate([r.rand(c) for r, c in zip(rngs, counts)] + [np.zeros(0)]))
            d.attrs['unit'] = {'eta': '', 'pt': 'GeV'}[column]
        j['p4'] = np.concatenate([r.rand(c, 4) for r, c in zip(rngs, counts)] + [np.zeros((0, 4))]).astype('f4')
)";

class MergeWorld {
  public:
    explicit MergeWorld(std::int64_t panda_id = 100)
    {
        auto const& outputs = output_folder();
        for (JobIndex job = 0; job < 2; ++job) {
            auto const made = Job::from_json(
                {{"PandaID", panda_id + job}, {"inFiles", job == 0 ? "A.lhe,B.lhe" : "C.lhe"}});
            jobs.push_back(*made);
        }
        struct Spec {
            JobIndex job;
            int file;
            char name;
            int first, last;
        };
        // Not in event order: merge has to put them right.
        for (auto const& [job, file, name, first, last] :
             {Spec{1, 3, 'C', 5, 7}, Spec{0, 2, 'B', 1, 5}, Spec{0, 1, 'A', 6, 10}, Spec{0, 1, 'A', 1, 5},
              Spec{1, 3, 'C', 1, 4}, Spec{0, 1, 'A', 11, 12}}) {
            auto const id = fmt::format("9-{}-{}-{}-10", panda_id + job, file, first);
            auto const added = table.add_range(job, {id, first, last, fmt::format("{}.lhe", name), "G", "s"},
                                               fmt::format("/data/{}.lhe", name));
            EXPECT_TRUE(added);
            contents.push_back(file_text(fmt::format("{}/{}.{}", outputs.path(), name, first)));
        }
    }

    /// Finishes range `i` with its content in `bundle`, as hand-out `hand_out`.
    void finish(RangeIndex i, BundleOrigin const& origin, std::uint16_t hand_out = 1)
    {
        auto& builder = bundle(origin);
        auto const epoch = Epoch::make(static_cast<Life>(origin.life), hand_out);
        builder.add(i, epoch, table.range_id(i), {{"out", contents[i]}}, 17 * i, 19 * i);
        mark_finished(i, origin, hand_out);
    }
    void mark_finished(RangeIndex i, BundleOrigin const& origin, std::uint16_t hand_out)
    {
        table.start_life(static_cast<Life>(origin.life));
        RangeProgress progress;
        progress.state = RangeState::finished;
        progress.holder = table.bundle(origin);
        table.set_progress(i, progress, hand_out);
        table.rebuild();
    }
    BundleBuilder& bundle(BundleOrigin const& origin)
    {
        return builders.try_emplace(bundle_name(origin), origin).first->second;
    }
    /// All ranges in two bundles.
    void finish_all()
    {
        for (RangeIndex i = 0; i < table.size(); ++i) finish(i, {100, 0, 1, 1 + i % 2, 0});
    }
    void write()
    {
        for (auto const& [name, builder] : builders) builder.write_sealed(bundles());
    }
    std::string bundles() const { return run / "bundles"; }
    std::string tar_path(std::size_t number = 0) const
    {
        return bundles() + "/" + std::next(builders.begin(), static_cast<std::ptrdiff_t>(number))->first +
               ".tar";
    }
    Result<MergeSummary> merge(std::string const& name = "merged.h5")
    {
        return merge_run(table, jobs, run.path(), run / name, options);
    }
    std::string merge_error()
    {
        auto const merged = merge();
        if (merged) return "it was merged";
        for (auto const& entry : std::filesystem::directory_iterator(run.path()))
            EXPECT_NE(entry.path().extension(), ".part") << entry.path();
        return merged.error().text();
    }

    ScratchFolder run;
    EventTable table;
    std::vector<Job> jobs;
    std::vector<std::string> contents;  ///< of the ranges' outputs
    std::map<std::string, BundleBuilder> builders;
    MergeOptions options;

    static ScratchFolder const& output_folder()
    {
        static ScratchFolder const folder;
        static PythonResult const made = run_python(make_outputs_script, {folder.path()});
        EXPECT_EQ(made.exit_code, 0) << made.output;
        return folder;
    }
};

}  // namespace yoda::test
