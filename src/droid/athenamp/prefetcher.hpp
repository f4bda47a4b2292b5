// The prefetcher: a payload like AthenaMP on a channel of its own, whose output for a range is a small local
// file that AthenaMP reads instead of the input (protocols.md §5.8).
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "droid/athenamp/dialogue.hpp"
#include "droid/athenamp/router.hpp"
#include "sys/poller.hpp"

namespace yoda::athenamp {

/// A range on its way through the prefetcher; `peer` is AthenaMP's, which waits for it.
struct PrefetchOrder {
    std::string peer;
    WorkItem item;
};

class Prefetcher {
  public:
    /// `fetched`: the item's PFN is the local file. `failed`: this range cannot be had. Both are called from
    /// the poller.
    struct Events {
        std::function<void(PrefetchOrder)> fetched;
        std::function<void(PrefetchOrder, Failure const&)> failed;
    };
    Prefetcher(Router router, Poller& poller, Events events);
    ~Prefetcher();
    Prefetcher(Prefetcher const&) = delete;
    Prefetcher& operator=(Prefetcher const&) = delete;

    std::string const& channel() const { return router_.name(); }
    void ask(PrefetchOrder order);
    void read();
    /// All that it has not answered; it is told no more ranges.
    std::vector<PrefetchOrder> take_back();

  private:
    void hear(std::string const& peer, std::string_view body);
    void serve();

    Router router_;
    Poller& poller_;
    Events events_;
    bool ended_ = false;
    std::deque<PrefetchOrder> orders_;                ///< not yet given to it
    std::deque<std::string> waiting_;                 ///< its requests
    std::map<std::string, PrefetchOrder> in_flight_;  ///< by range id
};

}  // namespace yoda::athenamp
