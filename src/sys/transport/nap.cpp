// SPDX-License-Identifier: Apache-2.0
#include "sys/transport/nap.hpp"

#include <sched.h>
#include <sys/prctl.h>

namespace yoda {

namespace {

/// Where frames wake the sleeper.
constexpr Duration woken_wait = Duration::from_ms(20);

}  // namespace

Nap::Nap(Transport const& transport, Poller& poller) : transport_(transport), poller_(poller)
{
    ::prctl(PR_SET_TIMERSLACK, 1'000UL, 0UL, 0UL, 0UL);
}

void Nap::rest()
{
    if (transport_.fd() >= 0) {
        poller_.wait(woken_wait);
        return;
    }
    auto const step = policy_.next();
    if (step.poll || step.sleep.ns > 0) poller_.wait(step.sleep);
    if (step.yield) ::sched_yield();
}

}  // namespace yoda
