// SPDX-License-Identifier: Apache-2.0
// A thread that does, one after the other, what a loop must not wait for. To walk or to remove a folder may
// take minutes on a slow disk, and a Droid that says nothing meanwhile is taken for dead.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "core/base/time.hpp"

namespace yoda {

/// The thread begins with the first errand.
class Errands {
  public:
    Errands() = default;
    /// Does all that is waiting, and what that adds.
    ~Errands();
    Errands(Errands const&) = delete;
    Errands& operator=(Errands const&) = delete;

    /// Never blocks and is never refused. An errand may add errands.
    void add(std::function<void()> errand);
    /// Whether all is done, at the latest after this time.
    bool wait(Duration limit);

  private:
    void run();

    std::mutex mutex_;  ///< of what follows
    std::condition_variable changed_;
    std::deque<std::function<void()>> waiting_;
    bool is_at_work_ = false;
    bool is_ending_ = false;
    std::thread thread_;  ///< the last: it uses all of the above
};

}  // namespace yoda
