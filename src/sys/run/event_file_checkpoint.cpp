// SPDX-License-Identifier: Apache-2.0
#include "sys/run/event_file_checkpoint.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "sys/run/event_file_constant.hpp"
#include "sys/run/event_file_state.hpp"

namespace yoda {

using event_file::EventsFile;
using event_file::StateFile;
using event_file::StateRow;

namespace {

constexpr std::size_t max_waiting_chunks = 4;  // times 1.3 MB

struct Order {
    std::string run;
    EventFileInfo info;
    CheckpointInfo checkpoint;
    RangeIndex rows = 0;
    bool with_events = false;
};

struct Chunk {
    RangeIndex first = 0;
    std::vector<StateRow> rows;
    std::vector<RangeRow> events;  ///< if events.h5 is written too
    bool is_last = false;
    // Only with the last one.
    std::vector<BundleState> bundles;
    std::vector<FileEntry> files;
    std::vector<std::string> texts;
};

}  // namespace

/// What both threads see, all of it under the mutex.
struct CheckpointWriter::Shared {
    std::mutex mutex;
    std::condition_variable changed;
    bool stop = false;
    std::optional<Order> order;
    std::deque<Chunk> chunks;
    std::optional<Result<CheckpointInfo>> result;
    std::vector<std::vector<StateRow>> spare;  ///< buffers to use again
    std::thread thread;

    void run();
    void write(Order const& order);
};

void CheckpointWriter::Shared::run()
{
    for (;;) {
        Order next;
        {
            std::unique_lock lock(mutex);
            changed.wait(lock, [&] { return stop || order; });
            if (stop) return;
            next = std::move(*order);
            order.reset();
        }
        write(next);
    }
}

void CheckpointWriter::Shared::write(Order const& next)
{
    StateFile file(next.run, next.info.run_id, next.checkpoint, next.rows);
    std::optional<EventsFile> events;
    if (next.with_events) events.emplace(next.run, next.info, next.rows);
    for (;;) {
        Chunk chunk;
        {
            std::unique_lock lock(mutex);
            changed.wait(lock, [&] { return stop || !chunks.empty(); });
            if (stop) return;
            chunk = std::move(chunks.front());
            chunks.pop_front();
        }
        file.write(chunk.first, chunk.rows);
        if (events) events->write(chunk.first, chunk.events);
        Status status;
        // events.h5 first: it may have rows that state.h5 lacks, but not the other way round.
        if (chunk.is_last && events) status = events->commit(chunk.files, chunk.texts);
        if (chunk.is_last && status) status = file.commit(chunk.bundles);
        std::lock_guard const lock(mutex);
        spare.push_back(std::move(chunk.rows));
        if (!chunk.is_last) continue;
        result = status ? Result<CheckpointInfo>(next.checkpoint) : Result<CheckpointInfo>(status.error());
        return;
    }
}

CheckpointWriter::CheckpointWriter() : shared_(std::make_unique<Shared>())
{
    shared_->thread = std::thread([shared = shared_.get()] { shared->run(); });
}

CheckpointWriter::~CheckpointWriter()
{
    stop();
}

void CheckpointWriter::stop()
{
    if (!shared_->thread.joinable()) return;
    {
        std::lock_guard const lock(shared_->mutex);
        shared_->stop = true;
    }
    shared_->changed.notify_all();
    shared_->thread.join();
}

bool CheckpointWriter::busy() const
{
    return busy_;
}

void CheckpointWriter::begin(std::string const& run, EventFileInfo const& info,
                             CheckpointInfo const& checkpoint, RangeIndex rows, bool with_events)
{
    YODA_CHECK(!busy_, "one checkpoint at a time");
    YODA_CHECK(shared_->thread.joinable(), "no checkpoint after stop()");
    busy_ = true;
    fed_ = false;
    next_ = 0;
    rows_ = rows;
    with_events_ = with_events;
    {
        std::lock_guard const lock(shared_->mutex);
        shared_->order = Order{run, info, checkpoint, rows, with_events};
    }
    shared_->changed.notify_all();
}

bool CheckpointWriter::feed(EventTable const& table)
{
    if (!busy_ || fed_) return false;
    Chunk chunk;
    {
        std::lock_guard const lock(shared_->mutex);
        if (shared_->chunks.size() >= max_waiting_chunks) return false;
        if (!shared_->spare.empty()) {
            chunk.rows = std::move(shared_->spare.back());
            shared_->spare.pop_back();
        }
    }
    RangeIndex const count = std::min<RangeIndex>(hdf5::chunk_rows, rows_ - next_);
    chunk.first = next_;
    chunk.rows.resize(count);
    for (RangeIndex i = 0; i < count; ++i)
        chunk.rows[i] = {table.progress(next_ + i), table.row(next_ + i).winner};
    if (with_events_) {
        chunk.events.resize(count);
        for (RangeIndex i = 0; i < count; ++i) chunk.events[i] = table.row(next_ + i);
    }
    next_ += count;
    if (next_ == rows_) {
        fed_ = true;
        chunk.is_last = true;
        chunk.bundles = table.bundles();  // Now, so that no row names a bundle that is not in it.
        if (with_events_) {
            chunk.files = table.files();
            chunk.texts = table.texts();
        }
    }
    {
        std::lock_guard const lock(shared_->mutex);
        shared_->chunks.push_back(std::move(chunk));
    }
    shared_->changed.notify_all();
    return true;
}

std::optional<Result<CheckpointInfo>> CheckpointWriter::take_result()
{
    std::lock_guard const lock(shared_->mutex);
    if (!shared_->result) return std::nullopt;
    busy_ = false;
    auto result = std::move(shared_->result);
    shared_->result.reset();
    return result;
}

}  // namespace yoda
