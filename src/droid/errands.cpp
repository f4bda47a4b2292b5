#include "droid/errands.hpp"

#include <chrono>
#include <utility>

namespace yoda {

Errands::~Errands()
{
    {
        std::lock_guard const lock(mutex_);
        is_ending_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void Errands::add(std::function<void()> errand)
{
    {
        std::lock_guard const lock(mutex_);
        waiting_.push_back(std::move(errand));
        if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    }
    changed_.notify_all();
}

bool Errands::wait(Duration limit)
{
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::nanoseconds(limit.ns),
                             [this] { return waiting_.empty() && !is_at_work_; });
}

void Errands::run()
{
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return is_ending_ || !waiting_.empty(); });
        if (waiting_.empty()) return;
        auto errand = std::move(waiting_.front());
        waiting_.pop_front();
        is_at_work_ = true;
        lock.unlock();
        errand();
        errand = nullptr;  // What it holds goes now, before it counts as done.
        lock.lock();
        is_at_work_ = false;
        if (waiting_.empty()) changed_.notify_all();
    }
}

}  // namespace yoda
