// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <future>

#include "harvest/merge/merge.hpp"
#include "merge_world.hpp"
#include "support/skip.hpp"
#include "sys/base/files.hpp"

namespace yoda {
namespace {

using test::file_text;
using test::MergeWorld;
using test::run_python;
using ::testing::HasSubstr;

struct MergeTar : ::testing::Test {
    MergeTar()
    {
        for (RangeIndex i = 0; i < world.table.size(); ++i) {
            world.contents[i] =
                fmt::format("output {}\n", i) + std::string(700 * i, static_cast<char>('a' + i));
        }
        world.options.kind = OutputKind::opaque;
    }
    MergeWorld world;
};

TEST_F(MergeTar, HoldsAllFilesInEventOrder)
{
    world.finish_all();
    world.write();
    auto const merged = world.merge("merged.tar");
    ASSERT_TRUE(merged) << merged.error().text();
    EXPECT_EQ(merged->range_count, 6u);
    EXPECT_EQ(merged->event_count, 24u);
    auto const result = run_python(R"(
import sys, tarfile
with tarfile.open(sys.argv[1] + '/merged.tar') as tar:
    members = tar.getmembers()
    assert [m.name for m in members] == ['out.9-100-1-1-10', 'out.9-100-1-6-10', 'out.9-100-1-11-10', 'out.9-100-2-1-10',
                                         'out.9-101-3-1-10', 'out.9-101-3-5-10'], members
    for m, i in zip(members, (3, 2, 5, 1, 4, 0)):
        assert m.isfile() and m.mtime == 0 and m.uid == 0 and m.gid == 0, m
        assert tar.extractfile(m).read() == b'output %d\n' % i + bytes([ord('a') + i]) * (700 * i), m
)",
                                   {world.run.path()});
    EXPECT_EQ(result.exit_code, 0) << result.output;
}

TEST_F(MergeTar, GivesTheSameBytesHoweverTheRunWent)
{
    world.finish_all();
    world.write();
    ASSERT_TRUE(world.merge("merged.tar"));
    MergeWorld wild;
    wild.contents = world.contents;
    wild.options.kind = OutputKind::opaque;
    for (RangeIndex k = 0; k < 6; ++k) wild.finish(5 - k, {100, 0, 3, 1 + k % 4, 7}, 3);
    wild.write();
    ASSERT_TRUE(wild.merge("merged.tar"));
    EXPECT_EQ(file_text(wild.run / "merged.tar"), file_text(world.run / "merged.tar"));
}

TEST_F(MergeTar, TakesSeveralFilesARangeByName)
{
    for (RangeIndex i = 0; i < 6; ++i) {
        world.bundle({100, 0, 1, 1, 0})
            .add(i, Epoch::make(1, 1), world.table.range_id(i), {{"z", "last"}, {"a", "first"}});
        world.mark_finished(i, {100, 0, 1, 1, 0}, 1);
    }
    world.write();
    ASSERT_TRUE(world.merge("merged.tar"));
    auto const result = run_python(R"(
import sys, tarfile
names = tarfile.open(sys.argv[1]).getnames()
assert names[:3] == ['a.9-100-1-1-10', 'z.9-100-1-1-10', 'a.9-100-1-6-10'] and len(names) == 12, names
)",
                                   {world.run / "merged.tar"});
    EXPECT_EQ(result.exit_code, 0) << result.output;
}

TEST_F(MergeTar, TakesRangesWithoutFiles)
{
    for (RangeIndex i = 0; i < 6; ++i) {
        world.bundle({100, 0, 1, 1, 0}).add(i, Epoch::make(1, 1), world.table.range_id(i), {});
        world.mark_finished(i, {100, 0, 1, 1, 0}, 1);
    }
    world.write();
    auto const merged = world.merge("merged.tar");
    ASSERT_TRUE(merged) << merged.error().text();
    auto const result = run_python("import sys, tarfile; assert tarfile.open(sys.argv[1]).getnames() == []",
                                   {world.run / "merged.tar"});
    EXPECT_EQ(result.exit_code, 0) << result.output;
}

TEST_F(MergeTar, KeepsLongNames)
{
    auto const stem = std::string(200, 'n');
    for (RangeIndex i = 0; i < 6; ++i) {
        world.bundle({100, 0, 1, 1, 0})
            .add(i, Epoch::make(1, 1), world.table.range_id(i), {{stem, world.contents[i]}});
        world.mark_finished(i, {100, 0, 1, 1, 0}, 1);
    }
    world.write();
    ASSERT_TRUE(world.merge("merged.tar"));
    auto const result = run_python(
        "import sys, tarfile; assert tarfile.open(sys.argv[1]).getnames()[0] == 'n' * 200 + '.9-100-1-1-10'",
        {world.run / "merged.tar"});
    EXPECT_EQ(result.exit_code, 0) << result.output;
}

TEST_F(MergeTar, LeavesNothingBehindWhenAMemberIsDamaged)
{
    world.finish_all();
    world.bundle({100, 0, 1, 1, 0}).entries()[1].members[0].adler32 ^= 1;
    world.write();
    EXPECT_THAT(world.merge_error(), HasSubstr("range 9-100-1-6-10"));
    EXPECT_FALSE(std::filesystem::exists(world.run / "merged.h5"));
}

TEST_F(MergeTar, GoesIntoAFifoThatIsRead)
{
    world.finish_all();
    world.write();
    ASSERT_TRUE(world.merge("merged.tar"));
    auto const fifo = world.run / "fifo";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    EXPECT_EQ(world.merge("fifo").error().kind, ErrorKind::usage) << "nobody reads it";
    // Open before the merge asks; a pipe is smaller than the tar, so the merge has to wait for it.
    FileDescriptor const reader(::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    ASSERT_EQ(::fcntl(reader.get(), F_SETFL, 0), 0);
    ASSERT_GT(::fcntl(reader.get(), F_SETPIPE_SZ, 4096), 0);
    auto merging = std::async(std::launch::async, [&] { return world.merge("fifo"); });
    std::string got;
    char block[4096];
    bool ended = false;
    while (!ended) {
        // Until the merge has opened it, a pipe without a writer is at its end.
        ssize_t const n = ::read(reader.get(), block, sizeof block);
        ASSERT_GE(n, 0);
        got.append(block, static_cast<std::size_t>(n));
        ended = n == 0 && merging.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    }
    auto const merged = merging.get();
    ASSERT_TRUE(merged) << merged.error().text();
    EXPECT_EQ(got, file_text(world.run / "merged.tar"));
    EXPECT_EQ(merged->bytes, got.size());
    EXPECT_TRUE(std::filesystem::is_fifo(fifo));
}

TEST_F(MergeTar, GoesIntoADeviceAndNeverOverIt)
{
    world.finish_all();
    world.write();
    auto const device = world.run / "null";
    if (::mknod(device.c_str(), S_IFCHR | 0666, ::makedev(1, 3)) != 0) YODA_SKIP("only root makes devices");
    if (!FileDescriptor(::open(device.c_str(), O_WRONLY | O_CLOEXEC)))
        YODA_SKIP("devices are forbidden on this file system");
    auto const merged = world.merge("null");
    ASSERT_TRUE(merged) << merged.error().text();
    EXPECT_GT(merged->bytes, 6u * 512);
    EXPECT_TRUE(std::filesystem::is_character_file(device));
}

TEST_F(MergeTar, RefusesALinkAndLeavesWhatItPointsTo)
{
    world.finish_all();
    world.write();
    test::write_text(world.run / "precious", "precious");
    std::filesystem::create_symlink(world.run / "precious", world.run / "merged.h5");
    EXPECT_THAT(world.merge_error(), HasSubstr("it is a symbolic link"));
    EXPECT_EQ(file_text(world.run / "precious"), "precious");
    EXPECT_TRUE(std::filesystem::is_symlink(world.run / "merged.h5"));
}

TEST_F(MergeTar, IndependentReadersAgreeWithTheIndex)
{
    world.finish_all();
    world.write();
    auto const result = run_python(R"(
import struct, sys, tarfile, zlib
# Bundle index (docs/journal.md): frames of length, CRC-32C, payload; little-endian; texts after their length as u16.
data, at = open(sys.argv[1] + '.index', 'rb').read(), 0
frames = []
while at < len(data):
    length, crc = struct.unpack_from('<II', data, at)
    frames.append(data[at + 8:at + 8 + length])
    at += 8 + length
assert frames[0].startswith(b'YODAINDX')
def text(frame, at):
    n, = struct.unpack_from('<H', frame, at)
    return frame[at + 2:at + 2 + n].decode(), at + 2 + n
tar = tarfile.open(sys.argv[1] + '.tar')
raw = open(sys.argv[1] + '.tar', 'rb').read()
assert len(frames) == 4
for frame in frames[1:]:
    rng, epoch, begin, end, cpu, wall = struct.unpack_from('<IIQQII', frame)
    ident, at = text(frame, 32)
    count, = struct.unpack_from('<H', frame, at)
    assert count == 1
    name, at = text(frame, at + 2)
    offset, size, adler = struct.unpack_from('<QQI', frame, at)
    member = tar.getmember(name)
    assert name.endswith('.' + ident) and (member.offset_data, member.size) == (offset, size)
    assert zlib.adler32(raw[offset:offset + size]) == adler and begin < offset and offset + size <= end
)",
                                   {world.bundles() + "/EventService_premerge_100_1_1_0"});
    EXPECT_EQ(result.exit_code, 0) << result.output;
}

}  // namespace
}  // namespace yoda
