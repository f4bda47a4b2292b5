// SPDX-License-Identifier: Apache-2.0
// The thread of the Droid that writes bundles. The Droid's loop only queues orders and collects news; the
// loop never waits for a disk:
//
//     writer.store(sequence, output);                   // DroidEffects::store; so with seal and discard
//     writer.hurry();                                   // no more is coming, and somebody waits for the sync
//     poller.add(writer.event_fd(), on_news);           // readable: there is news
//     for (auto& news : writer.take()) tell(news);      // Stored, OutputBad, Sealed, BundleFailed, ...
//     if (writer.full()) stop_reading_from_payloads();  // until it is not full any more
//
// The thread takes all that is queued and appends it at once, since the worker that made an output goes on
// working in the same folder. Then the thread syncs each bundle that it appended to (group commit) and tells
// the news. News of one bundle come in order: Stored before BundleFailed or Sealed. After BundleFailed
// nothing more is told about that bundle, whatever is still queued for it.
//
// A second thread removes what is not needed any more: to remove a payload's folder may take minutes, and
// bundles are written meanwhile.
//
// The first thread syncs at once when its last sync was at least `sync_interval` ago, when much is unsynced,
// to seal a bundle, and after hurry(). So a lone output does not wait, and many small ones share two syncs:
// a shared filesystem bears nothing worse than thousands of nodes that sync each range by itself.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "droid/core/droid_core.hpp"
#include "sys/base/clock.hpp"

namespace yoda {

struct BundleWriterSetup {
    std::string bundle_folder;
    std::string work_root;  ///< discarded files must lie below it
    Life life = 0;
    Rank rank = 0;
    struct JobIds {
        std::int64_t panda_id = 0;
        std::int64_t task_id = 0;
        std::int64_t jobset_id = 0;
        std::uint32_t run_id = 0;
    };
    std::vector<JobIds> jobs;        ///< by JobIndex
    std::size_t queue_limit = 4096;  ///< orders, from which on it is full()
    Duration sync_interval = Duration::from_ms(100);
    std::size_t much_unsynced = 512;       ///< outputs: so many wait for no interval
    std::function<void()> before_sync;     ///< tests: called by the thread before each sync
    std::function<void()> before_removal;  ///< tests: called by the other thread before it removes something
};

class BundleWriter {
  public:
    /// `clock` must outlive the writer; it is used by the thread.
    BundleWriter(BundleWriterSetup setup, Clock const& clock);
    /// Waits for what the thread is at, for removals that were begun, and for errands; drops what is queued.
    ~BundleWriter();
    BundleWriter(BundleWriter const&) = delete;
    BundleWriter& operator=(BundleWriter const&) = delete;

    // Orders, carried out in this sequence, never refused; while full() is true the caller should add none.
    /// Append to bundle `sequence` of the output's job; opened when it is first named.
    void store(std::uint32_t sequence, RangeOutput const& output);
    void seal(JobIndex job, std::uint32_t sequence, std::vector<HandOut> const& rejected);
    /// Remove its files.
    void discard(RangeOutput const& output);
    /// Remove this folder with all that is in it, when the outputs that were stored before have been read.
    void discard_folder(std::string const& folder);
    /// Done by the thread that removes, before what is discarded from now on.
    void do_aside(std::function<void()> errand);
    /// What is queued or unsynced is carried out and synced now.
    void hurry();
    bool full() const;
    /// Since when the thread has been at one thing, from which no news has come; never: it has nothing to do.
    /// Removals do not count.
    TimePoint busy_since() const;

    // News.
    struct Stored {
        JobIndex job = 0;
        std::uint32_t sequence = 0;
        std::vector<DroidCore::Stored> entries;
    };
    /// Its files are gone, if they were below the work folder: the next try may use the same names.
    struct OutputBad {
        HandOut what;
        std::uint16_t error_code = 0;
        std::string reason;
    };
    struct Sealed {
        JobIndex job = 0;
        std::uint32_t sequence = 0;
        std::uint64_t bytes = 0;
        std::uint32_t entry_count = 0;
    };
    struct BundleFailed {
        JobIndex job = 0;
        std::uint32_t sequence = 0;
        std::string reason;
    };
    /// Files could not be removed: for the log.
    struct DiscardFailed {
        std::uint64_t file_count = 0;
        std::string reason;  ///< of the first
    };
    using News = std::variant<Stored, OutputBad, Sealed, BundleFailed, DiscardFailed>;

    /// Readable while there is news.
    int event_fd() const;
    std::vector<News> take();

  private:
    class Thread;
    std::unique_ptr<Thread> thread_;
};

}  // namespace yoda
