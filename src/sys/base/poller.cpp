// SPDX-License-Identifier: Apache-2.0
#include "sys/base/poller.hpp"

#include <sys/epoll.h>

#include <cerrno>
#include <ctime>

namespace yoda {

Result<Poller> Poller::make()
{
    FileDescriptor epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll) return os_error("make", "an epoll", errno);
    return Poller(std::move(epoll));
}

void Poller::add(int fd, std::function<void()> ready)
{
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    YODA_CHECK(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0, "an open descriptor, added once");
    ready_[fd] = std::move(ready);
}

void Poller::remove(int fd)
{
    if (ready_.erase(fd) > 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

int Poller::wait(Duration limit)
{
    epoll_event events[64];
    timespec const timeout{limit.ns / 1'000'000'000, limit.ns % 1'000'000'000};
    int const count = ::epoll_pwait2(epoll_.get(), events, 64, &timeout, nullptr);
    for (int i = 0; i < count; ++i) {
        auto const found = ready_.find(events[i].data.fd);
        if (found == ready_.end()) continue;  // Removed by an earlier callback of this round.
        auto const call = found->second;      // The callback may remove itself.
        call();
    }
    return count;
}

}  // namespace yoda
