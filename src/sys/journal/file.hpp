// SPDX-License-Identifier: Apache-2.0
// The journal on disk: a thread of its own appends bytes to segment files (segments.hpp) and syncs them in
// groups (docs/journal.md). The loop that owns the table only copies bytes into a bounded queue; no call
// waits for a disk, however slow, except open() and the destructor.
//
//     if (!journal.full()) position = journal.append(frames);
//     if (journal.durable() >= position) tell();  // what the frames say survives a crash
//
// A commit is one write and one fdatasync of all that is queued. A commit begins at once when the last one
// began at least `commit_interval` ago, or when much is queued. So a lone record does not wait, and many
// records share a sync.
//
// After an error nothing more is ever reported durable, and what is appended is dropped.
// When a sync fails and the next one works, this proves nothing: the kernel may have
// thrown the unwritten pages away in between.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/base/types.hpp"
#include "sys/journal/segments.hpp"

namespace yoda {

struct JournalOptions {
    Duration commit_interval = Duration::from_ms(10);
    std::uint64_t queue_limit_bytes = 64ull << 20;
    Duration slow_sync{0};  ///< added to each sync: tests and benchmarks
    /// Instead of fdatasync (0 or an errno): tests.
    std::function<int(int fd)> sync = {};
};

class JournalFile {
  public:
    /// Makes the first segment of this life (a number not used before). Errors: no folder, read-only, full.
    static Result<std::unique_ptr<JournalFile>> open(std::string const& folder, Life life,
                                                     JournalOptions options);
    /// Writes and syncs what is queued.
    ~JournalFile();
    JournalFile(JournalFile const&) = delete;
    JournalFile& operator=(JournalFile const&) = delete;

    /// Copies whole frames; returns the position behind them (bytes since open()). Never waits.
    std::uint64_t append(std::string_view frames);
    /// More than the limit is not durable yet: accept nothing new until that has changed.
    bool full() const;
    std::uint64_t appended() const;
    std::uint64_t durable() const;
    /// The first failure, for ever.
    Status error() const;
    /// What went wrong without harm to the journal: a segment that could not
    /// be made (the old one goes on) or removed.
    std::optional<Error> take_warning();
    /// Readable when durable() has grown or error() has come, until clear_event().
    int event_fd() const;
    void clear_event();

    /// What is appended from now on goes to a new segment; returns its number. Error: that of error().
    Result<std::uint64_t> rotate();
    /// Removes the segments of this life before this one, and those of older lives: a checkpoint includes
    /// them. Done by the thread, some time; the segment that is being written always stays.
    void remove_before(std::uint64_t segment);

  private:
    class Thread;
    explicit JournalFile(std::unique_ptr<Thread> thread);
    std::unique_ptr<Thread> thread_;
};

}  // namespace yoda
