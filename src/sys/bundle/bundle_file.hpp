// SPDX-License-Identifier: Apache-2.0
// A Droid's open bundle: NAME.tar.part and NAME.index.part in the run's bundle folder, then sealed. Formats:
// core/table/bundle_index.hpp, docs/journal.md.
//
//   open --append--> open      bytes go to the tar; they count only after sync()
//   open --sync----> open      tar synced, then the index entries of what is in it appended and synced
//   open --seal----> sealed    no entry rejected: end blocks; index, then tar get their final names
//                              some rejected: a new tar and index without them, by write_sealed_copy();
//                              the .part files go last
//                              in both cases the manifest is written when all else is durable
//
// Wherever this is interrupted: with a manifest the final names count. Without one the .part files count; a
// part that has its final name already and no .part name left counts under the final name.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "core/table/bundle_index.hpp"
#include "sys/base/run_folder.hpp"
#include "sys/bundle/output_file.hpp"
#include "sys/bundle/sealed_copy.hpp"
#include "sys/bundle/tar_file.hpp"

namespace yoda {

/// What a bundle entry says about its range, besides where the bytes are.
struct EntryFacts {
    RangeIndex range = 0;
    Epoch epoch;
    std::string_view range_id;
    std::uint32_t cpu_ms = 0;
    std::uint32_t wall_ms = 0;
};

class BundleFile {
  public:
    /// Errors: the folder is missing, read-only or full; the bundle exists already.
    static Result<std::unique_ptr<BundleFile>> create(std::string const& folder, BundleOrigin const& origin);
    BundleFile(BundleFile const&) = delete;
    BundleFile& operator=(BundleFile const&) = delete;

    /// Appends one range's outputs, as members "<base name>.<eventRangeID>". A fault: this output is bad (it
    /// changed while it was read) and left no trace. An error: the bundle takes no more (full or broken
    /// disk); a last sync() may still save the entries before this one.
    Result<std::optional<OutputFault>> append(EntryFacts const& facts, std::span<OutputFile> outputs);
    /// Makes everything appended so far durable. After an error the bundle takes no
    /// more; what earlier syncs covered is safe.
    Status sync();
    /// Makes the bundle final, without the rejected hand-outs. entry_count 0: nothing was left, so there is
    /// no file. After an error recovery will find every synced entry.
    Result<BundleManifest> seal(SealFacts const& facts, std::span<EntryKey const> rejected);

    BundleOrigin const& origin() const { return origin_; }
    /// Of the tar, appended so far.
    std::uint64_t bytes() const { return tar_.bytes(); }
    std::uint64_t entry_count() const { return entry_count_; }

  private:
    BundleFile(std::string folder, BundleOrigin const& origin, FileDescriptor tar, FileDescriptor index);
    Result<std::optional<OutputFault>> append_members(std::span<OutputFile> outputs, BundleEntry& entry);
    Result<std::optional<OutputFault>> copy_content(OutputFile& output, BundleMember& member);
    Status append_index();
    Result<BundleManifest> seal_all(SealFacts const& facts);
    Result<BundleManifest> seal_without(SealFacts const& facts, std::span<EntryKey const> rejected);
    Status remove_files();
    Error refuse_more() const;

    std::string folder_;
    BundleOrigin origin_;
    BundlePaths paths_;
    TarFile tar_;
    FileDescriptor index_;
    std::uint64_t index_bytes_ = 0;  ///< written and synced
    std::string new_entries_;        ///< index frames of what was appended since the last sync
    std::uint64_t entry_count_ = 0;
    bool full_ = false;    ///< takes no more
    bool failed_ = false;  ///< not even what was appended can be made durable
    std::string scratch_;
};

}  // namespace yoda
