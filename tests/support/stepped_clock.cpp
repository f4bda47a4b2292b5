// SPDX-License-Identifier: Apache-2.0
// Preloaded into a program: its wall clock goes wrong by as many seconds as the file $STEPPED_CLOCK says,
// from the moment that the file does. The monotonic clock, /proc/uptime and the times of files stay as they
// are, as they do when an administrator or a time server sets a node's clock.
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>

namespace {

long step_s()
{
    char const* const path = std::getenv("STEPPED_CLOCK");
    if (path == nullptr) return 0;
    int const fd = ::open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    char text[32] = {};
    auto const got = ::read(fd, text, sizeof text - 1);
    ::close(fd);
    return got > 0 ? std::strtol(text, nullptr, 10) : 0;
}

timespec stepped_now()
{
    timespec now{};
    ::syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    now.tv_sec += step_s();
    return now;
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t which, timespec* to) noexcept
{
    if (which != CLOCK_REALTIME && which != CLOCK_REALTIME_COARSE)
        return static_cast<int>(::syscall(SYS_clock_gettime, which, to));
    *to = stepped_now();
    return 0;
}

int gettimeofday(timeval* to, void*) noexcept
{
    auto const now = stepped_now();
    to->tv_sec = now.tv_sec;
    to->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t* to) noexcept
{
    auto const now = stepped_now().tv_sec;
    if (to != nullptr) *to = now;
    return now;
}
}
