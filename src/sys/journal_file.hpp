// The journal on disk: bytes appended to segment files RUN/journal/<life>-<segment>.journal by a thread of
// its own, synced in groups (docs/journal.md). The loop that owns the table only copies bytes into a bounded
// queue.
//
//     if (!journal.full()) ... position = journal.append(frames);
//     journal.durable() >= position  ->  what was said there survives a crash
//
// After an error nothing more is ever reported durable.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "core/time.hpp"
#include "core/types.hpp"

namespace yoda {

struct JournalOptions {
    Duration commit_interval = Duration::from_ms(10);  ///< appended bytes wait so long for others
    std::uint64_t queue_limit_bytes = 64ull << 20;
    Duration slow_sync{0};  ///< added to each sync: tests and benchmarks
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
    /// More is queued than should be: append as little as possible.
    bool full() const;
    std::uint64_t appended() const;
    std::uint64_t durable() const;
    /// The first failure, for ever.
    Status error() const;
    /// Readable when durable() has grown or error() has come, until clear_event().
    int event_fd() const;
    void clear_event();

    /// What is appended from now on goes to a new segment; returns its number. Errors as for open().
    Result<std::uint64_t> rotate();
    /// Removes the segments of this and older lives before this one: a checkpoint includes them.
    void remove_before(std::uint64_t segment);

  private:
    class Thread;
    explicit JournalFile(std::unique_ptr<Thread> thread);
    std::unique_ptr<Thread> thread_;
};

/// A segment as found in the folder.
struct JournalSegment {
    Life life = 0;
    std::uint64_t number = 0;  ///< grows over all lives
    std::string path;
    std::uint64_t bytes = 0;
};
/// All segments in order of writing. Error: the folder cannot be read.
Result<std::vector<JournalSegment>> list_segments(std::string const& folder);

}  // namespace yoda
