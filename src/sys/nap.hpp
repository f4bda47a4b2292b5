// How long a loop that cannot be woken (MPI) may sleep. Where messages follow each other closely it yields
// and looks again, which costs a core but no time; where they do not, it sleeps at once, longer and longer: a
// rank that waits must leave its core to the payload. Which of the two it is, the last gaps tell.
#pragma once

#include "core/time.hpp"

namespace yoda {

class Nap {
  public:
    explicit Nap(Duration longest) : longest_(longest) {}

    void had_traffic()
    {
        short_gap_count_ = nap_count_ <= 1 ? short_gap_count_ + 1 : 0;
        is_dense_ = is_dense_ ? short_gap_count_ > 0 : short_gap_count_ >= gaps_to_trust;
        look_count_ = nap_count_ = 0;
    }

    /// The next nap; zero: yield and look again; less than zero: look again at once.
    Duration next()
    {
        if (look_count_ < (is_dense_ ? 64u : 2u)) {
            // An answer of another core takes a microsecond, and so does a yield.
            return {look_count_++ < 16 && is_dense_ ? -1 : 0};
        }
        Duration const first{is_dense_ ? 20'000 : 200'000};
        Duration const nap{first.ns << nap_count_};
        if (nap >= longest_) return longest_;
        ++nap_count_;
        return nap;
    }

  private:
    static constexpr unsigned gaps_to_trust = 3;

    Duration longest_;
    unsigned short_gap_count_ = gaps_to_trust;
    bool is_dense_ = true;
    unsigned look_count_ = 0;
    unsigned nap_count_ = 0;
};

}  // namespace yoda
