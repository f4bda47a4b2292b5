// SPDX-License-Identifier: Apache-2.0
// What the journal says, frame by frame, and the bytes of it (docs/journal.md). Pure:
// core/journal/recovery.hpp applies records to a table, sys/journal/file.hpp keeps bytes on disk.
//
// Records state what is, never a difference: replaying one twice, or over a checkpoint that already includes
// it, changes nothing.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/base/bytes.hpp"
#include "core/base/result.hpp"
#include "core/messages/messages.hpp"
#include "core/table/event_table.hpp"

namespace yoda::journal {

struct LifeStarted {
    std::int64_t unix_s = 0;
    std::string_view host;
    std::string_view batch_job;
};
struct LifeEnded {
    std::uint8_t exit_code = 0;
    std::string_view reason;
};
/// Ranges whose output is in this bundle; `epoch_life` is the life of the hand-outs.
struct RangesFinished {
    BundleNumber bundle = none;
    Life epoch_life = 0;
    std::span<FinishedEntry const> entries;
};
/// A failure: the range's state from then on (ready, failed or fatal), its burnt tries, the error.
struct RangeFailed {
    RangeIndex range = 0;
    RangeState state = RangeState::ready;
    std::uint8_t burnt = 0;
    std::uint16_t error_code = 0;
    std::string_view reason;
};
/// The output of a finished range turned out missing: it is ready again.
struct OutputLost {
    RangeIndex range = 0;
};
/// The state of bundle `number`: opened, sealed, copied under another name, or lost (its
/// ranges are ready again).
struct BundleChanged {
    BundleNumber number = 0;
    BundleState state;
};
struct JobDropped {
    JobIndex job = 0;
};
/// Feed: a file, and ranges of it, that events.h5 did not have when this life began.
struct FileAdded {
    FileIndex file = 0;
    FileEntry entry;
};
struct RangeAdded {
    RangeIndex range = 0;
    RangeRow row;
    std::string_view text_id;
};
/// This inbox note has been applied; the records of what it did stand before.
struct InboxApplied {
    std::string_view name;
};
/// No more ranges will come.
struct Closed {};

using Record = std::variant<LifeStarted, LifeEnded, RangesFinished, RangeFailed, OutputLost, BundleChanged,
                            JobDropped, FileAdded, RangeAdded, InboxApplied, Closed>;

struct FrameInfo {
    std::uint64_t sequence = 0;  ///< grows by one from frame to frame, over all lives
    Life life = 0;
};

/// Makes frames and numbers them.
class Writer {
  public:
    Writer(Life life, std::uint64_t next_sequence) : life_(life), next_sequence_(next_sequence) {}
    /// A RangesFinished with more entries than a frame takes becomes several frames.
    void append(Record const& record, std::string& out);
    /// The number that the next frame will get.
    std::uint64_t next_sequence() const { return next_sequence_; }

  private:
    void append_frame(Record const& record, std::string& out);

    Life life_;
    std::uint64_t next_sequence_;
};

/// Walks through the bytes of one journal segment.
class Reader {
  public:
    explicit Reader(std::string_view bytes) : bytes_(bytes) {}

    enum class Step { record, end, bad };
    /// Reads the next frame. `bad`: something does not check at offset();
    /// skip_bad() looks for the next whole frame.
    Step next();
    Record const& record() const { return record_; }
    FrameInfo const& info() const { return info_; }
    std::size_t offset() const { return offset_; }
    std::string const& trouble() const { return trouble_; }
    /// After `bad`: the frame is whole, but of another format version. That is not damage.
    bool is_other_version() const { return is_other_version_; }
    /// Moves to the next offset at which a whole frame checks; false if there is none: then all from offset()
    /// on is a torn tail.
    bool skip_bad();

  private:
    bool frame_at(std::size_t offset, FrameInfo& info, std::uint8_t& type, std::string_view& payload) const;
    bool decode(std::uint8_t type, std::string_view payload);

    std::string_view bytes_;
    std::size_t offset_ = 0;
    FrameInfo info_;
    Record record_;
    std::string trouble_;
    bool is_other_version_ = false;
    std::vector<FinishedEntry> finished_;
};

}  // namespace yoda::journal
