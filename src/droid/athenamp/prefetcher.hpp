// SPDX-License-Identifier: Apache-2.0
// The prefetcher: a payload like AthenaMP on a channel of its own, whose output for a range is a small local
// file that AthenaMP reads instead of the input (docs/reference/athenamp.md §8).
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "droid/athenamp/dialogue.hpp"
#include "droid/athenamp/router.hpp"
#include "sys/base/poller.hpp"

namespace yoda::athenamp {

/// A range on its way through the prefetcher; `peer` is AthenaMP's, which waits for it.
struct PrefetchOrder {
    std::string peer;
    WorkItem item;
};

class Prefetcher {
  public:
    struct Events {
        /// The item's PFN is the local file.
        std::function<void(PrefetchOrder)> fetched;
        /// This range cannot be had; nullopt: it does not say of which range it speaks.
        std::function<void(std::optional<PrefetchOrder>, Failure const&)> failed;
        /// Files of a range that nobody waits for any more.
        std::function<void(std::vector<std::string> const&)> unwanted;
        /// It may have said something that the poller does not tell of: read() is to be called soon. May come
        /// from within ask().
        std::function<void()> look_again;
    };
    Prefetcher(Router router, Poller& poller, Events events);
    ~Prefetcher();
    Prefetcher(Prefetcher const&) = delete;
    Prefetcher& operator=(Prefetcher const&) = delete;

    std::string const& channel() const { return router_.name(); }
    void ask(PrefetchOrder order);
    /// Hears what it has said, and says what could not be said before; to be called with each tick too.
    void read();
    /// Nobody wants this range any more; nullopt: it has no such order.
    std::optional<PrefetchOrder> cancel(HandOut what);
    /// Somebody waits for its answer.
    bool is_waited_for() const;
    /// All that it has not answered; it is told no more ranges.
    std::vector<PrefetchOrder> take_back();

  private:
    struct Flight {
        PrefetchOrder order;
        bool wanted = true;
    };
    void hear(std::string const& peer, std::string_view body);
    void hear_result(ResultLine const& result);
    void hear_failure(Failure const& failure);
    std::optional<Flight> take(std::string const& range_id);
    void serve();
    Router::Sent send(std::string const& peer, std::string_view text);

    Router router_;
    Poller& poller_;
    Events events_;
    bool ended_ = false;
    bool reading_ = false;
    std::deque<PrefetchOrder> orders_;              ///< not yet given to it
    std::deque<std::string> waiting_;               ///< its requests
    std::multimap<std::string, Flight> in_flight_;  ///< by range id
};

}  // namespace yoda::athenamp
