// SPDX-License-Identifier: Apache-2.0
#include "sys/lease/keeper.hpp"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace yoda {

class LeaseKeeper::Thread {
  public:
    Thread(Lease lease, LeasePolicy policy, FileDescriptor event)
        : policy_(policy), event_(std::move(event)), lease_(std::move(lease)), thread_([this] { run(); })
    {}
    ~Thread() { (void)bool(release()); }

    Status status() const
    {
        if (!is_lost_) return {};
        std::lock_guard const lock(mutex_);
        return *loss_;
    }

    std::optional<Error> take_warning()
    {
        std::lock_guard const lock(mutex_);
        return std::exchange(warning_, std::nullopt);
    }

    void set_life(std::uint32_t life)
    {
        {
            std::lock_guard const lock(mutex_);
            new_life_ = life;
        }
        wake_.notify_one();
    }

    Status release()
    {
        if (thread_.joinable()) {
            {
                std::lock_guard const lock(mutex_);
                is_ending_ = true;
            }
            wake_.notify_one();
            thread_.join();
        }
        return lease_.release();
    }

    int event_fd() const { return event_.get(); }

  private:
    void run()
    {
        std::unique_lock lock(mutex_);
        for (;;) {
            wake_.wait_for(lock, std::chrono::nanoseconds(policy_.beat_interval.ns),
                           [this] { return is_ending_ || new_life_; });
            if (is_ending_) return;
            if (new_life_) lease_.set_life(*std::exchange(new_life_, std::nullopt));
            lock.unlock();
            Status const beaten = lease_.beat();
            bool const removed = is_removed();
            lock.lock();
            if (beaten && !removed) continue;
            if (!removed && beaten.error().kind != ErrorKind::busy) {
                warning_ = beaten.error();
                continue;
            }
            loss_ = removed ? explain_removal() : beaten.error();
            is_lost_ = true;
            std::uint64_t const one = 1;
            [[maybe_unused]] auto const n = ::write(event_.get(), &one, sizeof one);
            return;
        }
    }

    /// Two looks in a row, a beat apart, found nothing at the folder's path: this is not a passing trouble.
    bool is_removed()
    {
        if (!lease_.folder_is_gone()) {
            gone_since_.reset();
            return false;
        }
        auto const now = clock_.now();
        if (!gone_since_) gone_since_ = now;
        return now - *gone_since_ >= policy_.beat_interval;
    }

    Error explain_removal() const
    {
        return {ErrorKind::io, fmt::format("the folder {} is gone", lease_.folder()),
                fmt::format("nothing was found at its path twice, {:.0f} s apart", policy_.beat_interval.s()),
                "this run has stopped; make a new run, or start a moved one at its new place"};
    }

    LeasePolicy const policy_;
    FileDescriptor const event_;
    SystemClock const clock_;
    Lease lease_;                          ///< the thread's, while it runs
    std::optional<TimePoint> gone_since_;  ///< the thread's
    std::atomic<bool> is_lost_ = false;
    mutable std::mutex mutex_;  ///< of what follows
    std::condition_variable wake_;
    std::optional<Error> loss_;
    std::optional<Error> warning_;
    std::optional<std::uint32_t> new_life_;
    bool is_ending_ = false;
    std::thread thread_;  ///< the last: it uses all of the above
};

LeaseKeeper::LeaseKeeper(std::unique_ptr<Thread> thread) : thread_(std::move(thread)) {}
LeaseKeeper::~LeaseKeeper() = default;

Result<std::unique_ptr<LeaseKeeper>> LeaseKeeper::start(Lease lease, LeasePolicy policy)
{
    FileDescriptor event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event) return os_error("make", "an eventfd", errno);
    return std::unique_ptr<LeaseKeeper>(
        new LeaseKeeper(std::make_unique<Thread>(std::move(lease), policy, std::move(event))));
}

Status LeaseKeeper::status() const
{
    return thread_->status();
}
int LeaseKeeper::event_fd() const
{
    return thread_->event_fd();
}
std::optional<Error> LeaseKeeper::take_warning()
{
    return thread_->take_warning();
}
void LeaseKeeper::set_life(std::uint32_t life)
{
    thread_->set_life(life);
}
Status LeaseKeeper::release()
{
    return thread_->release();
}

}  // namespace yoda
