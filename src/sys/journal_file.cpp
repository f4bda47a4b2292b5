#include "sys/journal_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>

#include "sys/files.hpp"

namespace yoda {

namespace {

std::string segment_path(std::string const& folder, Life life, std::uint64_t number)
{
    return fmt::format("{}/{:05}-{:010}.journal", folder, life, number);
}

}  // namespace

/// The queue and the thread that empties it.
class JournalFile::Thread {
  public:
    Thread(std::string folder, Life life, JournalOptions options, FileDescriptor file, std::uint64_t number,
           FileDescriptor event)
        : folder_(std::move(folder)),
          life_(life),
          options_(options),
          file_(std::move(file)),
          number_(number),
          event_(std::move(event)),
          thread_([this] { run(); })
    {}

    ~Thread()
    {
        {
            std::lock_guard const lock(mutex_);
            ending_ = true;
        }
        wake_.notify_one();
        thread_.join();
    }

    std::uint64_t append(std::string_view frames)
    {
        std::lock_guard const lock(mutex_);
        if (queue_.empty()) wake_.notify_one();
        queue_.append(frames);
        appended_ += frames.size();
        return appended_;
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
        if (!failed_) return {};
        std::lock_guard const lock(mutex_);
        return *error_;
    }

    Result<std::uint64_t> rotate()
    {
        auto const number = number_ + 1;
        auto file =
            open_file(segment_path(folder_, life_, number), O_WRONLY | O_CREAT | O_EXCL | O_APPEND, 0644);
        if (!file) return file.error();
        if (auto synced = sync_folder(folder_); !synced) return synced.error();
        std::lock_guard const lock(mutex_);
        number_ = number;
        turns_.push_back({appended_, std::move(*file)});
        return number;
    }

    void remove_before(std::uint64_t segment)
    {
        auto const segments = list_segments(folder_);
        if (!segments) return;
        for (auto const& old : *segments) {
            if (old.number < segment) ::unlink(old.path.c_str());
        }
    }

  private:
    /// From this position on bytes belong to another file.
    struct Turn {
        std::uint64_t position;
        FileDescriptor file;
    };

    void run()
    {
        std::string batch;
        std::unique_lock lock(mutex_);
        for (;;) {
            wake_.wait(lock, [&] { return ending_ || !queue_.empty(); });
            if (queue_.empty() && ending_) return;
            if (!ending_ && options_.commit_interval.ns > 0) {
                // Others may join this commit.
                wake_.wait_for(lock, std::chrono::nanoseconds(options_.commit_interval.ns),
                               [&] { return ending_; });
            }
            batch.clear();
            std::swap(batch, queue_);
            std::uint64_t const begin = taken_;
            taken_ += batch.size();
            std::deque<Turn> turns;
            while (!turns_.empty() && turns_.front().position < taken_) {
                turns.push_back(std::move(turns_.front()));
                turns_.pop_front();
            }
            lock.unlock();
            auto const status = commit(batch, begin, turns);
            lock.lock();
            if (!status) {
                error_ = status;
                failed_ = true;
            } else if (!failed_) {
                durable_ = begin + batch.size();
            }
            std::uint64_t const one = 1;
            [[maybe_unused]] auto const n = ::write(event_.get(), &one, sizeof one);
        }
    }

    Status commit(std::string_view bytes, std::uint64_t begin, std::deque<Turn>& turns)
    {
        if (failed_) return *error_;
        for (;;) {
            auto const until =
                turns.empty() ? bytes.size() : static_cast<std::size_t>(turns.front().position - begin);
            auto const part = bytes.substr(0, until);
            if (!part.empty()) {
                if (auto written = write_all(file_.get(), part, folder_); !written) return written;
                if (options_.slow_sync.ns > 0)
                    std::this_thread::sleep_for(std::chrono::nanoseconds(options_.slow_sync.ns));
                if (::fdatasync(file_.get()) != 0) return os_error("sync the journal in", folder_, errno);
            }
            if (turns.empty()) return {};
            bytes.remove_prefix(until);
            begin += until;
            file_ = std::move(turns.front().file);
            turns.pop_front();
        }
    }

    std::string folder_;
    Life life_;
    JournalOptions options_;
    FileDescriptor file_;  ///< the thread's
    std::uint64_t number_;
    FileDescriptor event_;
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::string queue_;
    std::deque<Turn> turns_;
    std::atomic<std::uint64_t> appended_ = 0;
    std::atomic<std::uint64_t> durable_ = 0;
    std::uint64_t taken_ = 0;
    std::atomic<bool> failed_ = false;
    std::optional<Status> error_;
    bool ending_ = false;
    std::thread thread_;  // last: it uses all of the above
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
    auto file = open_file(segment_path(folder, life, number), O_WRONLY | O_CREAT | O_EXCL | O_APPEND, 0644);
    if (!file) return file.error();
    if (auto synced = sync_folder(folder); !synced) return synced.error();
    FileDescriptor event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event) return os_error("make", "an eventfd", errno);
    return std::unique_ptr<JournalFile>(new JournalFile(
        std::make_unique<Thread>(folder, life, options, std::move(*file), number, std::move(event))));
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

Result<std::vector<JournalSegment>> list_segments(std::string const& folder)
{
    std::vector<JournalSegment> segments;
    std::error_code code;
    for (auto const& entry : std::filesystem::directory_iterator(folder, code)) {
        auto const name = entry.path().filename().string();
        unsigned life = 0;
        std::uint64_t number = 0;
        char const* const end = name.data() + name.size();
        auto const first = std::from_chars(name.data(), end, life);
        if (first.ec != std::errc{} || first.ptr == end || *first.ptr != '-' || life > UINT16_MAX) continue;
        auto const second = std::from_chars(first.ptr + 1, end, number);
        if (second.ec != std::errc{} ||
            std::string_view(second.ptr, static_cast<std::size_t>(end - second.ptr)) != ".journal")
            continue;
        std::error_code size_code;
        segments.push_back(
            {static_cast<Life>(life), number, entry.path().string(), entry.file_size(size_code)});
    }
    if (code) return os_error("read folder", folder, code.value());
    std::sort(segments.begin(), segments.end(),
              [](JournalSegment const& a, JournalSegment const& b) { return a.number < b.number; });
    return segments;
}

}  // namespace yoda
