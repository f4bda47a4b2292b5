// SPDX-License-Identifier: Apache-2.0
#include "sys/journal/file.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "sys/base/clock.hpp"
#include "sys/base/files.hpp"
#include "sys/journal/queue.hpp"

namespace yoda {

namespace {

/// A commit does not wait for its interval when so much is queued.
constexpr std::uint64_t large_commit_bytes = 8ull << 20;

std::chrono::nanoseconds to_chrono(Duration d)
{
    return std::chrono::nanoseconds(d.ns);
}

}  // namespace

/// The queue and the thread that empties it.
class JournalFile::Thread {
  public:
    Thread(std::string folder, Life life, JournalOptions options, FileDescriptor file, std::uint64_t number,
           FileDescriptor event)
        : folder_(std::move(folder)),
          life_(life),
          options_(std::move(options)),
          event_(std::move(event)),
          last_number_(number),
          file_(std::move(file)),
          number_(number),
          thread_([this] { run(); })
    {}

    ~Thread()
    {
        {
            std::lock_guard const lock(mutex_);
            is_ending_ = true;
        }
        wake_.notify_one();
        thread_.join();
    }

    std::uint64_t append(std::string_view frames)
    {
        std::lock_guard const lock(mutex_);
        if (!error_) {
            auto const before = queue_.byte_count();
            queue_.append(frames);
            bool const is_first = before == 0;
            bool const is_much = before < large_commit_bytes && queue_.byte_count() >= large_commit_bytes;
            if (is_first || is_much) wake_.notify_one();
        }
        auto const position = appended_.load(std::memory_order_relaxed) + frames.size();
        appended_.store(position, std::memory_order_relaxed);
        return position;
    }

    bool full() const { return appended_ - durable_ > options_.queue_limit_bytes; }
    std::uint64_t appended() const { return appended_; }
    std::uint64_t durable() const { return durable_; }
    int event_fd() const { return event_.get(); }

    void clear_event()
    {
        std::uint64_t count;
        [[maybe_unused]] auto const n = ::read(event_.get(), &count, sizeof count);
    }

    Status error() const
    {
        if (!has_failed_.load(std::memory_order_relaxed)) return {};  // asked in every turn of a loop
        std::lock_guard const lock(mutex_);
        return *error_;
    }

    std::optional<Error> take_warning()
    {
        std::lock_guard const lock(mutex_);
        return std::exchange(warning_, std::nullopt);
    }

    Result<std::uint64_t> rotate()
    {
        std::lock_guard const lock(mutex_);
        if (error_) return *error_;
        if (queue_.empty()) wake_.notify_one();
        queue_.append_turn(++last_number_);
        return last_number_;
    }

    void remove_before(std::uint64_t segment)
    {
        std::lock_guard const lock(mutex_);
        remove_before_ = std::max(remove_before_, segment);
        wake_.notify_one();
    }

  private:
    void run()
    {
        std::unique_lock lock(mutex_);
        for (;;) {
            wake_.wait(lock, [this] { return is_ending_ || !queue_.empty() || must_remove(); });
            wait_for_company(lock);
            auto blocks = queue_.take();
            bool const is_last = is_ending_;
            std::uint64_t const remove_to = must_remove() ? remove_before_ : 0;
            lock.unlock();
            std::uint64_t byte_count = 0;
            Status const status = commit(blocks, byte_count);
            if (status && remove_to != 0) remove(remove_to);
            lock.lock();
            queue_.recycle(std::move(blocks));
            settle(status, byte_count);
            if (is_last && queue_.empty()) return;
        }
    }

    /// Until the next commit is due.
    void wait_for_company(std::unique_lock<std::mutex>& lock)
    {
        if (queue_.byte_count() == 0) return;
        Duration const left = last_commit_ + options_.commit_interval - clock_.now();
        auto const is_due = [this] { return is_ending_ || queue_.byte_count() >= large_commit_bytes; };
        if (left.ns > 0) wake_.wait_for(lock, to_chrono(left), is_due);
        last_commit_ = clock_.now();
    }

    Status commit(JournalQueue::Blocks const& blocks, std::uint64_t& byte_count)
    {
        std::uint64_t unsynced_count = 0;
        auto const sync = [&]() -> Status {
            if (unsynced_count == 0) return {};
            unsynced_count = 0;
            if (options_.slow_sync.ns > 0) std::this_thread::sleep_for(to_chrono(options_.slow_sync));
            int const failure = options_.sync                   ? options_.sync(file_.get())
                                : ::fdatasync(file_.get()) != 0 ? errno
                                                                : 0;
            if (failure != 0)
                return os_error("sync the journal", segment_path(folder_, life_, number_), failure);
            return {};
        };
        for (auto const& block : blocks) {
            if (block.new_segment != 0) {
                if (Status const synced = sync(); !synced) return synced;
                turn(block.new_segment);
                continue;
            }
            auto const bytes = block.bytes();
            unsynced_count += bytes.size();
            byte_count += bytes.size();
            if (Status const written = write_all(file_.get(), bytes, segment_path(folder_, life_, number_));
                !written)
                return written;
        }
        return sync();
    }

    void turn(std::uint64_t number)
    {
        auto file = create_segment(folder_, life_, number);
        if (!file) return warn(file.error());
        file_ = std::move(*file);
        number_ = number;
    }

    void remove(std::uint64_t segment)
    {
        // If the new segment could not be made, the old one holds what a checkpoint does not.
        if (Status const removed = remove_segments(folder_, life_, std::min(segment, number_)); !removed)
            warn(removed.error());
        removed_before_ = segment;
    }

    bool must_remove() const { return remove_before_ > removed_before_; }

    void warn(Error error)
    {
        std::lock_guard const lock(mutex_);
        warning_ = std::move(error);
    }

    /// With the mutex held.
    void settle(Status const& status, std::uint64_t byte_count)
    {
        if (status && byte_count == 0) return;
        if (status && !error_) durable_ += byte_count;
        if (!status && !error_) {
            error_ = status.error();
            has_failed_ = true;
        }
        if (error_) queue_.take();
        std::uint64_t const one = 1;
        [[maybe_unused]] auto const n = ::write(event_.get(), &one, sizeof one);
    }

    std::string const folder_;
    Life const life_;
    JournalOptions const options_;
    FileDescriptor const event_;
    std::atomic<std::uint64_t> appended_ = 0;
    std::atomic<std::uint64_t> durable_ = 0;
    std::atomic<bool> has_failed_ = false;

    mutable std::mutex mutex_;  ///< of what follows
    std::condition_variable wake_;
    JournalQueue queue_;
    std::uint64_t last_number_;
    std::uint64_t remove_before_ = 0;
    std::optional<Error> error_;
    std::optional<Error> warning_;
    bool is_ending_ = false;

    SystemClock clock_;  ///< the thread's, and what follows
    TimePoint last_commit_{INT64_MIN / 4};
    FileDescriptor file_;
    std::uint64_t number_;
    std::uint64_t removed_before_ = 0;
    std::thread thread_;  ///< the last: it uses all of the above
};

JournalFile::JournalFile(std::unique_ptr<Thread> thread) : thread_(std::move(thread)) {}
JournalFile::~JournalFile() = default;

Result<std::unique_ptr<JournalFile>> JournalFile::open(std::string const& folder, Life life,
                                                       JournalOptions options)
{
    auto const segments = list_segments(folder);
    if (!segments) return segments.error();
    std::uint64_t number = 1;
    for (auto const& segment : *segments) number = std::max(number, segment.number + 1);
    auto file = create_segment(folder, life, number);
    if (!file) return file.error();
    FileDescriptor event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event) return os_error("make", "an eventfd", errno);
    return std::unique_ptr<JournalFile>(new JournalFile(std::make_unique<Thread>(
        folder, life, std::move(options), std::move(*file), number, std::move(event))));
}

std::uint64_t JournalFile::append(std::string_view frames)
{
    return thread_->append(frames);
}
bool JournalFile::full() const
{
    return thread_->full();
}
std::uint64_t JournalFile::appended() const
{
    return thread_->appended();
}
std::uint64_t JournalFile::durable() const
{
    return thread_->durable();
}
Status JournalFile::error() const
{
    return thread_->error();
}
std::optional<Error> JournalFile::take_warning()
{
    return thread_->take_warning();
}
int JournalFile::event_fd() const
{
    return thread_->event_fd();
}
void JournalFile::clear_event()
{
    thread_->clear_event();
}
Result<std::uint64_t> JournalFile::rotate()
{
    return thread_->rotate();
}
void JournalFile::remove_before(std::uint64_t segment)
{
    thread_->remove_before(segment);
}

}  // namespace yoda
