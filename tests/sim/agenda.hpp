// SPDX-License-Identifier: Apache-2.0
// What happens when: a heap of events, in order of time, and among those of one time
// in order of their making.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/base/time.hpp"

namespace yoda::sim {

/// Who an event is for: an index into the world's processes (they are never used again), or the world itself.
using ProcessId = std::uint32_t;

enum class EventKind : std::uint8_t {
    frame,      ///< a frame has come in by link `data`
    round,      ///< one round of the process's loop
    tick,       ///< its clock
    journal,    ///< the journal's thread is done with its step
    writer,     ///< the bundle writer is done with its step
    payload,    ///< something of the payload of job `detail`; `data` says what
    fault,      ///< number `data` of the plan
    note,       ///< number `data` of the plan's notes for the inbox
    life,       ///< the next life begins
    kill_life,  ///< the allocation of life `data` is over
    calm,       ///< a fault passes
    watch,      ///< look whether anything moves
};

struct Event {
    TimePoint at;
    std::uint64_t order = 0;
    std::uint64_t data = 0;
    ProcessId process = 0;
    std::uint16_t detail = 0;
    EventKind kind = EventKind::round;
};

class Agenda {
  public:
    void add(Event event)
    {
        event.order = next_order_++;
        heap_.push_back(event);
        std::push_heap(heap_.begin(), heap_.end(), is_later);
    }
    bool empty() const { return heap_.empty(); }
    std::size_t size() const { return heap_.size(); }
    Event take()
    {
        std::pop_heap(heap_.begin(), heap_.end(), is_later);
        Event const event = heap_.back();
        heap_.pop_back();
        return event;
    }

  private:
    static bool is_later(Event const& a, Event const& b)
    {
        return a.at.ns != b.at.ns ? a.at.ns > b.at.ns : a.order > b.order;
    }
    std::vector<Event> heap_;
    std::uint64_t next_order_ = 0;
};

}  // namespace yoda::sim
