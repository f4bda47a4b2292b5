// SPDX-License-Identifier: Apache-2.0
// Bundles made by hand for tests, and Python's tarfile as the independent reader of what was made.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "core/base/checksum.hpp"
#include "core/table/bundle_index.hpp"
#include "support/python.hpp"
#include "support/scratch_folder.hpp"
#include "sys/bundle/bundle_file.hpp"

namespace yoda::test {

inline std::string range_id_of(RangeIndex range)
{
    return "100-200-300-" + std::to_string(range + 1) + "-10";
}

/// What range `range` puts out: different for each, some kB.
inline std::string content_of(RangeIndex range)
{
    std::string text;
    while (text.size() < 1000 + 37 * (range % 50))
        text += "range " + std::to_string(range) + " at " + std::to_string(text.size()) + "\n";
    return text;
}

/// Writes the output of a range into `folder` and appends it, as epoch {life, hand_out}.
inline void append_output(BundleFile& bundle, std::string const& folder, RangeIndex range, Epoch epoch)
{
    auto const name = "out_" + std::to_string(range);
    write_text(folder + "/" + name, content_of(range));
    auto opened = OutputFolder(folder).open(name);
    ASSERT_TRUE(std::holds_alternative<OutputFile>(opened)) << std::get<OutputFault>(opened).reason;
    std::vector<OutputFile> outputs;
    outputs.push_back(std::get<OutputFile>(std::move(opened)));
    auto const id = range_id_of(range);
    auto const appended = bundle.append({range, epoch, id, 10 + range, 20 + range}, outputs);
    ASSERT_TRUE(appended) << appended.error().text();
    ASSERT_FALSE(*appended) << (*appended)->reason;
}

/// Whether Python's tarfile finds exactly these ranges' outputs in the tar, and adler32, offsets and sizes
/// are what index and manifest say. Empty if all is well.
inline std::string check_sealed_bundle(std::string const& folder, BundleOrigin const& origin,
                                       std::vector<RangeIndex> const& ranges)
{
    auto const paths = bundle_paths(folder, origin);
    auto const manifest = parse_manifest(file_text(paths.manifest));
    if (!manifest) return manifest.error().text();
    auto const index = decode_index(file_text(paths.index));
    if (!index) return index.error().text();
    if (index->torn) return "the index is torn";
    if (index->origin != origin || manifest->origin != origin) return "index or manifest of another bundle";
    if (manifest->entry_count != index->entries.size()) return "the manifest counts other entries";
    if (manifest->index_bytes != file_text(paths.index).size()) return "the index has another size";
    if (manifest->bundle != std::filesystem::path(paths.tar).filename()) return "another tar is named";
    std::string members;
    for (auto const& entry : index->entries) {
        for (auto const& member : entry.members)
            members += member.name + " " + std::to_string(member.data_offset) + " " +
                       std::to_string(member.bytes) + " " + print_adler32(member.adler32) + "\n";
    }
    ScratchFolder const scratch;
    write_text(scratch / "members", members);
    std::vector<std::string> arguments{paths.tar, std::to_string(manifest->bytes),
                                       print_adler32(manifest->adler32), scratch / "members"};
    for (auto const range : ranges) {
        auto const path = scratch / range_id_of(range);
        write_text(path, content_of(range));
        arguments.push_back(path);
    }
    auto const result = run_python(R"(
import os, sys, tarfile, zlib
path, size, adler, members_path = sys.argv[1:5]
data = open(path, 'rb').read()
assert len(data) == int(size), 'size'
assert len(data) % 512 == 0 and data[-1024:] == bytes(1024), 'end blocks'
assert f'{zlib.adler32(data):08x}' == adler, 'adler32 of the tar'
expected = {os.path.basename(p): open(p, 'rb').read() for p in sys.argv[5:]}
told = [line.split() for line in open(members_path)]
with tarfile.open(path) as tar:
    found = tar.getmembers()
    assert [m.name for m in found] == [t[0] for t in told], 'names'
    for member, (name, offset, count, sum) in zip(found, told):
        content = tar.extractfile(member).read()
        assert member.offset_data == int(offset) and member.size == int(count), 'offsets'
        assert f'{zlib.adler32(content):08x}' == sum, 'adler32 of ' + name
        identifier = name.rsplit('.', 1)[1]
        assert expected.pop(identifier) == content, 'content of ' + name
assert not expected, f'missing {sorted(expected)}'
)",
                                   arguments);
    return result.exit_code == 0 ? std::string()
                                 : result.output + "(exit " + std::to_string(result.exit_code) + ")";
}

}  // namespace yoda::test
