// SPDX-License-Identifier: Apache-2.0
// Reads finished outputs out of the bundles that the event table names, and checks all of it: manifest, index
// and tar must agree, and the bytes of an output must have its adler32 before a caller gets them.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/table/bundle_index.hpp"
#include "core/table/event_table.hpp"
#include "harvest/merge/merge.hpp"
#include "sys/base/files.hpp"

namespace yoda {

/// Called before each range with the number of ranges done.
using MergeAdvance = std::function<void(std::uint64_t done, RangeIndex next)>;

class MergeBundles {
  public:
    /// Takes only references: `table` must outlive it.
    MergeBundles(EventTable const& table, std::string const& run, std::string const& fetched_folder);

    std::vector<MissingBundle> const& missing() const { return missing_; }
    /// Reads all indexes: where each finished range is. Errors: missing bundles, indexes that are damaged or
    /// contradict manifest, tar or table, ranges that are nowhere.
    Status locate();

    /// The index entry of a finished range. Memory: one entry.
    Result<BundleEntry> find(RangeIndex range);
    /// A member's content, whole and verified; valid until the next call.
    Result<std::string_view> read(RangeIndex range, BundleMember const& member);
    /// Gives a member's content to `sink` in pieces. Only when it returns well was the content good.
    Status copy(RangeIndex range, BundleMember const& member,
                std::function<Status(std::string_view)> const& sink);
    /// The open tar in which the range lies, for reading a verified member in place.
    Result<int> tar_fd(RangeIndex range);

  private:
    struct Bundle {
        std::string tar_path;
        std::string index_path;
        std::string manifest_path;  ///< empty: not sealed
        std::uint64_t tar_bytes = 0;
        std::uint64_t range_count = 0;  ///< finished ranges that the table says are in it
        FileDescriptor tar;
        FileDescriptor index;
        bool open = false;
    };
    Bundle const& bundle_of(RangeIndex range) const { return bundles_[table_.progress(range).holder]; }
    void choose_paths(BundleNumber number, std::string const& folder, std::string const& fetched_folder);
    Status locate_in(BundleNumber number);
    Status check_manifest(BundleNumber number, BundleIndex const& index, std::uint64_t index_bytes) const;
    Result<Bundle*> open(RangeIndex range);
    Status check_entry(RangeIndex range, Bundle const& bundle, BundleEntry const& entry) const;
    Error damaged(RangeIndex range, std::string why) const;

    EventTable const& table_;
    std::vector<Bundle> bundles_;  ///< by bundle number
    std::vector<MissingBundle> missing_;
    std::vector<std::uint64_t> frames_;  ///< by range: where in the index its entry is
    std::list<BundleNumber> open_;       ///< last used first; their number is bounded
    std::string content_;
};

}  // namespace yoda
