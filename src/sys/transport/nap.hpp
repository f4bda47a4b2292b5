// SPDX-License-Identifier: Apache-2.0
// How a loop waits for frames. While messages follow each other closely, the loop looks again and again and
// yields its core between the looks: this costs CPU, but no time. Otherwise the loop sleeps at once, longer
// and longer, since a rank that waits must leave its core to the payload. The last gaps between messages
// decide. MPI cannot wake a sleeping loop; a transport that has a descriptor does.
#pragma once

#include <algorithm>

#include "core/base/time.hpp"
#include "sys/base/poller.hpp"
#include "sys/transport/transport.hpp"

namespace yoda {

/// What to do before the next look, without a clock: looks and naps are counted instead.
class NapPolicy {
  public:
    struct Step {
        bool poll = false;   ///< ask the poller, without waiting
        bool yield = false;  ///< leave the core to whoever waits for it
        Duration sleep;      ///< zero: look again at once
    };

    /// There was a frame since the last next().
    void had_traffic()
    {
        // Whoever naps hears late: then even what came within the first nap was soon.
        bool const is_short = nap_count_ <= (is_dense() ? 0u : 1u);
        short_gaps_ = is_short ? std::min(short_gaps_ + 1, most_trusted) : short_gaps_ / 2;
        look_count_ = nap_count_ = 0;
    }

    Step next()
    {
        if (look_count_ < (is_dense() ? dense_looks : sparse_looks)) {
            ++look_count_;
            if (!is_dense()) return {true, true, {}};
            return {look_count_ % poll_every == 0, look_count_ > dense_looks_at_once, {}};
        }
        Duration const nap{(is_dense() ? first_dense_nap : first_nap).ns << nap_count_};
        if (nap < longest_nap) ++nap_count_;
        return {false, false, std::min(nap, longest_nap)};
    }

    static constexpr Duration longest_nap = Duration::from_ms(5);

  private:
    bool is_dense() const { return short_gaps_ >= gaps_to_trust; }

    static constexpr Duration first_dense_nap{20'000};
    static constexpr Duration first_nap{200'000};
    /// A look takes a third of a microsecond, a yield to nobody a tenth: so many take some 100 us.
    static constexpr unsigned dense_looks = 256;
    static constexpr unsigned dense_looks_at_once = 8;
    static constexpr unsigned sparse_looks = 2;
    static constexpr unsigned poll_every = 32;
    /// Short gaps in a row after which traffic counts as dense.
    static constexpr unsigned gaps_to_trust = 16;
    static constexpr unsigned most_trusted = 64;

    unsigned short_gaps_ = most_trusted;  ///< grows by one, is halved by a long gap
    unsigned look_count_ = 0;
    unsigned nap_count_ = 0;
};

class Nap {
  public:
    /// Makes this thread's timers precise to a microsecond: a nap of 20 us would take 70 otherwise.
    Nap(Transport const& transport, Poller& poller);

    void had_traffic() { policy_.had_traffic(); }
    /// Waits a moment, at most 20 ms; calls what has become ready in the poller.
    void rest();

  private:
    Transport const& transport_;
    Poller& poller_;
    NapPolicy policy_;
};

}  // namespace yoda
