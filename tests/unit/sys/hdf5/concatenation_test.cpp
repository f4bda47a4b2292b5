// SPDX-License-Identifier: Apache-2.0
#include "sys/hdf5/concatenation.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "support/python.hpp"
#include "support/scratch_folder.hpp"

namespace yoda {
namespace {

using test::file_text;
using test::run_python;
using test::ScratchFolder;

/// Sources of very different sizes, so that rows are gathered, written through, and left over.
constexpr char const* make_sources = R"(
import sys, h5py, numpy as np
for i, rows in enumerate((3, 40_000, 0, 1, 32_768, 70_001, 32_767, 2)):
    with h5py.File(f'{sys.argv[1]}/{i}.h5', 'w') as f:
        r = np.random.RandomState(i)
        f['x'] = r.rand(rows)
        f['wide'] = r.rand(rows // 7, 5, 11)
        f['small'] = r.randint(0, 9, rows).astype('u1')
        f['words'] = np.array([b'w%d' % k for k in range(rows % 100)], 'S7')
        f.create_dataset('texts', data=[f't{k}' for k in range(rows % 50)], dtype=h5py.string_dtype())
)";
constexpr unsigned source_count = 8;

Status concatenate(ScratchFolder const& folder, std::string const& name, bool in_memory)
{
    hdf5::Concatenation out(folder / name, "/index");
    for (unsigned i = 0; i < source_count; ++i) {
        auto const path = folder / (std::to_string(i) + ".h5");
        auto const bytes = file_text(path);
        // In a file it begins somewhere, as in a tar.
        test::write_text(folder / "padded", std::string(777, '#') + bytes + std::string(99, '#'));
        auto const fd = open_file(folder / "padded", O_RDONLY);
        if (!fd) return fd.error();
        hdf5::Storage storage;
        if (in_memory) {
            storage.image = bytes;
        } else {
            storage.fd = fd->get();
            storage.offset = 777;
            storage.bytes = bytes.size();
        }
        if (auto status = out.open_source(storage); !status) return status;
        if (auto status = out.append_source(); !status) return status;
        out.close_source();
    }
    return out.commit();
}

TEST(Concatenation, PutsSourcesOfAnySizeTogether)
{
    ScratchFolder const folder;
    auto const made = run_python(make_sources, {folder.path()});
    ASSERT_EQ(made.exit_code, 0) << made.output;
    auto const status = concatenate(folder, "out.h5", true);
    ASSERT_TRUE(status) << status.error().text();
    auto const result = run_python(R"(
import sys, h5py, numpy as np
out = h5py.File(sys.argv[1] + '/out.h5')
files = [h5py.File(f'{sys.argv[1]}/{i}.h5') for i in range(8)]
assert sorted(out) == ['small', 'texts', 'wide', 'words', 'x']
for name in out:
    assert np.array_equal(out[name][...], np.concatenate([f[name][...] for f in files])), name
    assert out[name].chunks and out[name].compression == 'gzip', name
)",
                                   {folder.path()});
    EXPECT_EQ(result.exit_code, 0) << result.output;
}

TEST(Concatenation, GivesTheSameBytesFromMemoryAndFromFiles)
{
    ScratchFolder const folder;
    auto const made = run_python(make_sources, {folder.path()});
    ASSERT_EQ(made.exit_code, 0) << made.output;
    ASSERT_TRUE(concatenate(folder, "memory.h5", true));
    ASSERT_TRUE(concatenate(folder, "file.h5", false));
    EXPECT_EQ(file_text(folder / "memory.h5"), file_text(folder / "file.h5"));
}

TEST(Concatenation, LeavesNothingWhenItIsGivenUp)
{
    ScratchFolder const folder;
    {
        hdf5::Concatenation const out(folder / "out.h5", "/index");
        EXPECT_FALSE(std::filesystem::is_empty(folder.path()));
    }
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace yoda
