// SPDX-License-Identifier: Apache-2.0
// Keeps a lease alive in a thread of its own, since a beat may wait for a slow file system.
#pragma once

#include <memory>
#include <optional>

#include "sys/lease/lease.hpp"

namespace yoda {

class LeaseKeeper {
  public:
    /// Error: no eventfd.
    static Result<std::unique_ptr<LeaseKeeper>> start(Lease lease, LeasePolicy policy);
    /// Releases the lease.
    ~LeaseKeeper();
    LeaseKeeper(LeaseKeeper const&) = delete;
    LeaseKeeper& operator=(LeaseKeeper const&) = delete;

    /// Error: the lease is lost; stop at once, write nothing. For ever.
    Status status() const;
    /// Readable from the moment when the lease is lost.
    int event_fd() const;
    /// A beat that failed although the lease was not lost, as far as one can tell.
    std::optional<Error> take_warning();
    /// Shown in the lock file at once.
    void set_life(std::uint32_t life);
    /// Waits for a beat that is under way, then releases.
    Status release();

  private:
    class Thread;
    explicit LeaseKeeper(std::unique_ptr<Thread> thread);
    std::unique_ptr<Thread> thread_;
};

}  // namespace yoda
