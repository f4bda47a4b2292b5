// SPDX-License-Identifier: Apache-2.0
// Waits for file descriptors (epoll) and calls whoever is interested. One thread.
#pragma once

#include <functional>
#include <unordered_map>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "sys/base/files.hpp"

namespace yoda {

class Poller {
  public:
    static Result<Poller> make();

    /// `ready` is called when `fd` can be read, or its other end is closed.
    void add(int fd, std::function<void()> ready);
    /// From within a callback too, also the one that is running.
    void remove(int fd);
    /// Waits at most `limit` (rounded up to a microsecond), calls the callbacks; returns how many.
    int wait(Duration limit);

  private:
    explicit Poller(FileDescriptor epoll) : epoll_(std::move(epoll)) {}
    FileDescriptor epoll_;
    std::unordered_map<int, std::function<void()>> ready_;
};

}  // namespace yoda
