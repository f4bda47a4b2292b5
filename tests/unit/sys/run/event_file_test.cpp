// SPDX-License-Identifier: Apache-2.0
#include "sys/run/event_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "support/builders/event_tables.hpp"
#include "support/python.hpp"
#include "support/scratch_folder.hpp"

namespace yoda {
namespace {

using test::make_worked_table;
using test::run_python;
using test::ScratchFolder;
using ::testing::HasSubstr;

EventFileInfo const info{"00112233445566778899aabbccddeeff", 7};

struct EventFile : ::testing::Test {
    ScratchFolder run;

    void write(EventTable const& table)
    {
        auto status = write_event_file(run.path(), table, info);
        ASSERT_TRUE(status) << status.error().text();
        status = write_state_file(run.path(), table, info.run_id, {41, 3});
        ASSERT_TRUE(status) << status.error().text();
        for (std::string const name : {"events.h5", "state.h5"})  // For what these tests do to them.
            std::filesystem::permissions(run / name, std::filesystem::perms::owner_write,
                                         std::filesystem::perm_options::add);
    }
    /// Changes a file with h5py, `statement` works on `f`, and gives it a seal that is right again.
    void spoil(std::string const& name, std::string const& statement)
    {
        auto const result =
            run_python("import sys, h5py\nf = h5py.File(sys.argv[1], 'r+')\n" + statement + R"(
f.close()
data = open(sys.argv[1], 'rb').read()
crc = 0xffffffff
for byte in data[512:]:
    crc ^= byte
    for _ in range(8):
        crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
with open(sys.argv[1], 'r+b') as out:
    out.write(f'yoda hdf5 1 bytes {len(data)} crc32c {crc ^ 0xffffffff:08x}\n'.encode().ljust(512, b'\0'))
)",
                       {run / name});
        ASSERT_EQ(result.exit_code, 0) << result.output;
    }
    std::string load_error()
    {
        auto const loaded = load_event_file(run.path());
        return loaded ? std::string() : loaded.error().text();
    }
};

TEST_F(EventFile, LoadsWhatWasWritten)
{
    auto const table = make_worked_table();
    write(table);
    auto const loaded = load_event_file(run.path());
    ASSERT_TRUE(loaded) << loaded.error().text();
    EXPECT_EQ(loaded->info, info);
    EXPECT_EQ(loaded->checkpoint, (CheckpointInfo{41, 3}));
    EXPECT_EQ(loaded->table.files(), table.files());
    EXPECT_EQ(loaded->table.texts(), table.texts());
    EXPECT_EQ(loaded->table.bundles(), table.bundles());
    ASSERT_EQ(loaded->table.size(), table.size());
    for (RangeIndex i = 0; i < table.size(); ++i) {
        SCOPED_TRACE(i);
        EXPECT_EQ(loaded->table.event_range(i), table.event_range(i));
        bool const sent = table.state(i) == RangeState::sent;
        EXPECT_EQ(loaded->table.state(i), sent ? RangeState::ready : table.state(i));
        EXPECT_EQ(loaded->table.progress(i).burnt, table.progress(i).burnt);
        EXPECT_EQ(loaded->table.progress(i).holder, sent ? none : table.progress(i).holder);
        EXPECT_EQ(loaded->table.progress(i).cpu_ms, table.progress(i).cpu_ms);
        EXPECT_EQ(loaded->table.progress(i).wall_ms, table.progress(i).wall_ms);
        if (table.state(i) == RangeState::finished) {
            EXPECT_EQ(loaded->table.winning_epoch(i), table.winning_epoch(i));
        }
    }
    EXPECT_EQ(loaded->table.unended_count(), table.unended_count());
}

TEST_F(EventFile, LoadedTableHandsOutWhatIsReady)
{
    write(make_worked_table());
    auto loaded = load_event_file(run.path());
    ASSERT_TRUE(loaded) << loaded.error().text();
    auto& table = loaded->table;
    auto const ready = table.ready_count();
    ASSERT_GT(ready, 0u);
    table.start_life(4);
    std::vector<RangeRun> runs;
    FileIndex file = none;
    EXPECT_EQ(table.hand_out(1, file, 1'000'000, runs), ready);
}

TEST_F(EventFile, KeepsRangesThatFinishedWithoutAnOutput)
{
    EventTable table;
    ASSERT_TRUE(table.add_range(0, {"1-2-3-1-4", 1, 1, "in", "guid", "scope"}, "/in"));
    FileIndex file = 0;
    std::vector<RangeRun> runs;
    ASSERT_EQ(table.hand_out(1, file, 1, runs), 1u);
    ASSERT_EQ(table.finish(0, table.copies(0).epochs[0], none, 5, 6), Outcome::accepted);
    write(table);
    auto const loaded = load_event_file(run.path());
    ASSERT_TRUE(loaded) << loaded.error().text();
    EXPECT_EQ(loaded->table.state(0), RangeState::finished);
    EXPECT_EQ(loaded->table.progress(0).holder, none);
    EXPECT_EQ(loaded->table.progress(0).cpu_ms, 5u);
}

TEST_F(EventFile, HoldsAnEmptyTable)
{
    write(EventTable());
    auto const loaded = load_event_file(run.path());
    ASSERT_TRUE(loaded) << loaded.error().text();
    EXPECT_EQ(loaded->table.size(), 0u);
    EXPECT_TRUE(loaded->table.bundles().empty());
}

TEST_F(EventFile, SpansManyChunks)
{
    EventTable table;
    table.add_file({0, 1, 2, 3, false, "EVNT.lhe", "", "", "/data/EVNT.lhe"});
    constexpr RangeIndex rows = 600'000;  // Not a multiple of any block.
    for (RangeIndex i = 0; i < rows; ++i) table.add_row({2 * i + 1, 2 * i + 2, i + 1, 0, 10, 0});
    auto const bundle = table.bundle({2, 0, 1, 1, 0});
    std::vector<RangeRun> runs;
    FileIndex file = none;
    table.hand_out(1, file, rows, runs);
    for (RangeIndex i = 0; i < rows; i += 3) table.finish(i, Epoch::make(1, 1), bundle, i, 2 * i);
    write(table);
    auto const loaded = load_event_file(run.path());
    ASSERT_TRUE(loaded) << loaded.error().text();
    ASSERT_EQ(loaded->table.size(), rows);
    EXPECT_EQ(loaded->table.counts()[2], rows / 3);
    for (RangeIndex i = 0; i < rows; i += 997) {
        ASSERT_EQ(loaded->table.row(i).first, 2 * i + 1);
        ASSERT_EQ(loaded->table.state(i), i % 3 == 0 ? RangeState::finished : RangeState::ready);
        ASSERT_EQ(loaded->table.progress(i).wall_ms, i % 3 == 0 ? 2 * i : 0);
    }
}

TEST_F(EventFile, IsReadByH5py)
{
    write(make_worked_table());
    auto const result = run_python(R"(
import sys, h5py
f = h5py.File(sys.argv[1], 'r')
assert f.attrs['format'] == 'yoda events' and f.attrs['version'] == 1
r = f['ranges']
names = h5py.check_enum_dtype(r['state'].dtype)
assert names == {'READY': 0, 'SENT': 1, 'FINISHED': 2, 'FAILED': 3, 'FATAL': 4, 'DROPPED': 5}, names
assert len({len(r[c]) for c in r}) == 1
words = {v: k for k, v in names.items()}
for c in ['ranges/' + c for c in r] + ['files/lfn', 'texts', 'bundles/life']:
    d = f[c]
    assert d.attrs['units'] and d.attrs['meaning'], c
    assert d.compression == 'gzip' and d.shuffle and len(d.chunks) == 1, c
for i in range(len(r['state'])):
    file = r['file'][i]
    if f['files/text_ids'][file]:
        ident = f['texts'][r['job_processID'][i]].decode()
    else:
        ident = '-'.join(str(n) for n in (f['files/task_id'][file], f['files/panda_id'][file], f['files/file_id'][file],
                                          r['job_processID'][i], r['attemptNr'][i]))
    bundle = r['bundle'][i]
    life = f['bundles/epoch_life'][bundle] if bundle != 0xffffffff else '-'
    print(ident, f['files/lfn'][file].decode(), r['first_event'][i], r['last_event'][i], words[r['state'][i]], r['tries_burnt'][i],
          r['error_code'][i], r['winner'][i], life, r['cpu_ms'][i], r['wall_ms'][i])
)",
                                   {run / "events.h5"});
    EXPECT_EQ(result.exit_code, 0) << result.output;
    EXPECT_EQ(result.output, test::print_worked_table());
}

TEST_F(EventFile, IsReadByH5dump)
{
    write(make_worked_table());
    auto const result = run_python(R"(
import subprocess, sys
out = subprocess.run(['h5dump', '-d', '/ranges/state', sys.argv[1]], capture_output=True, text=True, check=True).stdout
assert 'FINISHED' in out and 'H5T_ENUM' in out, out
)",
                                   {run / "events.h5"});
    EXPECT_EQ(result.exit_code, 0) << result.output;
}

TEST_F(EventFile, RangesAddedAfterTheLastCheckpointAreReady)
{
    auto table = make_worked_table();
    auto const old_size = table.size();
    ASSERT_TRUE(write_state_file(run.path(), table, info.run_id, {41, 3}));
    table.add_row({900, 901, 1, 0, 10, 0});
    ASSERT_TRUE(write_event_file(run.path(), table, info));
    auto const loaded = load_event_file(run.path());
    ASSERT_TRUE(loaded) << loaded.error().text();
    ASSERT_EQ(loaded->table.size(), old_size + 1);
    EXPECT_EQ(loaded->table.state(old_size), RangeState::ready);
    EXPECT_EQ(loaded->table.counts()[2], table.counts()[2]);
}

TEST_F(EventFile, EqualTablesGiveEqualBytes)
{
    write(make_worked_table());
    auto const events = test::file_text(run / "events.h5");
    auto const state = test::file_text(run / "state.h5");
    write(make_worked_table());
    EXPECT_EQ(test::file_text(run / "events.h5"), events);
    EXPECT_EQ(test::file_text(run / "state.h5"), state);
}

TEST_F(EventFile, SaysThatAFileIsMissing)
{
    EXPECT_THAT(load_error(), HasSubstr("events.h5: No such file"));
    write(make_worked_table());
    std::filesystem::remove(run / "state.h5");
    EXPECT_THAT(load_error(), HasSubstr("state.h5: No such file"));
    EXPECT_THAT(load_error(), HasSubstr("harvest recover"));
}

TEST_F(EventFile, SaysThatAFileIsNoHdf5)
{
    test::write_text(run / "events.h5", "PK\003\004 something else altogether");
    EXPECT_THAT(load_error(), HasSubstr("events.h5: it is no HDF5 file"));
    test::write_text(run / "events.h5", "");
    EXPECT_THAT(load_error(), HasSubstr("it is empty"));
    std::filesystem::remove(run / "events.h5");
    std::filesystem::create_directory(run / "events.h5");
    EXPECT_THAT(load_error(), HasSubstr("it is no regular file"));
}

TEST_F(EventFile, RefusesAFileCutOffAnywhere)
{
    write(make_worked_table());
    for (std::string const name : {"events.h5", "state.h5"}) {
        auto const whole = test::file_text(run / name);
        for (std::size_t size = 1; size < whole.size(); size += 499) {
            test::write_text(run / name, whole.substr(0, size));
            EXPECT_THAT(load_error(), HasSubstr(name)) << size;
        }
        test::write_text(run / name, whole);
    }
    EXPECT_EQ(load_error(), "");
}

TEST_F(EventFile, RefusesAFileWithADamagedByte)
{
    write(make_worked_table());
    for (std::string const name : {"events.h5", "state.h5"}) {
        auto const whole = test::file_text(run / name);
        for (std::size_t at = 0; at < whole.size(); at += at < 512 ? 13 : 499) {
            auto bytes = whole;
            bytes[at] = static_cast<char>(~bytes[at]);
            test::write_text(run / name, bytes);
            EXPECT_THAT(load_error(), HasSubstr(name)) << at;
        }
        test::write_text(run / name, whole + "x");
        EXPECT_THAT(load_error(), HasSubstr("damaged or was changed"));
        test::write_text(run / name, whole);
    }
}

TEST_F(EventFile, RefusesHdf5ThatItDidNotWrite)
{
    auto const result =
        run_python("import sys, h5py\nh5py.File(sys.argv[1], 'w').close()", {run / "events.h5"});
    ASSERT_EQ(result.exit_code, 0) << result.output;
    EXPECT_THAT(load_error(), HasSubstr("it is a HDF5 file that yoda did not write"));
}

TEST_F(EventFile, RefusesAnotherVersionOrFormat)
{
    write(make_worked_table());
    spoil("events.h5", "f.attrs['version'] = 2");
    EXPECT_THAT(load_error(), HasSubstr("events.h5: it has version 2, this program reads 1"));
    write(make_worked_table());
    spoil("state.h5", "f.attrs['format'] = 'jets'");
    EXPECT_THAT(load_error(), HasSubstr("state.h5: its format is 'jets'"));
    spoil("state.h5", "del f.attrs['format']");
    EXPECT_THAT(load_error(), HasSubstr("attribute 'format' of / is missing"));
}

TEST_F(EventFile, RefusesAMissingOrForeignDataset)
{
    write(make_worked_table());
    spoil("events.h5", "del f['ranges/last_event']");
    EXPECT_THAT(load_error(), HasSubstr("dataset /ranges/last_event is missing"));
    spoil("events.h5", "f['ranges/last_event'] = [1.5, 2.5]");
    EXPECT_THAT(load_error(), HasSubstr("/ranges/last_event has elements of another type"));
    spoil("events.h5", "del f['ranges/last_event']; f.create_dataset('ranges/last_event', (3, 2), 'u4')");
    EXPECT_THAT(load_error(), HasSubstr("/ranges/last_event has not one dimension"));
}

TEST_F(EventFile, RefusesColumnsOfDifferentLengths)
{
    write(make_worked_table());
    spoil("events.h5", "del f['ranges/file']; f.create_dataset('ranges/file', (3,), 'u4')");
    EXPECT_THAT(load_error(), HasSubstr("/ranges/file has 3 rows, /ranges/first_event has"));
    write(make_worked_table());
    spoil("events.h5", "del f['files/lfn']; f.create_dataset('files/lfn', (9,), 'S4')");
    EXPECT_THAT(load_error(), HasSubstr("/files/lfn has 9 rows"));
}

TEST_F(EventFile, RefusesValuesThatCannotBe)
{
    auto const after = [&](std::string const& file, std::string const& statement) {
        write(make_worked_table());
        spoil(file, statement);
        return load_error();
    };
    EXPECT_THAT(after("events.h5", "f['ranges/file'][2] = 77"),
                HasSubstr("range 2 has file 77, but there are"));
    EXPECT_THAT(after("events.h5", "f['ranges/last_event'][1] = 0"), HasSubstr("range 1 has events 6..0"));
    EXPECT_THAT(after("events.h5", "f['files/text_ids'][0] = True; f['ranges/job_processID'][0] = 55"),
                HasSubstr("range 0 has text 55"));
    EXPECT_THAT(after("events.h5", "f['files/job'][0] = 2**31"), HasSubstr("/files/job[0] is 2147483648"));
    EXPECT_THAT(after("state.h5", "f['ranges/state'][1] = 6"), HasSubstr("range 1 has state 6"));
    EXPECT_THAT(after("state.h5", "f['ranges/bundle'][0] = 3"), HasSubstr("range 0 has bundle 3"));
    EXPECT_THAT(after("state.h5", "f['ranges/tries_burnt'][0] = 16"),
                HasSubstr("range 0 has tries_burnt 16"));
    EXPECT_THAT(after("state.h5", "f.attrs['life'] = 70000"), HasSubstr("life 70000 is beyond 16 bits"));
}

TEST_F(EventFile, RefusesTheStateOfAnotherRun)
{
    auto table = make_worked_table();
    write(table);
    ASSERT_TRUE(write_state_file(run.path(), table, "ffff", {1, 1}));
    EXPECT_THAT(load_error(), HasSubstr("state.h5: it belongs to run ffff"));
}

TEST_F(EventFile, RefusesAStateWithMoreRanges)
{
    auto table = make_worked_table();
    write(table);
    table.add_row({900, 901, 1, 0, 10, 0});
    ASSERT_TRUE(write_state_file(run.path(), table, info.run_id, {1, 1}));
    EXPECT_THAT(load_error(), HasSubstr("ranges, events.h5 has"));
}

TEST_F(EventFile, AFailedWriteLeavesTheOldFileAndNoPart)
{
    auto const table = make_worked_table();
    write(table);
    auto const before = test::file_text(run / "events.h5");
    // Every write beyond this size fails, as on a full disk.
    for (rlim_t const limit : {0u, 100u, 1000u, 5000u, 9000u}) {
        rlimit old{};
        ::getrlimit(RLIMIT_FSIZE, &old);
        auto const handler = std::signal(SIGXFSZ, SIG_IGN);
        rlimit const tight{limit, old.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &tight);
        auto const events = write_event_file(run.path(), table, info);
        auto const state = write_state_file(run.path(), table, info.run_id, {42, 3});
        ::setrlimit(RLIMIT_FSIZE, &old);
        std::signal(SIGXFSZ, handler);
        ASSERT_FALSE(events) << limit;
        ASSERT_FALSE(state) << limit;
        EXPECT_THAT(events.error().text(), HasSubstr("File too large"));
    }
    EXPECT_EQ(test::file_text(run / "events.h5"), before);
    for (auto const& entry : std::filesystem::directory_iterator(run.path()))
        EXPECT_NE(entry.path().extension(), ".part") << entry.path();
    auto const loaded = load_event_file(run.path());
    ASSERT_TRUE(loaded) << loaded.error().text();
    EXPECT_EQ(loaded->checkpoint.journal_sequence, 41u);
}

TEST_F(EventFile, SaysThatTheFolderIsMissing)
{
    auto const status = write_event_file(run / "nowhere", make_worked_table(), info);
    ASSERT_FALSE(status);
    EXPECT_THAT(status.error().text(), HasSubstr("nowhere/events.h5"));
    EXPECT_THAT(status.error().text(), HasSubstr("No such file or directory"));
}

TEST_F(EventFile, RunIdsDiffer)
{
    auto const id = make_run_id();
    EXPECT_EQ(id.size(), 32u);
    EXPECT_NE(id, make_run_id());
}

}  // namespace
}  // namespace yoda
