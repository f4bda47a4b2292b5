// SPDX-License-Identifier: Apache-2.0
// What a store needs from its surroundings: clock, log, limits, and what is shared
// with other threads' stores.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "core/base/time.hpp"
#include "harvest/stores/base/breaker.hpp"
#include "sys/base/clock.hpp"
#include "sys/base/log.hpp"
#include "sys/http/rate_limit.hpp"

namespace yoda {

struct TransferPolicy {
    unsigned try_limit = 6;  ///< of one request
    Duration first_back_off = Duration::from_ms(500);
    Duration longest_back_off = Duration::from_s(30);
    Duration connect_timeout = Duration::from_s(20);
    Duration stall_window = Duration::from_s(30);
    std::uint64_t stall_bytes = 30 * 1024;                   ///< fewer within the window is a stall
    Duration deadline_base = Duration::from_s(600);          ///< of one file: this ...
    Duration deadline_per_mb = Duration::from_s(1);          ///< ... and this for each 10^6 bytes ...
    Duration deadline_longest = Duration::from_s(3 * 3600);  ///< ... but no more than this
    std::uint64_t part_bytes = 16ull << 20;
    unsigned parts_at_once = 4;
    unsigned hash_threads = 2;
    BreakerPolicy breaker;
    Duration breaker_patience = Duration::from_s(20);  ///< a request that may not be sent for so long fails

    Duration deadline_for(std::uint64_t bytes) const;
};

/// The breakers of all endpoints, by "scheme://host:port".
class Breakers {
  public:
    explicit Breakers(BreakerPolicy policy = {}) : policy_(policy) {}
    std::shared_ptr<Breaker> of(std::string const& endpoint);

  private:
    std::mutex mutex_;
    BreakerPolicy policy_;
    std::map<std::string, std::shared_ptr<Breaker>> breakers_;
};

/// Shared by all stores of one process; everything it points to outlives them.
struct StoreContext {
    Clock const* clock = nullptr;
    Log* log = nullptr;
    Breakers* breakers = nullptr;
    std::atomic<bool> const* stop = nullptr;  ///< may be null
    std::shared_ptr<RateLimit> send_limit;    ///< may be null
    TransferPolicy policy;
};

}  // namespace yoda
