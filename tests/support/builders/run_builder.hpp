// SPDX-License-Identifier: Apache-2.0
// Run folders with sealed bundles, as a Droid leaves them.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>

#include "core/base/checksum.hpp"
#include "core/table/bundle_index.hpp"
#include "support/scratch_folder.hpp"

namespace yoda::test {

/// Deterministic bytes that do not compress; `seed` tells files apart.
inline std::string some_bytes(std::uint64_t count, std::uint64_t seed = 1)
{
    std::string out(count, '\0');
    std::uint64_t x = seed * 0x9E3779B97F4A7C15ull + 1;
    for (auto& c : out) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        c = static_cast<char>(x >> 24);
    }
    return out;
}

/// Adds a sealed bundle of two outputs to RUN/bundles; returns its manifest. `bytes` >= 4. A member's name is
/// its stem and the id of its range.
inline BundleManifest add_bundle(std::string const& run, std::uint32_t sequence, std::string const& bytes,
                                 std::array<std::string, 2> const& stems = {"HITS.pool.root.",
                                                                            "HITS.pool.root."})
{
    std::filesystem::create_directories(run + "/bundles");
    BundleOrigin const origin{4000000001, 0, 1, 1, sequence};
    std::string const stem = run + "/bundles/" + bundle_name(origin);
    std::string index = encode_index_header(origin);
    std::uint64_t const half = bytes.size() / 2;
    for (std::uint32_t i = 0; i < 2; ++i) {
        BundleEntry entry;
        entry.range = 2 * sequence + i;
        entry.epoch = 65537;
        entry.begin = i * half;
        entry.end = i == 0 ? half : bytes.size();
        entry.range_id = "18-4000000001-77-" + std::to_string(entry.range) + "-3";
        BundleMember member;
        member.name = stems[i] + entry.range_id;
        member.data_offset = entry.begin + 1;
        member.bytes = entry.end - entry.begin - 1;
        member.adler32 = adler32(std::string_view(bytes).substr(member.data_offset, member.bytes));
        entry.members.push_back(member);
        encode_index_entry(entry, index);
    }
    BundleManifest manifest;
    manifest.origin = origin;
    manifest.task_id = 18;
    manifest.jobset_id = 5;
    manifest.bundle = bundle_name(origin) + ".tar";
    manifest.bytes = bytes.size();
    manifest.adler32 = adler32(bytes);
    manifest.entry_count = 2;
    manifest.index_bytes = index.size();
    manifest.sealed_unix_s = 1700000000;
    write_text(stem + ".tar", bytes);
    write_text(stem + ".index", index);
    write_text(stem + ".manifest.json", print_manifest(manifest));
    return manifest;
}

}  // namespace yoda::test
