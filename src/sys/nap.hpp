// How long a loop that cannot be woken (MPI) may sleep: not at all right after traffic, then longer and
// longer. A rank that waits must leave its core to the payload.
#pragma once

#include "core/time.hpp"

namespace yoda {

class Nap {
  public:
    explicit Nap(Duration longest) : longest_(longest) {}
    void had_traffic() { idle_rounds_ = 0; }
    /// The next nap; zero means: yield and look again.
    Duration next()
    {
        constexpr unsigned yield_rounds = 32;
        constexpr Duration first{20'000};
        if (idle_rounds_ < yield_rounds) {
            ++idle_rounds_;
            return {0};
        }
        unsigned const doubling = idle_rounds_ - yield_rounds;
        if (doubling < 16) ++idle_rounds_;
        Duration const nap{first.ns << doubling};
        return nap < longest_ ? nap : longest_;
    }

  private:
    Duration longest_;
    unsigned idle_rounds_ = 0;
};

}  // namespace yoda
