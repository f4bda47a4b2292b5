// SPDX-License-Identifier: Apache-2.0
// One harvest at a time speaks to PanDA for a run: whoever holds the lease FOLDER/turn (sys/lease/lease.hpp).
// The lease only saves double work. Where it fails nothing goes wrong: all that is sent may be sent twice,
// and each request for jobs or ranges has a number, given by the harvest that was first.
#pragma once

#include <memory>
#include <string>

#include "core/base/result.hpp"
#include "sys/base/clock.hpp"
#include "sys/lease/keeper.hpp"

namespace yoda {

/// A thread of its own shows that the holder lives, since a request or an input's transfer may take longer
/// than anybody waits.
class Turn {
  public:
    /// Waits at most policy.silence_limit and a bit while it is not clear whether the holder lives. Error of
    /// kind busy: another harvest lives and has the turn. `folder` must exist.
    static Result<Turn> take(std::string const& folder, Clock const& clock, LeasePolicy policy = {});

    /// Error of kind busy: the turn was taken over; stop. Ask before each request.
    Status check() const { return keeper_->status(); }

  private:
    explicit Turn(std::unique_ptr<LeaseKeeper> keeper) : keeper_(std::move(keeper)) {}
    std::unique_ptr<LeaseKeeper> keeper_;
};

}  // namespace yoda
