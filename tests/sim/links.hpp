// SPDX-License-Identifier: Apache-2.0
// The network: frames between rank 0 and one Droid keep their order each way and are
// lost only when an end dies.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "sim.hpp"

namespace yoda::sim {

/// One direction.
class Link {
  public:
    /// The frame will arrive, announced by an event for `receiver`.
    void send(Sim& sim, ProcessId receiver, std::uint64_t link_number, std::string const& frame)
    {
        if (cut_) return;
        TimePoint const arrives = std::max(last_, sim.now + sim.frame_time());
        last_ = arrives;
        if (spare_.empty()) {
            frames_.push_back(frame);
        } else {
            frames_.push_back(std::move(spare_.back()));
            spare_.pop_back();
            frames_.back() = frame;
        }
        most_ = std::max(most_, frames_.size());
        sim.at(arrives, receiver, EventKind::frame, link_number);
    }
    /// The next one that has arrived; false: it was lost.
    bool take(std::string& frame)
    {
        if (frames_.empty()) return false;
        frame.swap(frames_.front());
        spare_.push_back(std::move(frames_.front()));
        frames_.pop_front();
        return true;
    }
    /// An end has died: of what is under way only the first `kept` frames still arrive.
    void cut(std::size_t kept)
    {
        cut_ = true;
        if (frames_.size() > kept) frames_.resize(kept);
    }
    std::size_t under_way() const { return frames_.size(); }
    std::size_t most_under_way() const { return most_; }

  private:
    std::deque<std::string> frames_;
    std::vector<std::string> spare_;
    TimePoint last_;
    bool cut_ = false;
    std::size_t most_ = 0;
};

}  // namespace yoda::sim
