// SPDX-License-Identifier: Apache-2.0
// Writes state.h5 in a thread of its own while dispatching goes on. The loop that owns the table copies it
// over in small chunks, one a turn; the thread compresses, writes, syncs and renames.
//
//     checkpoint.begin(run, info, {sequence, table.life()}, table.size());
//     // In every turn of the loop:
//     checkpoint.feed(table);                                        // takes some 0.1 ms, or nothing
//     if (auto const done = checkpoint.take_result()) judge(*done);  // durable: older segments may go
//
// Rows are copied while the table changes, so a row may be newer than the journal sequence that the file
// names. Replaying the later records onto such a row must therefore change nothing.
//
// When ranges have been added since events.h5 was written, that file is written too, and gets its name before
// state.h5 does: a state of ranges that events.h5 lacks could not be read.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/base/result.hpp"
#include "core/table/event_table.hpp"
#include "sys/run/event_file.hpp"

namespace yoda {

class CheckpointWriter {
  public:
    CheckpointWriter();
    /// As stop().
    ~CheckpointWriter();
    CheckpointWriter(CheckpointWriter const&) = delete;
    CheckpointWriter& operator=(CheckpointWriter const&) = delete;

    /// Abandons a checkpoint that is not done: the old state.h5 stays as it is, unless the new one is just
    /// being put in its place; waits for that. From then on nobody but the caller writes state.h5, and
    /// nothing more can be begun.
    void stop();
    /// Whether one is under way, from begin() until take_result() returned its result.
    bool busy() const;
    /// Starts one of the first `rows` ranges; `with_events`: events.h5 as well. Only when not busy.
    void begin(std::string const& run, EventFileInfo const& info, CheckpointInfo const& checkpoint,
               RangeIndex rows, bool with_events = false);
    /// Copies the next chunk of rows if the thread has room for it, with the last one also the bundles
    /// (and files and texts). Returns whether it copied anything. Never blocks longer than the copy takes.
    bool feed(EventTable const& table);
    /// What became of the checkpoint: once, when it is durable or has failed.
    std::optional<Result<CheckpointInfo>> take_result();

  private:
    struct Shared;
    std::unique_ptr<Shared> shared_;
    RangeIndex next_ = 0;
    RangeIndex rows_ = 0;
    bool with_events_ = false;
    bool busy_ = false;
    bool fed_ = false;
};

}  // namespace yoda
