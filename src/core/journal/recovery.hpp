// SPDX-License-Identifier: Apache-2.0
// The event table against the bundles on disk: what the table believes finished must lie whole in the bundle
// it names, and what lies whole in a bundle need not be computed again. Pure: sys/run/bundle_scan.cpp finds
// the facts, sys/run/bundle_repair.cpp carries out the plans.
//
//   what the table says          what lies on the disk              what becomes of it
//   range finished in bundle B   its entry is whole in B            the range stays finished
//   range finished in bundle B   B is lost or cut off               ready, or finished in another bundle
//   range ready                  a whole entry of it in a bundle    finished (sealed bundles come first)
//   bundle open, or cut off      entries that count                 sealed as a copy under a new name
//   bundle open, or cut off      no entry that counts               set aside
//   bundle unknown               a sealed copy by a recovery        the copy takes the original's place
//   bundle unknown               sealed, with entries that count    these entries count
//   bundle unknown               sealed, no entry that counts       set aside
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/base/findings.hpp"
#include "core/journal/journal_format.hpp"
#include "core/table/bundle_index.hpp"
#include "core/table/event_table.hpp"

namespace yoda {

/// An index entry, as far as recovery needs it.
struct EntryFact {
    RangeIndex range = 0;
    Epoch epoch;
    std::uint64_t end = 0;  ///< of its bytes in the tar
    std::uint32_t cpu_ms = 0;
    std::uint32_t wall_ms = 0;
    std::uint32_t position = 0;  ///< in the index
};

enum class BundleCondition : std::uint8_t {
    sealed,   ///< manifest, index and tar, of the size that the manifest says
    cleaned,  ///< manifest and index, no tar: it has been delivered and cleaned up
    open,     ///< no manifest
    cut,      ///< manifest, but tar or index have another size
};

struct BundleFacts {
    BundleOrigin origin;
    BundleCondition condition = BundleCondition::open;
    std::uint64_t data_bytes = 0;
    bool entries_known = false;  ///< the index was read; else the manifest's word is taken
    std::vector<EntryFact> entries;
};

/// What is to happen to the files of a bundle.
enum class BundleUse : std::uint8_t {
    keep,       ///< nothing
    copy,       ///< copy `kept` under a new name, then set the files aside
    set_aside,  ///< to the quarantine: nothing in it counts
};

struct BundlePlan {
    BundleUse use = BundleUse::keep;
    BundleNumber number = none;          ///< in the table; none: nobody needs it
    std::vector<std::uint32_t> kept;     ///< copy: positions in the index
    std::vector<FinishedEntry> adopted;  ///< ranges that were ready and are finished by this bundle
    bool operator==(BundlePlan const&) const = default;
};

struct Reconciled {
    std::vector<BundlePlan> plans;      ///< one for each of the facts
    std::vector<RangeIndex> lost;       ///< ranges whose output was not where the table said
    std::vector<BundleNumber> changed;  ///< bundles whose row in the table changed
};

/// How many finished ranges each bundle holds, by the table.
std::vector<std::uint64_t> count_claims(EventTable const& table);
/// Bundles that hold output of finished ranges and are not sealed: of Droids at work, or of ones that died.
std::uint64_t count_open_bundles(EventTable const& table);

/// Whether the index of this bundle must be read: not if it is sealed and holds just as many entries as the
/// table thinks. `number` is its row in the table, or none.
bool needs_entries(EventTable const& table, std::span<std::uint64_t const> claims, BundleNumber number,
                   BundleCondition condition, std::uint64_t entry_count);

/// Brings the table in line with the bundles. `facts` in any order; the result does not depend on it but for
/// the order of plans. Memory: one bit a range.
Reconciled reconcile(EventTable& table, std::span<BundleFacts const> facts, Findings& findings);

/// Records that say what recovery did, for the journal. They own what they point to.
class RecoveryRecords {
  public:
    /// From the table as it is after repair: so what was lost and found again is told once.
    void add_lost(EventTable const& table, std::span<RangeIndex const> ranges);
    void add_changed(EventTable const& table, std::span<BundleNumber const> numbers);
    void add_adopted(EventTable const& table, BundleNumber number, std::span<FinishedEntry const> entries);

    bool empty() const { return lost_.empty() && bundles_.empty() && finished_.empty(); }
    /// As frames, numbered by `writer`.
    std::string encode(journal::Writer& writer) const;

  private:
    struct Finished {
        BundleNumber bundle;
        Life epoch_life;
        std::vector<FinishedEntry> entries;
    };
    std::vector<RangeIndex> lost_;
    std::vector<journal::BundleChanged> bundles_;
    std::vector<Finished> finished_;
};

}  // namespace yoda
