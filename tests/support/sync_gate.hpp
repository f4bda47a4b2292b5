// SPDX-License-Identifier: Apache-2.0
// A journal's sync that a test holds back, or lets fail.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <thread>

namespace yoda::test {

class SyncGate {
  public:
    /// For JournalOptions::sync. The gate must outlive the journal.
    std::function<int(int)> hook()
    {
        return [this](int fd) {
            ++begun;
            while (closed) std::this_thread::yield();
            int const failure = fail_with;
            return failure != 0 ? failure : ::fdatasync(fd) != 0 ? errno : 0;
        };
    }
    std::atomic<int> begun = 0;
    std::atomic<bool> closed = false;
    std::atomic<int> fail_with = 0;
};

}  // namespace yoda::test
