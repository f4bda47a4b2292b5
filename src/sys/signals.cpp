#include "sys/signals.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

namespace yoda {

namespace {

/// The pipe's other end; -1 while nobody watches. A handler has nowhere else to look.
std::atomic<int> write_end = -1;
static_assert(std::atomic<int>::is_always_lock_free);

void tell(int number, siginfo_t* info, void*)
{
    int const saved = errno;
    CaughtSignal const caught{number, info != nullptr && info->si_code <= 0 ? info->si_pid : 0};
    // A full pipe has enough in it to wake the reader.
    [[maybe_unused]] auto const n = ::write(write_end.load(), &caught, sizeof caught);
    errno = saved;
}

}  // namespace

std::string print_signal(int number)
{
    char const* const name = ::sigabbrev_np(number);
    return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(number);
}

Result<SignalWatch> SignalWatch::start(std::initializer_list<int> signals)
{
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return os_error("make", "a pipe for signals", errno);
    SignalWatch watch{FileDescriptor(ends[0])};
    int expected = -1;
    YODA_CHECK(write_end.compare_exchange_strong(expected, ends[1]), "signals are watched already");
    for (int number : signals) {
        struct sigaction action {};
        action.sa_sigaction = tell;
        action.sa_flags = SA_SIGINFO | SA_RESTART;
        ::sigfillset(&action.sa_mask);
        Previous previous{number, {}};
        if (::sigaction(number, &action, &previous.action) != 0)
            return os_error("catch", print_signal(number), errno);
        watch.previous_.push_back(previous);
    }
    // What was held back while nobody could take it comes now.
    sigset_t watched;
    ::sigemptyset(&watched);
    for (int number : signals) ::sigaddset(&watched, number);
    ::pthread_sigmask(SIG_UNBLOCK, &watched, nullptr);
    return watch;
}

SignalWatch::~SignalWatch()
{
    if (!pipe_) return;
    for (Previous const& previous : previous_) ::sigaction(previous.number, &previous.action, nullptr);
    ::close(write_end.exchange(-1));
}

std::optional<CaughtSignal> SignalWatch::take()
{
    CaughtSignal caught;
    if (::read(pipe_.get(), &caught, sizeof caught) != sizeof caught) return std::nullopt;
    return caught;
}

}  // namespace yoda
