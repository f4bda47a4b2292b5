// SPDX-License-Identifier: Apache-2.0
#include "sys/hdf5/seal.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>
#include <sys/stat.h>

#include <filesystem>
#include <set>

#include "support/builders/event_tables.hpp"
#include "support/python.hpp"
#include "support/scratch_folder.hpp"
#include "sys/base/files.hpp"
#include "sys/hdf5/handle.hpp"
#include "sys/hdf5/superblock.hpp"
#include "sys/run/event_file.hpp"

namespace yoda {
namespace {

using hdf5::SealForm;
using test::file_text;
using test::run_python;
using test::ScratchFolder;
using ::testing::HasSubstr;

/// As a file that everybody may write: tools that open read-write are to get
/// through also where root does not run them.
void run_tool(std::string const& script, std::string const& path)
{
    std::filesystem::permissions(path, std::filesystem::perms::owner_write,
                                 std::filesystem::perm_options::add);
    auto const result = run_python("import sys\npath = sys.argv[1]\n" + script, {path});
    ASSERT_EQ(result.exit_code, 0) << result.output;
}

Result<SealForm> look_at_seal(std::string const& path)
{
    auto const file = open_file(path, O_RDONLY);
    if (!file) return file.error();
    return hdf5::check_seal(file->get(), path);
}

/// What opens a file read-write, and writes nothing.
constexpr char const* tools[] = {
    "import h5py; h5py.File(path, 'r+').close()",
    "import h5py; h5py.File(path, 'a').close()",
    "import h5py; f = h5py.File(path, 'a', libver='latest'); list(f['ranges']); f.flush(); f.close()",
    "import tables; tables.open_file(path, 'a').close()",
    "import pandas; pandas.HDFStore(path).close()",
};
constexpr char const* killed_tool = "import h5py, os; f = h5py.File(path, 'a'); f.flush(); os._exit(0)";

/// Gives the file the seal that yoda wrote first, over all bytes as they are.
constexpr char const* seal_as_before = R"(
data = open(path, 'rb').read()
crc = 0xffffffff
for byte in data[512:]:
    crc ^= byte
    for _ in range(8):
        crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
with open(path, 'r+b') as out:
    out.write(f'yoda hdf5 1 bytes {len(data)} crc32c {crc ^ 0xffffffff:08x}\n'.encode().ljust(512, b'\0'))
)";

/// What an older yoda wrote, by another library: the root group's symbol table stays cached in the superblock
/// when an external link makes the group one of the new kind.
std::string const make_old_file = std::string(R"(
import h5py
with h5py.File(path, 'w', userblock_size=512) as f:
    f['ranges/first_event'] = list(range(1000))
    f['bundles'] = h5py.ExternalLink('state.h5', '/bundles')
)") + seal_as_before;

struct Hdf5Seal : ::testing::Test {
    ScratchFolder run;
    std::string const path = run / "events.h5";

    void write_table()
    {
        auto const table = test::make_worked_table();
        ASSERT_TRUE(write_event_file(run.path(), table, {"00112233445566778899aabbccddeeff", 7}));
        ASSERT_TRUE(write_state_file(run.path(), table, "00112233445566778899aabbccddeeff", {41, 3}));
    }
    void make_old()
    {
        test::write_text(path, "");
        run_tool(make_old_file, path);
        auto const form = look_at_seal(path);
        ASSERT_TRUE(form) << form.error().text();
        ASSERT_EQ(*form, SealForm::old);
    }
};

TEST_F(Hdf5Seal, OpeningByAnotherProgramChangesNothing)
{
    write_table();
    for (auto const& file : {path, run / "state.h5"}) {
        struct stat info {};
        ASSERT_EQ(::stat(file.c_str(), &info), 0);
        EXPECT_EQ(info.st_mode & 0777, 0444u);
        auto const before = file_text(file);
        for (auto const* tool : tools) {
            run_tool(tool, file);
            EXPECT_EQ(file_text(file), before) << tool;
        }
    }
    EXPECT_TRUE(load_event_file(run.path()));
}

TEST_F(Hdf5Seal, HoldsWhileAnotherProgramHasTheFileOpenAndWhenItIsKilled)
{
    write_table();
    for (auto const& file : {path, run / "state.h5"}) {
        auto const before = file_text(file);
        run_tool(killed_tool, file);
        EXPECT_NE(file_text(file), before) << "the tool leaves its mark";
        auto const form = look_at_seal(file);
        ASSERT_TRUE(form) << form.error().text();
        EXPECT_EQ(*form, SealForm::current);
        EXPECT_FALSE(hdf5::wants_renewal(file));
    }
    auto const loaded = load_event_file(run.path());
    EXPECT_TRUE(loaded) << loaded.error().text();
}

TEST_F(Hdf5Seal, NoticesWhatAnotherProgramWrites)
{
    write_table();
    run_tool("import h5py\nwith h5py.File(path, 'a') as f: f.attrs['mine'] = 1", path);
    EXPECT_THAT(look_at_seal(path).error().text(), HasSubstr("damaged or was changed"));
}

struct SuperblockCase {
    int version;
    std::set<std::size_t> left_out;  ///< bytes of the superblock, as HDF5's specification numbers them
};

std::set<std::size_t> bytes_of(std::initializer_list<std::pair<std::size_t, std::size_t>> fields)
{
    std::set<std::size_t> bytes;
    for (auto const& [first, count] : fields)
        for (std::size_t i = 0; i < count; ++i) bytes.insert(first + i);
    return bytes;
}

/// A file with a superblock of this version, made by HDF5's own driver.
void make_file(std::string const& path, int version)
{
    hdf5::Handle const creation(H5Pcreate(H5P_FILE_CREATE));
    hdf5::Handle const access(H5Pcreate(H5P_FILE_ACCESS));
    ASSERT_GE(H5Pset_userblock(creation.get(), hdf5::seal_bytes), 0);
    if (version == 1) {
        ASSERT_GE(H5Pset_istore_k(creation.get(), 64), 0);
    }
    auto const low = version == 2 ? H5F_LIBVER_V18 : version == 3 ? H5F_LIBVER_V110 : H5F_LIBVER_EARLIEST;
    ASSERT_GE(H5Pset_libver_bounds(access.get(), low, H5F_LIBVER_LATEST), 0);
    hdf5::Handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()));
    hsize_t const size = 100;
    hdf5::Handle const space(H5Screate_simple(1, &size, nullptr));
    hdf5::Handle dataset(
        H5Dcreate2(file.get(), "numbers", H5T_STD_I32LE, space.get(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    ASSERT_TRUE(dataset && dataset.close() && file.close());
}

struct Hdf5SealOfSuperblock : Hdf5Seal, ::testing::WithParamInterface<SuperblockCase> {};

TEST_P(Hdf5SealOfSuperblock, LeavesOutExactlyTheMarksOfAnOpening)
{
    auto const& [version, left_out] = GetParam();
    make_file(path, version);
    ASSERT_EQ(file_text(path)[512 + 8], version);
    {
        auto const file = open_file(path, O_RDWR);
        ASSERT_TRUE(hdf5::write_seal(file->get(), path));
    }
    EXPECT_THAT(file_text(path), HasSubstr("superblock " + std::to_string(version) + " consistency_flags"));
    auto const whole = file_text(path);
    for (std::size_t at = 0; at < whole.size(); at += at < 512 + 128 ? 1 : 97) {
        auto bytes = whole;
        bytes[at] = static_cast<char>(~bytes[at]);
        test::write_text(path, bytes);
        bool const is_left_out = at >= 512 && left_out.contains(at - 512);
        ASSERT_EQ(static_cast<bool>(look_at_seal(path)), is_left_out) << at;
    }
    test::write_text(path, whole);
    // The marks of a program that has the file open are among them.
    run_tool(killed_tool, path);
    EXPECT_NE(file_text(path), whole);
    auto const form = look_at_seal(path);
    EXPECT_TRUE(form) << form.error().text();
}

INSTANTIATE_TEST_SUITE_P(Versions, Hdf5SealOfSuperblock,
                         ::testing::Values(SuperblockCase{0, bytes_of({{20, 4}, {72, 4}, {80, 16}})},
                                           SuperblockCase{1, bytes_of({{20, 4}, {76, 4}, {84, 16}})},
                                           SuperblockCase{2, bytes_of({{11, 1}, {44, 4}})},
                                           SuperblockCase{3, bytes_of({{11, 1}, {44, 4}})}),
                         [](auto const& tested) { return "Version" + std::to_string(tested.param.version); });

TEST_F(Hdf5Seal, MarksAtCreationAreThoseThatHdf5Writes)
{
    for (int const version : {0, 1}) {
        make_file(path, version);
        auto const made = file_text(path).substr(512);
        auto bytes = made;
        hdf5::set_own_marks({bytes.data(), bytes.size()}, hdf5::OwnMarks::cleared);
        EXPECT_NE(bytes, made);
        hdf5::set_own_marks({bytes.data(), bytes.size()}, hdf5::OwnMarks::as_created);
        EXPECT_EQ(bytes, made) << version;
    }
}

TEST_F(Hdf5Seal, OldSealsStayValid)
{
    make_old();
    EXPECT_FALSE(hdf5::wants_renewal(path));
}

TEST_F(Hdf5Seal, OldSealsAreRenewedWhereOnlyTheMarksDiffer)
{
    for (auto const* tool : tools) {
        make_old();
        auto const before = file_text(path);
        run_tool(tool, path);
        auto const opened = file_text(path);
        ASSERT_NE(opened, before) << "this tool changes an old file: " << tool;
        auto const form = look_at_seal(path);
        ASSERT_TRUE(form) << form.error().text();
        EXPECT_EQ(*form, SealForm::old_opened);
        ASSERT_TRUE(hdf5::wants_renewal(path));
        ASSERT_TRUE(hdf5::renew_seal(path));
        EXPECT_EQ(*look_at_seal(path), SealForm::current);
        EXPECT_EQ(file_text(path).substr(512), opened.substr(512));
        EXPECT_FALSE(hdf5::wants_renewal(path));
        std::filesystem::remove(path);
    }
    for (auto const& entry : std::filesystem::directory_iterator(run.path())) ADD_FAILURE() << entry.path();
}

TEST_F(Hdf5Seal, OldSealsAreNotRenewedWhereMoreDiffers)
{
    make_old();
    run_tool(tools[0], path);
    auto bytes = file_text(path);
    bytes[1000] = static_cast<char>(~bytes[1000]);
    test::write_text(path, bytes);
    EXPECT_FALSE(look_at_seal(path));
    EXPECT_FALSE(hdf5::wants_renewal(path));
    EXPECT_FALSE(hdf5::wants_renewal(run / "nothing"));
}

}  // namespace
}  // namespace yoda
