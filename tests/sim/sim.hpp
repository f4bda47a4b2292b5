// SPDX-License-Identifier: Apache-2.0
// What all parts of a world share: its clock, its agenda, the disk, the truth, and how long things take.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <string>

#include "agenda.hpp"
#include "disk.hpp"
#include "plan.hpp"

namespace yoda::sim {

/// A promise that was broken: thrown by checkers, caught where worlds are run.
struct Violation {
    std::string checker;
    std::string what;
};

/// The last lines of what happened.
class Trace {
  public:
    explicit Trace(std::size_t most) : most_(most) {}
    void add(std::string line)
    {
        lines_.push_back(std::move(line));
        if (lines_.size() > most_) lines_.pop_front();
    }
    std::deque<std::string> const& lines() const { return lines_; }

  private:
    std::size_t most_;
    std::deque<std::string> lines_;
};

class Ledger;

struct Sim {
    Sim(Plan const& the_plan, Trace* the_trace)
        : plan(the_plan),
          trace(the_trace),
          network(mix(the_plan.seed, 1)),
          machine(mix(the_plan.seed, 2)),
          crashes(mix(the_plan.seed, 3))
    {}

    Plan const& plan;
    Trace* trace;
    TimePoint now;
    Agenda agenda;
    Disk disk;
    Random network;
    Random machine;
    Random crashes;
    Duration slow_frames;  ///< a fault: each frame takes up to so much more
    Duration slow_syncs;

    void at(TimePoint when, ProcessId process, EventKind kind, std::uint64_t data = 0,
            std::uint16_t detail = 0)
    {
        agenda.add({when, 0, data, process, detail, kind});
    }
    template <class... Args>
    void tell(fmt::format_string<Args...> format, Args&&... args)
    {
        if (trace)
            trace->add(fmt::format("{:12.6f} ", (now - TimePoint{}).s()) +
                       fmt::format(format, std::forward<Args>(args)...));
    }

    Duration frame_time()
    {
        double const spread = plan.frame_spread == 0 ? 1 : std::exp(plan.frame_spread * network.normal());
        return plan.frame_time * spread + slow_frames * network.unit();
    }
    Duration sync_time()
    {
        double const spread = plan.sync_spread == 0 ? 1 : std::exp(plan.sync_spread * machine.normal());
        return plan.sync_time * spread + slow_syncs;
    }
    Duration loop_time() { return plan.loop_time * machine.unit(); }
};

}  // namespace yoda::sim
