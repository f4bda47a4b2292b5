#include "sys/signals.hpp"

#include <fcntl.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "sys/clock.hpp"

namespace yoda {

namespace {

/// The pipe's other end; -1 while nobody watches. A handler has nowhere else to look.
std::atomic<int> write_end = -1;
std::atomic<std::int64_t> first_end_ns = 0;  ///< when INT or TERM first came; 0: not yet
std::atomic<int> end_code = 0;
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<std::int64_t>::is_always_lock_free);

/// For the last words; together with them a second is not over.
constexpr itimerval last_words{{}, {0, 700'000}};

[[noreturn]] void end(int)
{
    ::_exit(end_code.load());
}

/// Whether this one ends the process.
bool is_meant(int number)
{
    if (number != SIGINT && number != SIGTERM) return false;
    std::int64_t const now_ns = SystemClock().now().ns;  // One system call that handlers may make.
    std::int64_t first_ns = 0;
    return !first_end_ns.compare_exchange_strong(first_ns, now_ns) && ends_now(first_ns, now_ns);
}

/// A third one must not wind the timer up again.
void set_timer()
{
    static std::atomic_flag is_set = ATOMIC_FLAG_INIT;
    if (is_set.test_and_set()) return;
    struct sigaction action {};
    action.sa_handler = end;
    ::sigaction(SIGALRM, &action, nullptr);
    ::setitimer(ITIMER_REAL, &last_words, nullptr);
}

void tell(int number, siginfo_t* info, void*)
{
    int const saved = errno;
    CaughtSignal caught{number, info != nullptr && info->si_code <= 0 ? info->si_pid : 0};
    caught.ends_now = is_meant(number);
    if (caught.ends_now) set_timer();
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

bool is_ignored(int number)
{
    struct sigaction action {};
    return ::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

Result<SignalWatch> SignalWatch::start(std::vector<int> const& signals, int code)
{
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return os_error("make", "a pipe for signals", errno);
    SignalWatch watch{FileDescriptor(ends[0])};
    int expected = -1;
    YODA_CHECK(write_end.compare_exchange_strong(expected, ends[1]), "signals are watched already");
    first_end_ns = 0;
    end_code = code;
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
    ::sigaddset(&watched, SIGALRM);  // The timer's.
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
