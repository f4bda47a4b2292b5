// SPDX-License-Identifier: Apache-2.0
// The index beside each bundle: which range's bytes lie where, framed by CRC so that a torn tail is seen and
// cut. Byte format: docs/journal.md, "Bundle index". The bundle itself is a plain tar.
//
// A bundle NAME.tar has NAME.index beside it while it is open (both with the suffix .part) and when it is
// sealed; NAME.manifest.json, written last, is what makes it sealed. The index of a sealed bundle holds
// exactly the entries that the event table accepted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace yoda {

/// One output file of a range inside the tar.
struct BundleMember {
    std::string name;               ///< ends in ".<eventRangeID>" (docs/reference/panda.md §8)
    std::uint64_t data_offset = 0;  ///< of the first byte of its content in the tar
    std::uint64_t bytes = 0;
    std::uint32_t adler32 = 0;
    bool operator==(BundleMember const&) const = default;
};

/// All outputs of one finished range. Tar bytes [begin, end) hold its headers, contents and padding.
struct BundleEntry {
    std::uint32_t range = 0;  ///< row in the event table
    std::uint32_t epoch = 0;  ///< hand-out that produced it
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::uint32_t cpu_ms = 0;
    std::uint32_t wall_ms = 0;
    std::string range_id;  ///< eventRangeID
    std::vector<BundleMember> members;
    bool operator==(BundleEntry const&) const = default;
};

/// Who made the bundle; with `sequence` it never names two bundles, also of two runs
/// of one PandaID (ADR 0034).
struct BundleOrigin {
    std::int64_t panda_id = 0;
    std::uint32_t job = 0;  ///< position of the job in job.json
    std::uint32_t life = 0;
    std::uint32_t rank = 0;
    std::uint32_t sequence = 0;
    std::uint32_t run = 0;  ///< Job::run_id(); 0 in runs that were made before runs had one
    bool operator==(BundleOrigin const&) const = default;
};

/// "EventService_premerge_<PandaID>_<run, 8 hex digits>_<life>_<rank>_<sequence>", without folder or suffix;
/// the run is left out where it is 0.
std::string bundle_name(BundleOrigin const& origin);
/// Eight hexadecimal digits in lower case; nullopt for anything else, and for zero.
std::optional<std::uint32_t> parse_run_id(std::string_view text);

/// The bytes that begin an index file.
std::string encode_index_header(BundleOrigin const& origin);
/// Appends one framed entry to `out`.
void encode_index_entry(BundleEntry const& entry, std::string& out);

struct BundleIndex {
    BundleOrigin origin;
    std::vector<BundleEntry> entries;
    std::vector<std::uint64_t> frames;  ///< where in the file each entry's frame begins
    std::uint64_t good_bytes = 0;       ///< length of the part of the file that is whole
    bool torn = false;                  ///< something after good_bytes did not check
};

/// Reads as far as the frames check; an error only if not even the header does (not an
/// index, another version).
Result<BundleIndex> decode_index(std::string_view bytes);

/// The entry whose frame begins at the begin of `bytes`; nullopt if it does not check. What follows the frame
/// is not looked at.
std::optional<BundleEntry> decode_index_entry(std::string_view bytes);
/// How long the frame is that begins with these bytes; 0 if they are fewer than 8.
std::uint64_t index_frame_bytes(std::string_view bytes);

/// NAME.manifest.json: what harvest needs to know of a sealed bundle without reading it.
struct BundleManifest {
    BundleOrigin origin;
    std::int64_t task_id = 0;
    std::int64_t jobset_id = 0;
    std::string bundle;  ///< file name of the tar
    std::uint64_t bytes = 0;
    std::uint32_t adler32 = 0;  ///< of the whole tar
    std::uint64_t entry_count = 0;
    std::uint64_t index_bytes = 0;
    std::int64_t sealed_unix_s = 0;
    bool operator==(BundleManifest const&) const = default;
};

std::string print_manifest(BundleManifest const& manifest);
/// Errors: not JSON, another version, a key missing or of the wrong type, a name with a folder in it.
Result<BundleManifest> parse_manifest(std::string_view text);

}  // namespace yoda
