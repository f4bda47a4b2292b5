// SPDX-License-Identifier: Apache-2.0
// Frames between ranks: order per pair is kept, nothing is lost while both ends live, nothing blocks.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/base/types.hpp"

namespace yoda {

class Transport {
  public:
    virtual ~Transport() = default;
    virtual Rank rank() const = 0;
    virtual std::uint32_t rank_count() const = 0;
    /// Takes a copy. A frame to a rank that has died is lost without a word.
    virtual void send(Rank to, std::string_view frame) = 0;
    /// The next frame that has arrived; false when there is none. Also moves what is being sent along.
    virtual bool receive(Rank& from, std::string& frame) = 0;
    /// Frames to this rank that have not left yet: to be bounded by the caller.
    virtual std::size_t unsent_count(Rank to) const = 0;
    /// Send nothing to this rank any more: it is dead, unless it speaks again.
    virtual void give_up(Rank rank) = 0;
    /// To be polled for reading; -1 where arrival cannot be polled for (MPI): then wait in short naps.
    virtual int fd() const = 0;
};

}  // namespace yoda
