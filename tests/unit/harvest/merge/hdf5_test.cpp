// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <csignal>

#include "harvest/merge/merge.hpp"
#include "merge_world.hpp"
#include "sys/base/files.hpp"

namespace yoda {
namespace {

namespace fs = std::filesystem;
using test::file_text;
using test::MergeWorld;
using test::run_python;
using test::write_text;
using ::testing::HasSubstr;

TEST(MergeHdf5, ConcatenatesInEventOrder)
{
    MergeWorld world;
    world.finish_all();
    world.write();
    auto const merged = world.merge();
    ASSERT_TRUE(merged) << merged.error().text();
    EXPECT_EQ(merged->range_count, 6u);
    EXPECT_EQ(merged->event_count, 24u);
    EXPECT_TRUE(merged->events_checked);
    EXPECT_EQ(merged->bytes, fs::file_size(world.run / "merged.h5"));
    auto const result = run_python(R"(
import sys, h5py, numpy as np
merged, folder = h5py.File(sys.argv[1]), sys.argv[2]
parts = [('A', 1, 5), ('A', 6, 10), ('A', 11, 12), ('B', 1, 5), ('C', 1, 4), ('C', 5, 7)]
files = [h5py.File(f'{folder}/{name}.{first}') for name, first, last in parts]
names = ['events/jet_count', 'events/number', 'events/weight', 'jets/eta', 'jets/p4', 'jets/pt']
found = []
merged.visititems(lambda name, o: found.append(name) if isinstance(o, h5py.Dataset) and not name.startswith('index') else None)
assert sorted(found) == names, found
for name in names:
    wanted = np.concatenate([f[name] for f in files])
    assert merged[name].dtype == files[0][name].dtype, name
    assert np.array_equal(merged[name][...], wanted), name
    assert dict(merged[name].attrs) == dict(files[0][name].attrs), name
assert merged.attrs['generator'] == 'test' and merged['jets'].attrs['radius'] == 0.4

index = merged['index']
assert index.attrs['format'] == 'yoda merged' and index.attrs['version'] == 1
assert list(index['files/lfn']) == [b'A.lhe', b'B.lhe', b'C.lhe'] and list(index['files/job']) == [0, 0, 1]
ranges = index['ranges']
assert [(b'ABC'.decode()[f], a, b) for f, a, b in zip(ranges['file'], ranges['first_event'], ranges['last_event'])] == parts
for name in names:
    begins = np.cumsum([0] + [len(f[name]) for f in files])[:-1]
    assert np.array_equal(ranges['row_begin'][name][...], begins), name
events = index['events']
assert np.array_equal(events['number'][...], merged['events/number'][...])
counts = merged['events/jet_count'][...]
assert np.array_equal(events['row_begin/jets'][...], np.cumsum(counts) - counts)
assert sorted(events['row_begin']) == ['jets']
assert list(events['file']) == [0] * 12 + [1] * 5 + [2] * 7

def times(name, o):
    assert h5py.h5g.get_objinfo(o.id).mtime == 0, name
merged.visititems(times)
text = open(sys.argv[1], 'rb').read()
assert b'9-100' not in text and b'/data' not in text and sys.argv[2].encode() not in text
)",
                                   {world.run / "merged.h5", MergeWorld::output_folder().path()});
    EXPECT_EQ(result.exit_code, 0) << result.output;
}

TEST(MergeHdf5, GivesTheSameBytesHoweverTheRunWent)
{
    MergeWorld tidy;
    tidy.finish_all();
    tidy.write();
    ASSERT_TRUE(tidy.merge());
    auto const wanted = file_text(tidy.run / "merged.h5");

    // Another PandaID, one bundle a range, backwards, later lives, and hand-outs that did not win.
    MergeWorld wild(777);
    for (RangeIndex k = 0; k < wild.table.size(); ++k) {
        RangeIndex const i = wild.table.size() - 1 - k;
        BundleOrigin const origin{777, 0, 2 + k % 3, 9 - k, 40 + k};
        wild.bundle(origin).add(i, Epoch::make(static_cast<Life>(origin.life), 1), wild.table.range_id(i),
                                {{"out", "rubbish that lost the race"}});
        wild.bundle({777, 0, 9, 9, 9}).add(i, Epoch::make(9, 9), wild.table.range_id(i), {{"out", "more"}});
        wild.finish(i, origin, 5);
    }
    wild.write();
    auto const merged = wild.merge();
    ASSERT_TRUE(merged) << merged.error().text();
    EXPECT_EQ(file_text(wild.run / "merged.h5"), wanted);

    // And from bundles that are still open, with something half-written behind.
    MergeWorld open;
    open.finish_all();
    for (auto const& [name, builder] : open.builders) {
        builder.write_open(open.bundles());
        std::ofstream(open.bundles() + "/" + name + ".index.part", std::ios::app) << "torn";
        std::ofstream(open.bundles() + "/" + name + ".tar.part", std::ios::app) << "half a header";
    }
    auto const from_open = open.merge();
    ASSERT_TRUE(from_open) << from_open.error().text();
    EXPECT_EQ(file_text(open.run / "merged.h5"), wanted);

    // And with outputs that are not held in memory.
    tidy.options.max_in_memory_bytes = 0;
    ASSERT_TRUE(tidy.merge("in_place.h5"));
    EXPECT_EQ(file_text(tidy.run / "in_place.h5"), wanted);
}

TEST(MergeHdf5, WantsAllRangesOrToBeToldOtherwise)
{
    MergeWorld world;
    for (RangeIndex const i : {1u, 2u, 3u, 5u}) world.finish(i, {100, 0, 1, 1, 0});
    world.write();
    EXPECT_THAT(world.merge_error(),
                HasSubstr("2 of 6 ranges are not finished: 2 ready: range 9-101-3-5-10 (C.lhe "
                          "5..7), range 9-101-3-1-10 (C.lhe 1..4)"));
    EXPECT_EQ(world.merge().error().kind, ErrorKind::unavailable);
    world.options.partial = true;
    auto const merged = world.merge();
    ASSERT_TRUE(merged) << merged.error().text();
    EXPECT_EQ(merged->range_count, 4u);
    EXPECT_EQ(merged->event_count, 17u);
    EXPECT_EQ(merged->left_out[0], 2u);
    world.options.partial = false;
    world.table.drop_job(1);  // Nobody wants them any more.
    auto const without = world.merge("without.h5");
    ASSERT_TRUE(without) << without.error().text();
    EXPECT_EQ(without->left_out[5], 2u);
    EXPECT_EQ(file_text(world.run / "without.h5"), file_text(world.run / "merged.h5"));
}

TEST(MergeHdf5, MakesAFileEvenOfNothing)
{
    MergeWorld world;
    world.options.partial = true;
    auto const merged = world.merge();
    ASSERT_TRUE(merged) << merged.error().text();
    EXPECT_EQ(merged->range_count, 0u);
    auto const result = run_python("import sys, h5py; assert list(h5py.File(sys.argv[1])) == ['index']",
                                   {world.run / "merged.h5"});
    EXPECT_EQ(result.exit_code, 0) << result.output;
}

TEST(MergeHdf5, ShowsItsProgress)
{
    MergeWorld world;
    world.finish_all();
    world.write();
    std::uint64_t last = 0;
    world.options.progress = [&](std::uint64_t done, std::uint64_t total) {
        EXPECT_GE(done, last);
        EXPECT_EQ(total, 6u);
        last = done;
    };
    ASSERT_TRUE(world.merge());
    EXPECT_EQ(last, 6u);
}

/// Merges a world in which one range's output was made by a Python statement from the right one (`f`).
std::string error_with(std::string const& statement, RangeIndex range = 2)
{
    MergeWorld world;
    write_text(world.run / "one.h5", world.contents[range]);
    auto const changed = run_python(
        "import sys, h5py, numpy as np\nwith h5py.File(sys.argv[1], 'r+') as f:\n    " + statement + "\n",
        {world.run / "one.h5"});
    EXPECT_EQ(changed.exit_code, 0) << changed.output;
    world.contents[range] = file_text(world.run / "one.h5");
    world.finish_all();
    world.write();
    return world.merge_error();
}

TEST(MergeHdf5, RefusesOutputsThatDoNotFitTogether)
{
    auto const range = "range 9-100-1-6-10 (A.lhe 6..10) cannot be merged: out.9-100-1-6-10: ";
    EXPECT_THAT(error_with("del f['jets/pt']"),
                HasSubstr(std::string(range) + "group /jets holds 2 objects, in others 3"));
    EXPECT_THAT(error_with("f['jets/more'] = [1.0]"), HasSubstr("group /jets holds 4 objects, in others 3"));
    EXPECT_THAT(error_with("f.move('jets/pt', 'jets/pT')"), HasSubstr("dataset /jets/pt is missing"));
    EXPECT_THAT(error_with("f.move('jets', 'Jets')"), HasSubstr("group /jets is missing"));
    EXPECT_THAT(error_with("d = f['jets/pt'][:]; del f['jets/pt']; f['jets/pt'] = d.astype('f4')"),
                HasSubstr("dataset /jets/pt is of another type"));
    EXPECT_THAT(error_with("del f['jets/p4']; f['jets/p4'] = np.zeros((3, 5), 'f4')"),
                HasSubstr("dataset /jets/p4 has shape n x 5, in others n x 4"));
}

TEST(MergeHdf5, RefusesOutputsThatDoNotCoverTheirRange)
{
    EXPECT_THAT(error_with("f['events/number'][1] = 99"),
                HasSubstr("it does not cover its range: /events/number holds 5 events, 6..10"));
    EXPECT_THAT(
        error_with(
            "[f['events'].__delitem__(k) or f['events'].create_dataset(k, data=v[:-1]) for k, v in [(k, "
            "f['events'][k][:]) for k in f['events']]]"),
        HasSubstr("/events/number holds 4 events, 6..9"));
    EXPECT_THAT(error_with("f['events/jet_count'][0] = 7"), HasSubstr("/events/jet_count counts"));
    EXPECT_THAT(error_with("f['events/jet_count'][0] = -1"), HasSubstr("/events/jet_count counts -1 rows"));
}

TEST(MergeHdf5, RefusesWhatCannotBeConcatenated)
{
    // In the first output, so that it is not just different from the others.
    EXPECT_THAT(error_with("f['index/x'] = 1", 3),
                HasSubstr("it holds a group /index, which is kept for merge"));
    EXPECT_THAT(error_with("f['link'] = h5py.SoftLink('/jets')", 3),
                HasSubstr("/link is a soft or external link"));
    EXPECT_THAT(error_with("f.create_dataset('r', (1,), dtype=h5py.ref_dtype)", 3),
                HasSubstr("/r holds references"));
    EXPECT_THAT(error_with("f['jets/again'] = f['jets']", 3), HasSubstr("groups are nested too deeply"));
    EXPECT_THAT(error_with("f['jets'].attrs['rows_per_event'] = '/events/none'", 3),
                HasSubstr("rows_per_event of /jets names /events/none, which is not there"));
    EXPECT_THAT(error_with("f['jets'].attrs['rows_per_event'] = '/events/weight'", 3),
                HasSubstr("/events/weight is no column of integers"));
}

TEST(MergeHdf5, RefusesWhatIsNoHdf5OrNotOneFile)
{
    MergeWorld world;
    world.contents[2] = "no HDF5 at all";
    world.finish_all();
    world.write();
    EXPECT_THAT(world.merge_error(), HasSubstr("it is no HDF5 file"));

    MergeWorld two;
    for (RangeIndex i = 0; i < two.table.size(); ++i) {
        two.bundle({100, 0, 1, 1, 0})
            .add(i, Epoch::make(1, 1), two.table.range_id(i), {{"a", "x"}, {"b", "y"}});
        two.mark_finished(i, {100, 0, 1, 1, 0}, 1);
    }
    two.write();
    EXPECT_THAT(two.merge_error(), HasSubstr("it has 2 files, not one"));

    MergeWorld cut;
    cut.contents[2].resize(cut.contents[2].size() / 2);
    cut.finish_all();
    cut.write();
    EXPECT_THAT(cut.merge_error(), HasSubstr("truncated file"));
}

TEST(MergeHdf5, ConcatenatesTypesOfAllKinds)
{
    MergeWorld world;
    auto const made = run_python(R"(
import sys, h5py, numpy as np
for i in range(6):
    with h5py.File(f'{sys.argv[1]}/{i}.h5', 'w') as f:
        f.create_dataset('texts', data=[f'word {i} ' * (i + 1), 'x'], dtype=h5py.string_dtype())
        f.create_dataset('fixed', data=np.array([f'w{i}'] * i, 'S5'))
        f.create_dataset('lists', (2,), dtype=h5py.vlen_dtype('i4'))
        f['lists'][0] = np.arange(i)
        f['lists'][1] = np.arange(3)
        f['pairs'] = np.array([(i, 0.5 * i)] * 3, dtype=[('n', 'i2'), ('x', 'f8')])
        f.create_dataset('flags', data=[True, False, i % 2 == 0])
        f.create_dataset('cube', data=np.full((i + 1, 2, 3), i, '>i4'), chunks=(1, 2, 3), compression='gzip')
        f['version'] = 7
        f['texts'].attrs['words'] = ['one', 'two']
        f['texts'].attrs['nothing'] = h5py.Empty('f4')
)",
                                 {world.run.path()});
    ASSERT_EQ(made.exit_code, 0) << made.output;
    for (RangeIndex i = 0; i < 6; ++i) world.contents[i] = file_text(world.run / fmt::format("{}.h5", i));
    world.finish_all();
    world.write();
    auto const merged = world.merge();
    ASSERT_TRUE(merged) << merged.error().text();
    EXPECT_FALSE(merged->events_checked);
    auto const result = run_python(R"(
import sys, h5py, numpy as np
m = h5py.File(sys.argv[1] + '/merged.h5')
order = [3, 2, 5, 1, 4, 0]    # event order of the table's rows
files = [h5py.File(f'{sys.argv[1]}/{i}.h5') for i in order]
for name in ('texts', 'fixed', 'pairs', 'flags', 'cube'):
    assert m[name].dtype == files[0][name].dtype, name
    assert np.array_equal(m[name][...], np.concatenate([f[name][...] for f in files])), name
assert [list(x) for x in m['lists']] == [list(x) for f in files for x in f['lists']]
assert m['version'][()] == 7 and m['version'].shape == ()
assert list(m['texts'].attrs['words']) == ['one', 'two'] and isinstance(m['texts'].attrs['nothing'], h5py.Empty)
assert 'version' not in m['index/ranges/row_begin'] and 'events' not in m['index']
)",
                                   {world.run.path()});
    EXPECT_EQ(result.exit_code, 0) << result.output;
    auto const first = file_text(world.run / "merged.h5");
    ASSERT_TRUE(world.merge("again.h5"));
    EXPECT_EQ(file_text(world.run / "again.h5"), first);
}

TEST(MergeHdf5, RefusesASingleValueThatDiffers)
{
    MergeWorld world;
    auto const made = run_python(R"(
import sys, h5py
for i in range(6):
    with h5py.File(f'{sys.argv[1]}/{i}.h5', 'w') as f:
        f['version'] = 7 if i != 4 else 8
)",
                                 {world.run.path()});
    ASSERT_EQ(made.exit_code, 0) << made.output;
    for (RangeIndex i = 0; i < 6; ++i) world.contents[i] = file_text(world.run / fmt::format("{}.h5", i));
    world.finish_all();
    world.write();
    EXPECT_THAT(world.merge_error(),
                HasSubstr("/version is a single value, and differs from that of others"));
}

TEST(MergeHdf5, LeavesTheOldFileWhereItCannotWrite)
{
    MergeWorld world;
    world.finish_all();
    world.write();
    write_text(world.run / "merged.h5", "what was there before");
    rlimit old{};
    ::getrlimit(RLIMIT_FSIZE, &old);
    auto const handler = std::signal(SIGXFSZ, SIG_IGN);
    for (rlim_t const limit : {100u, 2000u, 10'000u, 30'000u}) {
        rlimit const tight{limit, old.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &tight);
        auto const error = world.merge_error();
        ::setrlimit(RLIMIT_FSIZE, &old);
        EXPECT_THAT(error, HasSubstr("File too large")) << limit;
    }
    std::signal(SIGXFSZ, handler);
    EXPECT_EQ(file_text(world.run / "merged.h5"), "what was there before");
    EXPECT_FALSE(
        merge_run(world.table, world.jobs, world.run.path(), world.run / "no/such/folder.h5", world.options));
}

TEST(MergeHdf5, SurvivesOutputsThatTheirPayloadDamaged)
{
    // The checksums are right, so it is up to HDF5 to see it; on some of these it crashes.
    MergeWorld world;
    auto const whole = world.contents[2];
    unsigned refused = 0;
    for (std::size_t at = 0; at < whole.size(); at += 149) {
        world.contents[2] = whole;
        world.contents[2][at] = static_cast<char>(~whole[at]);
        world.builders.clear();
        world.finish_all();
        world.write();
        auto const merged = world.merge();
        if (merged) continue;
        ++refused;
        EXPECT_THAT(merged.error().text(), HasSubstr("9-100-1-6-10")) << at;
        for (auto const& entry : fs::directory_iterator(world.run.path()))
            EXPECT_NE(entry.path().extension(), ".part") << at;
    }
    EXPECT_GT(refused, 0u);
}

TEST(MergeHdf5, RefusesWhatIsNoFile)
{
    MergeWorld world;
    world.finish_all();
    world.write();
    std::vector<std::string> outputs{world.run / "fifo", "-"};
    ASSERT_EQ(::mkfifo(outputs[0].c_str(), 0600), 0);
    FileDescriptor const reader(::open(outputs[0].c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    auto const device = world.run / "null";
    if (::mknod(device.c_str(), S_IFCHR | 0666, ::makedev(1, 3)) == 0) outputs.push_back(device);
    for (auto const& output : outputs) {
        auto const merged = merge_run(world.table, world.jobs, world.run.path(), output, world.options);
        ASSERT_FALSE(merged) << output;
        EXPECT_EQ(merged.error().kind, ErrorKind::usage) << merged.error().text();
        EXPECT_THAT(merged.error().text(), HasSubstr("this output cannot be written into")) << output;
    }
    EXPECT_TRUE(std::filesystem::is_fifo(outputs[0]));
    EXPECT_FALSE(std::filesystem::is_regular_file(device));
}

TEST(MergeHdf5, SaysThatThereIsNothingToMerge)
{
    MergeWorld world;
    world.options.kind = OutputKind::nothing;
    EXPECT_THAT(world.merge_error(), HasSubstr("there is nothing to merge"));
}

}  // namespace
}  // namespace yoda
